"""The recorder: by a clock turned by hand where time matters, and on a simulated line."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.conftest import ours
from tests.ctrl_c import Pressed
from watlowlib import OverflowPolicy, WatlowManager, record
from watlowlib._internal import threads
from watlowlib._internal.clock import ManualClock
from watlowlib._internal.threads import Worker
from watlowlib.devices.controller import Controller
from watlowlib.devices.poll import Parameters, Poll
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowUnknownParameterError,
)
from watlowlib.model import ProtocolKind, RateReport, Sample
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus
from watlowlib.streaming import recorder
from watlowlib.streaming.recorder import Recording

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


def turned(stream: Recording, clock: ManualClock, step_s: float = 1.0) -> Iterator[list[Sample]]:
    """The batches, with the clock turned to the next slot whenever the recorder waits for it."""

    def turn() -> None:
        while not done.is_set():
            if clock.waiting.wait(0.05):
                clock.advance(step_s - clock.now_ns() / 1e9 % step_s)

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


def test_drop_oldest_keeps_the_newest_and_counts_the_rest(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"overflow": OverflowPolicy.DROP_OLDEST, "buffer_size": 3}
    with manual(Counting(clock), clock, **options) as stream:
        for _ in range(9):
            assert clock.waiting.wait(PATIENCE_S)
            clock.advance(1.0)
        stream._worker._thread.join(PATIENCE_S)
        assert [batch[0].value for batch in stream] == [7.0, 8.0, 9.0]
    summary = stream.summary
    assert (summary.samples_emitted, summary.rows, summary.ticks_dropped) == (3, 3, 7)
    assert caplog.text.count("does not keep up") == 1
    assert caplog.text.count("no more batches are being dropped; 7 were") == 1


@pytest.mark.parametrize("overflow", [OverflowPolicy.DROP_OLDEST, OverflowPolicy.DROP_NEWEST])
def test_each_spell_of_dropping_is_logged_once(
    clock: ManualClock, caplog: pytest.LogCaptureFixture, overflow: OverflowPolicy
) -> None:
    def turn(ticks: int) -> None:
        for _ in range(ticks):
            assert clock.waiting.wait(PATIENCE_S)
            clock.advance(1.0)
        assert clock.waiting.wait(PATIENCE_S)

    options = {"overflow": overflow, "buffer_size": 4, "duration": None}
    with manual(Counting(clock), clock, **options) as stream:
        batches = iter(stream)
        turn(8)
        # One place at a time is free and taken again: still the same spell.
        for _ in range(2):
            next(batches)
            turn(2)
        assert caplog.text.count("does not keep up") == 1
        assert "no more" not in caplog.text
        first = stream.summary.ticks_dropped
        for _ in range(4):
            next(batches)
        turn(1)
        assert f"no more batches are being dropped; {first} were" in caplog.text
        turn(6)
        assert caplog.text.count("does not keep up") == 2
        second = stream.summary.ticks_dropped - first
        assert second == 3
    assert caplog.text.count("no more batches are being dropped") == 2


class Named(Source):
    """Each tick has a sample for each parameter asked for, after `lasting` seconds."""

    def __init__(self, clock: ManualClock, lasting: dict[float, float] | None = None) -> None:
        super().__init__(lambda n: [])
        self.begun_s: list[tuple[float, tuple[str, ...]]] = []
        self._clock = clock
        self._lasting = lasting or {}

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: Sequence[int] = (1,),
        names: Sequence[str] | None = None,
    ) -> Poll:
        assert isinstance(parameters, list)
        wanted = [str(each) for each in parameters]

        def poll(stop: threading.Event | None = None) -> list[Sample]:
            now_s = self._clock.now_ns() / 1e9
            self.begun_s.append((now_s, tuple(wanted)))
            self._clock.advance(self._lasting.get(now_s, 0.0))
            return [replace(sample(1.0), parameter=each) for each in wanted]

        return poll


def test_each_parameter_at_its_own_rate(clock: ManualClock) -> None:
    source = Named(clock)
    rates = {"pv": 1.0, "sp": 0.4, "power": 1.0}
    with manual(source, clock, parameters=rates, rate_hz=None, duration=6.0) as stream:
        batches = [[each.parameter for each in batch] for batch in turned(stream, clock, 0.5)]
    assert source.begun_s == [
        (0.0, ("pv", "sp", "power")),
        (1.0, ("pv", "power")),
        (2.0, ("pv", "power")),
        (2.5, ("sp",)),
        (3.0, ("pv", "power")),
        (4.0, ("pv", "power")),
        (5.0, ("pv", "sp", "power")),
    ]
    assert batches == [list(names) for _, names in source.begun_s]
    assert stream.summary.rates == (
        RateReport(1.0, ("pv", "power"), emitted=6),
        RateReport(0.4, ("sp",), emitted=3),
    )
    assert stream.ticks == 9
    assert (stream.summary.samples_emitted, stream.summary.rows) == (7, 15)


def test_each_rate_counts_the_slots_it_misses(clock: ManualClock) -> None:
    # The tick at 2 s takes 3.25 s: 1 Hz loses 3 and 4, and 0.4 Hz is a quarter late.
    source = Named(clock, {2.0: 3.25})
    rates = {"pv": 1.0, "sp": 0.4}
    with manual(source, clock, parameters=rates, rate_hz=None, duration=6.0) as stream:
        list(turned(stream, clock, 0.5))
    assert source.begun_s[-2:] == [(2.0, ("pv",)), (5.25, ("pv", "sp"))]
    summary = stream.summary
    assert summary.rates == (
        RateReport(1.0, ("pv",), emitted=4, skipped=2),
        RateReport(0.4, ("sp",), emitted=2, skipped=1),
    )
    assert (summary.ticks_skipped, summary.max_drift_ms) == (3, 250.0)


def test_what_is_dropped_is_counted_for_its_rate(clock: ManualClock) -> None:
    rates = {"pv": 1.0, "sp": 0.5}
    options = {"overflow": OverflowPolicy.DROP_OLDEST, "buffer_size": 2, "rate_hz": None}
    with manual(Named(clock), clock, parameters=rates, duration=6.0, **options) as stream:
        for _ in range(5):
            assert clock.waiting.wait(PATIENCE_S)
            clock.advance(1.0)
        stream._worker._thread.join(PATIENCE_S)
        assert [len(batch) for batch in stream] == [2, 1]
    assert stream.summary.rates == (
        RateReport(1.0, ("pv",), emitted=2, dropped=4),
        RateReport(0.5, ("sp",), emitted=1, dropped=2),
    )


def test_half_and_99_percent_of_the_ticks(clock: ManualClock) -> None:
    # 97 ticks of 0.1 s, two of 0.2 s and one of 0.5 s.
    lasting = dict.fromkeys(range(100), 0.1) | {10: 0.2, 20: 0.2, 30: 0.5}
    with manual(Counting(clock, lasting), clock, duration=100.0, buffer_size=100) as stream:
        assert len(list(turned(stream, clock))) == 100
    assert 100.0 <= stream.summary.tick_p50_ms <= 100.0 * 65 / 64
    assert 200.0 <= stream.summary.tick_p99_ms <= 200.0 * 65 / 64


def test_setting_the_wall_clock_disturbs_nothing() -> None:
    class Stepped(ManualClock):
        """Somebody sets the wall clock back an hour, in the third second."""

        def utc(self) -> datetime:
            return super().utc() - timedelta(hours=self.now_ns() > 3_000_000_000)

    clock = Stepped()
    source = Named(clock)
    with manual(source, clock, parameters=["pv"]) as stream:
        assert len(list(turned(stream, clock))) == 10
    assert [begun_s for begun_s, _ in source.begun_s] == [float(n) for n in range(10)]
    assert (stream.summary.samples_late, stream.summary.max_drift_ms) == (0, 0.0)
    assert stream.summary.duration_s == 9.0


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


class OnPorts(Source):
    """A source that says which device is on which port."""

    def prepare(self, *args: object, **options: object) -> Poll:
        poll = super().prepare("pv")
        poll.ports = {"a": "1", "b": "1", "c": "2"}  # type: ignore[attr-defined]
        return poll


def test_each_port_that_is_lost_is_counted_once_until_it_is_back(clock: ManualClock) -> None:
    ticks = [
        {"a": "ok", "b": "disconnected", "c": "ok"},
        {"a": "disconnected", "b": "disconnected", "c": "ok"},
        # The other port goes too, while the first is still away.
        {"a": "stopped", "b": "disconnected", "c": "disconnected"},
        # Back and lost again within one tick; and silent, but there.
        {"a": "ok", "b": "disconnected", "c": "timeout"},
        {"a": "disconnected", "b": "disconnected", "c": "disconnected"},
    ]

    def tick(n: int) -> list[Sample]:
        return [replace(sample(1.0, status), device=name) for name, status in ticks[n].items()]

    with manual(OnPorts(tick), clock, duration=5.0) as stream:
        list(turned(stream, clock))
    assert stream.summary.disconnects == 4


def test_without_auto_reconnect_a_lost_port_ends_it(clock: ManualClock) -> None:
    ticks = [[sample(1.0)], [sample(None, "timeout")], [sample(None, "disconnected")]]
    batches = []
    with manual(Source(lambda n: ticks[n]), clock, auto_reconnect=False) as stream:
        with pytest.raises(WatlowConnectionError, match="the port of 'd' was lost"):
            batches.extend(turned(stream, clock))
    # What was read, and that it was lost, has been handed over.
    assert batches == ticks
    assert stream.summary.samples_emitted == 3


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
while stream._counters.emitted < 1:
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
        for address, timeout_s in ((1, 10.0), (2, 0.05)):
            mgr.add(f"oven_{address}", bus.port, address=address, timeout_s=timeout_s, retries=0)
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
        with record(mgr, parameters="pv", rate_hz=100.0) as stream:
            statuses = [batch[0].status for batch in itertools.islice(stream, 4)]
    assert statuses == ["ok"] + ["disconnected"] * 3
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
        ({"parameters": {}, "rate_hz": None}, "at least one parameter"),
        ({"parameters": {"pv": 1.0}}, "rate_hz=2.0: each parameter has its own rate"),
        ({"parameters": {"pv": 0}, "rate_hz": None}, "the rate of 'pv'=0: give a number above 0"),
        ({"parameters": {n: n for n in range(1, 8)}, "rate_hz": None}, "7 different rates"),
        ({"rate_hz": None}, "rate_hz is missing"),
        ({"instances": []}, "at least one instance"),
        ({"instances": [0]}, "instance=0: process_value has instances 1 to 2"),
        ({"instances": 1.5}, "instance=1.5"),
        ({"names": ["oven"]}, "here is only"),
        ({"overflow": "explode"}, "allowed are block, drop_newest, drop_oldest"),
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


def test_what_was_made_ready_is_put_back_when_it_cannot_begin(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    class Assembled(Source):
        @contextmanager
        def assembly(self, parameters: Parameters, **options: object) -> Iterator[None]:
            done.append("ready")
            try:
                yield
            finally:
                done.append("put back")

    def start(self: Worker) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Worker, "start", start)
    recording = manual(Assembled(clock), clock, assembly=True, confirm=True)
    with pytest.raises(RuntimeError, match="new thread"), recording:
        pass
    assert done == ["ready", "put back"]


def test_ctrl_c_while_it_begins_leaves_no_thread() -> None:
    place, came = 0, True
    while came:
        clock = ManualClock()
        stream = manual(Counting(clock), clock)
        with suppress(KeyboardInterrupt), Pressed(place, recorder, threads) as pressed:
            stream.__enter__()
        came = pressed.came
        if not came:
            stream.__exit__(None, None, None)
        for thread in ours():
            thread.join(10)
            assert not thread.is_alive(), place
        place += 1
    assert place > 3


def test_a_recording_runs_once_and_in_a_with_statement(ctl: Controller) -> None:
    stream = record(ctl, parameters="pv", rate_hz=100.0, duration=0.01)
    with pytest.raises(WatlowConfigurationError, match="in a with statement"):
        next(iter(stream))
    with stream:
        assert len(list(stream)) == 1
    with pytest.raises(WatlowConfigurationError, match="runs once"), stream:
        pass
