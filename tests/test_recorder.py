"""The recorder: by a clock turned by hand where time matters, and on a simulated line."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from watlowlib import OverflowPolicy, WatlowManager, record
from watlowlib.clock import ManualClock
from watlowlib.device.controller import Controller
from watlowlib.device.polling import Parameters, Poll
from watlowlib.errors import WatlowConfigurationError, WatlowUnknownParameterError
from watlowlib.model import ProtocolKind, Sample
from watlowlib.recorder import Recording
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus

PATIENCE_S = 10.0


def sample(value: float | None, status: str = "ok") -> Sample:
    now = ManualClock().utc()
    return Sample(
        device="d", address=1, protocol=ProtocolKind.STDBUS, parameter="p", parameter_id=4001,
        instance=1, value=value, unit=None, requested_at=now, received_at=now, midpoint_at=now,
        latency_s=0.0, raw=None, status=status,
    )  # fmt: skip


class Source:
    """A source whose ticks are what the test wants them to be."""

    def __init__(self, tick: Callable[[int], list[Sample]]) -> None:
        self._tick = tick
        self.asked = 0

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: Sequence[int] = (1,),
        names: Sequence[str] | None = None,
    ) -> Poll:
        def poll(stop: threading.Event | None = None) -> list[Sample]:
            self.asked += 1
            return self._tick(self.asked - 1)

        return poll


class Counting(Source):
    """Tick n brings the value n, after `lasting[n]` seconds on the clock."""

    def __init__(self, clock: ManualClock, lasting: dict[int, float] | None = None) -> None:
        def tick(n: int) -> list[Sample]:
            clock.advance((lasting or {}).get(n, 0.0))
            return [sample(float(n))]

        super().__init__(tick)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def manual(source: Source, clock: ManualClock, **options: object) -> Recording:
    settings = {"parameters": "pv", "rate_hz": 1.0, "duration": 10.0, "clock": clock, **options}
    return record(source, **settings)  # type: ignore[arg-type]


def turned(stream: Recording, clock: ManualClock) -> Iterator[list[Sample]]:
    """The batches, with the clock turned to the next slot whenever the recorder waits for it."""

    def turn() -> None:
        while not done.is_set():
            if clock.waiting.wait(0.05):
                clock.advance(1.0 - clock.now_ns() / 1e9 % 1.0)

    done = threading.Event()
    turner = threading.Thread(target=turn)
    turner.start()
    try:
        yield from stream
    finally:
        done.set()
        turner.join(PATIENCE_S)


def test_one_batch_a_tick(clock: ManualClock) -> None:
    with manual(Counting(clock), clock) as stream:
        assert [batch[0].value for batch in turned(stream, clock)] == list(range(10))
    summary = stream.summary
    assert (summary.samples_emitted, summary.samples_late, summary.rows) == (10, 0, 10)
    assert summary.max_drift_ms == 0.0
    assert (summary.finished_at - summary.started_at).total_seconds() == 9.0


def test_a_tick_that_overruns_skips_its_slots_and_says_so(clock: ManualClock) -> None:
    # Tick 2 takes 3.25 s: the slots 3 and 4 go by, slot 5 begins a quarter late.
    source = Counting(clock, {2: 3.25})
    with manual(source, clock) as stream:
        assert len(list(turned(stream, clock))) == source.asked == 8
    summary = stream.summary
    assert (summary.samples_emitted, summary.ticks_skipped, summary.samples_late) == (8, 2, 2)
    assert summary.max_drift_ms == 250.0


def test_every_slot_is_a_batch_or_counted(clock: ManualClock) -> None:
    source = Counting(clock, {1: 1.5, 3: 7.0, 5: 0.999})
    with manual(source, clock, duration=20.0) as stream:
        batches = list(turned(stream, clock))
    assert len(batches) + stream.summary.samples_late == 20


def test_block_loses_no_batch_however_slow_the_consumer(clock: ManualClock) -> None:
    with manual(Counting(clock), clock, buffer_size=1) as stream:
        values = [batch[0].value for batch in turned(stream, clock)]
    assert len(values) + stream.summary.ticks_skipped == 10
    assert values == sorted(values)
    assert stream.summary.ticks_dropped == 0


def test_drop_newest_keeps_the_oldest_and_counts_the_rest(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"overflow": OverflowPolicy.DROP_NEWEST, "buffer_size": 3}
    with manual(Counting(clock), clock, **options) as stream:
        for _ in range(9):
            assert clock.waiting.wait(PATIENCE_S)
            clock.advance(1.0)
        stream._worker._thread.join(PATIENCE_S)
        assert [batch[0].value for batch in stream] == [0.0, 1.0, 2.0]
    assert (stream.summary.samples_emitted, stream.summary.ticks_dropped) == (3, 7)
    assert stream.summary.samples_late == 7
    assert caplog.text.count("does not keep up") == 1


def test_the_summary_lives_while_it_runs(clock: ManualClock) -> None:
    with manual(Counting(clock), clock, duration=None) as stream:
        assert next(iter(stream))[0].value == 0.0
        assert clock.waiting.wait(PATIENCE_S)
        assert stream.summary.samples_emitted == 1
        clock.advance(1.0)
        assert next(iter(stream))[0].value == 1.0
        assert clock.waiting.wait(PATIENCE_S)
        assert stream.summary.samples_emitted == 2
    assert stream.summary == stream.summary


def test_gaps_and_disconnections_are_counted(clock: ManualClock) -> None:
    lost = [sample(None, "disconnected")]
    ticks = [[sample(1.0)], lost, lost, [sample(1.0), sample(None, "timeout")], lost]
    with manual(Source(lambda n: ticks[n]), clock, duration=5.0) as stream:
        assert [len(batch) for batch in turned(stream, clock)] == [1, 1, 1, 2, 1]
    assert (stream.summary.rows, stream.summary.gaps, stream.summary.disconnects) == (6, 4, 2)


def test_what_kills_the_recorder_reaches_the_consumer(clock: ManualClock) -> None:
    def tick(n: int) -> list[Sample]:
        if n == 2:
            raise ZeroDivisionError("a fault of our own")
        return [sample(float(n))]

    batches = []
    with manual(Source(tick), clock) as stream:
        with pytest.raises(ZeroDivisionError, match="a fault of our own"):
            batches.extend(turned(stream, clock))
    assert len(batches) == 2


def test_or_who_leaves_the_block_without_looking(clock: ManualClock) -> None:
    def tick(n: int) -> list[Sample]:
        raise ZeroDivisionError("a fault of our own")

    with pytest.raises(ZeroDivisionError), manual(Source(tick), clock) as stream:
        stream._worker._thread.join(PATIENCE_S)


def test_what_nobody_took_is_counted_as_dropped(clock: ManualClock) -> None:
    with manual(Counting(clock), clock, buffer_size=20, duration=None) as stream:
        batches = iter(stream)
        for n in range(7):
            # The recorder waits for the next slot: tick n has been handed over.
            assert clock.waiting.wait(PATIENCE_S)
            if n < 3:
                assert next(batches)[0].value == n
            clock.advance(1.0)
        assert clock.waiting.wait(PATIENCE_S)
    summary = stream.summary
    assert (summary.samples_emitted, summary.rows) == (3, 3)
    assert summary.ticks_dropped == 5


def test_a_recording_forgotten_with_a_full_buffer_does_not_hold_up_the_exit() -> None:
    program = """
from watlowlib import open_device, record
from watlowlib.simulator import SimulatedBus
bus = SimulatedBus([1], baudrate=None)
bus.start()
stream = record(open_device(bus.port), parameters="pv", rate_hz=1000.0, buffer_size=1)
stream.__enter__()
while stream._tally.emitted < 1:
    pass
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("way", ["break", "exception", "stop", "nothing"])
def test_leaving_ends_it_whichever_way(ctl: Controller, way: str) -> None:
    def leave() -> None:
        with record(ctl, parameters="pv", rate_hz=200.0, buffer_size=2) as stream:
            for batch in stream if way != "nothing" else []:
                assert batch[0].status == "ok"
                if way == "break":
                    break
                if way == "exception":
                    raise KeyError("left")
                stream.stop()

    if way == "exception":
        with pytest.raises(KeyError):
            leave()
    else:
        leave()
    # That no thread is left is seen to after every test.
    assert ctl.read_setpoint().value == 75.0


def test_a_fleet_is_recorded_whole(bus: SimulatedBus) -> None:
    with WatlowManager() as mgr:
        for address in (1, 2):
            mgr.add(f"oven_{address}", bus.port, address=address, timeout_s=0.05, retries=0)
        bus.power_off(2)
        wanted = ["process_value", "setpoint"]
        with record(mgr, parameters=wanted, rate_hz=50.0, duration=0.1) as stream:
            batches = list(stream)
    for batch in batches:
        assert [(each.device, each.parameter, each.status) for each in batch] == [
            ("oven_1", "process_value", "ok"),
            ("oven_1", "setpoint", "ok"),
            ("oven_2", "process_value", "timeout"),
            ("oven_2", "setpoint", "timeout"),
        ]
    assert len(batches) + stream.summary.samples_late == 5


def test_a_port_that_goes_away_is_a_gap_not_an_end() -> None:
    faults = FaultPlan()
    faults.next_are(None, Fault.CLOSE)
    # On TCP, because another program may be given the pty's name as soon as it is free.
    line = SimulatedBus([1], baudrate=None, faults=faults, transport="tcp")
    with line as bus, WatlowManager() as mgr:
        mgr.add("oven", bus.port, timeout_s=0.5)
        with record(mgr, parameters="pv", rate_hz=100.0, duration=0.05) as stream:
            statuses = [batch[0].status for batch in stream]
    assert statuses[:2] == ["ok", "disconnected"]
    assert set(statuses[2:]) <= {"disconnected"}
    assert stream.summary.disconnects == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rate_hz": 0}, "rate_hz=0: give a number above 0"),
        ({"rate_hz": -2.0}, "rate_hz=-2.0"),
        ({"rate_hz": float("inf")}, "rate_hz=inf"),
        ({"rate_hz": "fast"}, "rate_hz='fast'"),
        ({"duration": 0}, "duration=0"),
        ({"duration": -1.0}, "duration=-1.0"),
        ({"buffer_size": 0}, "buffer_size=0"),
        ({"parameters": []}, "at least one parameter"),
        ({"instances": []}, "at least one instance"),
        ({"instances": [0]}, "instance=0: process_value has instances 1 to 2"),
        ({"instances": 1.5}, "instance=1.5"),
        ({"names": ["oven"]}, "here is only"),
        ({"overflow": "explode"}, "allowed are block, drop_newest"),
    ],
)
def test_what_cannot_be_recorded_sends_nothing(
    ctl: Controller, wrong: dict[str, object], message: str
) -> None:
    settings = {"parameters": "pv", "rate_hz": 2.0, **wrong}
    with pytest.raises(WatlowConfigurationError, match=message):
        record(ctl, **settings)  # type: ignore[arg-type]
    assert ctl.stats.exchanges == 0


def test_a_slip_in_a_parameter_sends_nothing(ctl: Controller) -> None:
    with pytest.raises(WatlowUnknownParameterError, match="did you mean 'process_value'"):
        record(ctl, parameters=["proces_value"], rate_hz=2.0)
    assert ctl.stats.exchanges == 0


def test_what_is_no_source(bus: SimulatedBus) -> None:
    with pytest.raises(WatlowConfigurationError, match="cannot be recorded: give a Controller"):
        record(bus.port, parameters="pv", rate_hz=1.0)  # type: ignore[arg-type]


def test_a_recording_runs_once_and_in_a_with_statement(ctl: Controller) -> None:
    stream = record(ctl, parameters="pv", rate_hz=100.0, duration=0.01)
    with pytest.raises(WatlowConfigurationError, match="in a with statement"):
        next(iter(stream))
    with stream:
        assert len(list(stream)) == 1
    with pytest.raises(WatlowConfigurationError, match="runs once"), stream:
        pass
