"""The recorder: with a manual clock where time matters, and on a simulated line."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from tests.conftest import library_threads
from tests.ctrl_c import CtrlC
from watlowlib import OverflowPolicy, WatlowManager, record
from watlowlib._internal import threads
from watlowlib._internal.clock import ManualClock
from watlowlib._internal.queues import ShutDown, drain
from watlowlib._internal.threads import Worker
from watlowlib.devices.controller import Controller
from watlowlib.devices.poll import FunctionPoll, Poll
from watlowlib.devices.targets import Parameters
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
    """A source whose samples the test defines for each tick."""

    def __init__(self, tick: Callable[[int], list[Sample]]) -> None:
        self._tick = tick
        self.polls = 0

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: Sequence[int] = (1,),
        names: Sequence[str] | None = None,
    ) -> Poll:
        def poll(stop: threading.Event | None = None) -> list[Sample]:
            self.polls += 1
            return self._tick(self.polls - 1)

        return poll


class CountingSource(Source):
    """A source whose tick n gives the value n and takes `durations_s[n]` seconds."""

    def __init__(self, clock: ManualClock, durations_s: dict[int, float] | None = None) -> None:
        def tick(n: int) -> list[Sample]:
            clock.advance((durations_s or {}).get(n, 0.0))
            return [sample(float(n))]

        super().__init__(tick)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def record_manually(source: Source, clock: ManualClock, **options: object) -> Recording:
    settings = {"parameters": "pv", "rate_hz": 1.0, "duration": 10.0, "clock": clock, **options}
    return record(source, **settings)  # type: ignore[arg-type]


def run_with_clock(
    stream: Recording, clock: ManualClock, step_s: float = 1.0
) -> Iterator[list[Sample]]:
    """Yield the batches; advance the clock to the next slot whenever the recorder waits."""

    def advance() -> None:
        while not done.is_set():
            if clock.waiting.wait(0.05):
                clock.advance(step_s - clock.now_ns() / 1e9 % step_s)

    done = threading.Event()
    advancing = threading.Thread(target=advance)
    advancing.start()
    try:
        yield from stream
    finally:
        done.set()
        advancing.join(PATIENCE_S)


def ticks_of(batches: Iterator[list[Sample]]) -> list[tuple[int | None, float]]:
    """Return the tick of each batch and its time in seconds since 1970."""
    ticks = []
    for batch in batches:
        ((tick, scheduled_at),) = {(each.tick, each.scheduled_at) for each in batch}
        assert scheduled_at is not None
        ticks.append((tick, scheduled_at.timestamp()))
    return ticks


def test_a_batch_has_the_tick_and_the_time_it_was_due(clock: ManualClock) -> None:
    source = Source(lambda n: [sample(1.0), sample(None, "timeout")])
    with record_manually(source, clock, duration=3.0) as stream:
        assert ticks_of(run_with_clock(stream, clock)) == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_the_samples_of_a_source_are_not_changed(clock: ManualClock) -> None:
    same = [sample(1.0)]  # a source may return the samples of its last tick again
    with record_manually(Source(lambda n: same), clock, duration=3.0) as stream:
        assert [tick for tick, _ in ticks_of(run_with_clock(stream, clock))] == [0, 1, 2]
    assert same == [sample(1.0)]


def switch_intervals_us(clock: ManualClock, **options: object) -> set[int]:
    """Return the switch intervals at the ticks of a recording."""
    found = []

    def tick(n: int) -> list[Sample]:
        found.append(round(sys.getswitchinterval() * 1e6))
        return [sample(1.0)]

    with record_manually(Source(tick), clock, duration=2.0, **options) as stream:
        list(run_with_clock(stream, clock))
    return set(found)


def test_the_switch_interval_is_lowered_while_a_recording_runs(clock: ManualClock) -> None:
    before_us = round(sys.getswitchinterval() * 1e6)
    assert switch_intervals_us(clock) == {500}
    assert switch_intervals_us(clock, switch_interval=0.0008) == {800}
    assert switch_intervals_us(clock, switch_interval=None) == {before_us}
    assert round(sys.getswitchinterval() * 1e6) == before_us


def test_the_switch_interval_is_restored_after_a_failed_recording(clock: ManualClock) -> None:
    def fail(n: int) -> list[Sample]:
        raise ZeroDivisionError

    before_s = sys.getswitchinterval()
    with pytest.raises(ZeroDivisionError), record_manually(Source(fail), clock) as stream:
        list(stream)
    assert sys.getswitchinterval() == before_s


def test_missed_slots_leave_out_their_ticks(clock: ManualClock) -> None:
    source = CountingSource(clock, {1: 2.5})  # until 3.5 s: slot 2 has passed, slot 3 is late
    with record_manually(source, clock, duration=5.0) as stream:
        ticks = ticks_of(run_with_clock(stream, clock))
    assert ticks == [(0, 0.0), (1, 1.0), (3, 3.0), (4, 4.0)]


def test_a_step_of_the_wall_clock_does_not_change_the_scheduled_times(clock: ManualClock) -> None:
    clock.step_wall(500.0)  # before the recording: part of its start

    def tick(n: int) -> list[Sample]:
        if n == 1:
            clock.step_wall(-3600.0)
        return [sample(float(n))]

    with record_manually(Source(tick), clock, duration=3.0) as stream:
        ticks = ticks_of(run_with_clock(stream, clock))
    assert ticks == [(0, 500.0), (1, 501.0), (2, 502.0)]


def test_parameters_of_several_rates_share_one_count_of_ticks(clock: ManualClock) -> None:
    source = CountingSource(clock)
    rates = {"pv": 2.0, "setpoint": 0.5}
    options = {"parameters": rates, "rate_hz": None, "duration": 3.0}
    with record_manually(source, clock, **options) as stream:
        ticks = ticks_of(run_with_clock(stream, clock, step_s=0.5))
    assert ticks == [(n, n / 2) for n in range(6)]


def test_a_watch_queue_has_the_newest_ticks_and_ends(clock: ManualClock) -> None:
    stream = record(CountingSource(clock), parameters="p", rate_hz=1.0, duration=5.0, clock=clock)
    narrow, wide, closed = stream.watch(2), stream.watch(10), stream.watch(1)
    closed.shutdown()
    with stream:
        for _ in range(4):
            assert clock.waiting.wait(PATIENCE_S)
            clock.advance(1.0)
        batches = list(stream)
    assert list(drain(wide)) == batches
    assert len(batches) == 5
    assert list(drain(narrow)) == batches[-2:]
    with pytest.raises(ShutDown):
        narrow.get(timeout=PATIENCE_S)
    assert stream.summary.ticks_dropped == 0


def test_latest_holds_the_samples_of_the_last_tick(clock: ManualClock) -> None:
    with record(CountingSource(clock), parameters="p", rate_hz=1.0, clock=clock) as stream:
        batches = iter(stream)
        assert next(batches) == stream.latest
        clock.advance(1.0)
        assert next(batches) == stream.latest
        assert stream.latest[0].value == 1


def test_each_tick_gives_one_batch(clock: ManualClock) -> None:
    with record_manually(CountingSource(clock), clock) as stream:
        assert [batch[0].value for batch in run_with_clock(stream, clock)] == list(range(10))
    summary = stream.summary
    assert (summary.samples_emitted, summary.samples_late, summary.rows) == (10, 0, 10)
    assert summary.max_drift_ms == 0.0
    assert (summary.finished_at - summary.started_at).total_seconds() == 9.0


def test_a_long_tick_skips_slots_and_counts_them(clock: ManualClock) -> None:
    # Tick 2 takes 3.25 s: slots 3 and 4 are skipped, slot 5 is 0.25 s late.
    source = CountingSource(clock, {2: 3.25})
    with record_manually(source, clock) as stream:
        assert len(list(run_with_clock(stream, clock))) == source.polls == 8
    summary = stream.summary
    assert (summary.samples_emitted, summary.ticks_skipped, summary.samples_late) == (8, 2, 2)
    assert summary.max_drift_ms == 250.0


def test_every_slot_gives_a_batch_or_is_counted(clock: ManualClock) -> None:
    source = CountingSource(clock, {1: 1.5, 3: 7.0, 5: 0.999})
    with record_manually(source, clock, duration=20.0) as stream:
        batches = list(run_with_clock(stream, clock))
    assert len(batches) + stream.summary.samples_late == 20


def test_block_drops_no_batch_with_a_slow_consumer(clock: ManualClock) -> None:
    with record_manually(CountingSource(clock), clock, buffer_size=1) as stream:
        values = [batch[0].value for batch in run_with_clock(stream, clock)]
    assert len(values) + stream.summary.ticks_skipped == 10
    assert values == sorted(values)
    assert stream.summary.ticks_dropped == 0


def test_the_end_is_one_readable_line_in_the_log(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "watlowlib")
    with record_manually(CountingSource(clock), clock) as stream:
        for _ in run_with_clock(stream, clock):
            pass
    (message,) = (each.message for each in caplog.records if "ended" in each.message)
    assert re.fullmatch(
        r"recording ended: [\d.]+ s, 10 ticks, 0 late, largest drift [\d.]+ ms, "
        r"0 of 10 reads without a value",
        message,
    )


def test_drop_newest_keeps_the_oldest_batches_and_counts_the_others(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"overflow": OverflowPolicy.DROP_NEWEST, "buffer_size": 3}
    with record_manually(CountingSource(clock), clock, **options) as stream:
        for _ in range(9):
            assert clock.waiting.wait(PATIENCE_S)
            clock.advance(1.0)
        stream._worker._thread.join(PATIENCE_S)
        assert [batch[0].value for batch in stream] == [0.0, 1.0, 2.0]
    assert (stream.summary.samples_emitted, stream.summary.ticks_dropped) == (3, 7)
    assert stream.summary.samples_late == 7
    assert caplog.text.count("does not keep up") == 1


def test_drop_oldest_keeps_the_newest_batches_and_counts_the_others(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"overflow": OverflowPolicy.DROP_OLDEST, "buffer_size": 3}
    with record_manually(CountingSource(clock), clock, **options) as stream:
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
def test_each_series_of_drops_is_logged_once(
    clock: ManualClock, caplog: pytest.LogCaptureFixture, overflow: OverflowPolicy
) -> None:
    def run_ticks(ticks: int) -> None:
        for _ in range(ticks):
            assert clock.waiting.wait(PATIENCE_S)
            clock.advance(1.0)
        assert clock.waiting.wait(PATIENCE_S)

    options = {"overflow": overflow, "buffer_size": 4, "duration": None}
    with record_manually(CountingSource(clock), clock, **options) as stream:
        batches = iter(stream)
        run_ticks(8)
        # One place at a time becomes free and is filled again: still the same series.
        for _ in range(2):
            next(batches)
            run_ticks(2)
        assert caplog.text.count("does not keep up") == 1
        assert "no more" not in caplog.text
        first = stream.summary.ticks_dropped
        for _ in range(4):
            next(batches)
        run_ticks(1)
        assert f"no more batches are being dropped; {first} were" in caplog.text
        run_ticks(6)
        assert caplog.text.count("does not keep up") == 2
        second = stream.summary.ticks_dropped - first
        assert second == 3
    assert caplog.text.count("no more batches are being dropped") == 2


class NamedSource(Source):
    """A source with one sample per parameter; a tick at time t takes `durations_s[t]` seconds."""

    def __init__(self, clock: ManualClock, durations_s: dict[float, float] | None = None) -> None:
        super().__init__(lambda n: [])
        self.started_s: list[tuple[float, tuple[str, ...]]] = []
        self._clock = clock
        self._lasting = durations_s or {}

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: Sequence[int] = (1,),
        names: Sequence[str] | None = None,
    ) -> Poll:
        assert isinstance(parameters, list)
        requested = [str(each) for each in parameters]

        def poll(stop: threading.Event | None = None) -> list[Sample]:
            now_s = self._clock.now_ns() / 1e9
            self.started_s.append((now_s, tuple(requested)))
            self._clock.advance(self._lasting.get(now_s, 0.0))
            return [replace(sample(1.0), parameter=each) for each in requested]

        return poll


def test_each_parameter_is_read_at_its_own_rate(clock: ManualClock) -> None:
    source = NamedSource(clock)
    rates = {"pv": 1.0, "sp": 0.4, "power": 1.0}
    with record_manually(source, clock, parameters=rates, rate_hz=None, duration=6.0) as stream:
        batches = [
            [each.parameter for each in batch] for batch in run_with_clock(stream, clock, 0.5)
        ]
    assert source.started_s == [
        (0.0, ("pv", "sp", "power")),
        (1.0, ("pv", "power")),
        (2.0, ("pv", "power")),
        (2.5, ("sp",)),
        (3.0, ("pv", "power")),
        (4.0, ("pv", "power")),
        (5.0, ("pv", "sp", "power")),
    ]
    assert batches == [list(names) for _, names in source.started_s]
    assert stream.summary.rates == (
        RateReport(1.0, ("pv", "power"), emitted=6),
        RateReport(0.4, ("sp",), emitted=3),
    )
    assert stream.ticks == 9
    assert (stream.summary.samples_emitted, stream.summary.rows) == (7, 15)


def test_each_rate_counts_its_skipped_slots(clock: ManualClock) -> None:
    # The tick at 2 s takes 3.25 s: 1 Hz skips slots 3 and 4, 0.4 Hz skips slot 1.
    # The next tick is 0.25 s late.
    source = NamedSource(clock, {2.0: 3.25})
    rates = {"pv": 1.0, "sp": 0.4}
    with record_manually(source, clock, parameters=rates, rate_hz=None, duration=6.0) as stream:
        list(run_with_clock(stream, clock, 0.5))
    assert source.started_s[-2:] == [(2.0, ("pv",)), (5.25, ("pv", "sp"))]
    summary = stream.summary
    assert summary.rates == (
        RateReport(1.0, ("pv",), emitted=4, skipped=2),
        RateReport(0.4, ("sp",), emitted=2, skipped=1),
    )
    assert (summary.ticks_skipped, summary.max_drift_ms) == (3, 250.0)


def test_dropped_slots_are_counted_per_rate(clock: ManualClock) -> None:
    rates = {"pv": 1.0, "sp": 0.5}
    options = {"overflow": OverflowPolicy.DROP_OLDEST, "buffer_size": 2, "rate_hz": None}
    with record_manually(
        NamedSource(clock), clock, parameters=rates, duration=6.0, **options
    ) as stream:
        for _ in range(5):
            assert clock.waiting.wait(PATIENCE_S)
            clock.advance(1.0)
        stream._worker._thread.join(PATIENCE_S)
        assert [len(batch) for batch in stream] == [2, 1]
    assert stream.summary.rates == (
        RateReport(1.0, ("pv",), emitted=2, dropped=4),
        RateReport(0.5, ("sp",), emitted=1, dropped=2),
    )


def test_the_summary_has_percentiles_of_the_tick_durations(clock: ManualClock) -> None:
    # 97 ticks of 0.1 s, two of 0.2 s and one of 0.5 s.
    durations_s = dict.fromkeys(range(100), 0.1) | {10: 0.2, 20: 0.2, 30: 0.5}
    with record_manually(
        CountingSource(clock, durations_s), clock, duration=100.0, buffer_size=100
    ) as stream:
        assert len(list(run_with_clock(stream, clock))) == 100
    assert 100.0 <= stream.summary.tick_p50_ms <= 100.0 * 65 / 64
    assert 200.0 <= stream.summary.tick_p99_ms <= 200.0 * 65 / 64


def stepping_source(clock: ManualClock, steps_s: dict[int, float]) -> Source:
    """A source whose tick n sets the wall clock by `steps_s[n]`."""

    def tick(n: int) -> list[Sample]:
        clock.step_wall(steps_s.get(n, 0.0))
        return [sample(float(n))]

    return Source(tick)


def test_steps_of_the_wall_clock_are_counted_and_do_not_affect_the_schedule(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="watlowlib")
    source = stepping_source(clock, {2: -3600.0, 5: 7200.0, 9: -1.5})
    with record_manually(source, clock) as stream:
        assert len(list(run_with_clock(stream, clock))) == 10
    summary = stream.summary
    assert (summary.samples_late, summary.max_drift_ms, summary.duration_s) == (0, 0.0, 9.0)
    assert summary.clock_steps == 3
    assert [each.getMessage().partition(":")[0] for each in caplog.records] == [
        "the wall clock went back by 3600.0 s",
        "the wall clock went forward by 7200.0 s",
        "the wall clock went back by 1.5 s",
    ]
    assert {each.levelname for each in caplog.records} == {"WARNING"}


def test_a_slow_correction_of_the_wall_clock_is_not_a_step(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="watlowlib")
    source = stepping_source(clock, dict.fromkeys(range(10), 0.4))
    with record_manually(source, clock) as stream:
        assert len(list(run_with_clock(stream, clock))) == 10
    assert (clock.utc() - stream.summary.started_at).total_seconds() == 13.0
    assert stream.summary.clock_steps == 0
    assert caplog.records == []


def test_the_summary_is_updated_during_the_recording(clock: ManualClock) -> None:
    with record_manually(CountingSource(clock), clock, duration=None) as stream:
        assert next(iter(stream))[0].value == 0.0
        assert clock.waiting.wait(PATIENCE_S)
        assert stream.summary.samples_emitted == 1
        clock.advance(1.0)
        assert next(iter(stream))[0].value == 1.0
        assert clock.waiting.wait(PATIENCE_S)
        assert stream.summary.samples_emitted == 2
    assert stream.summary == stream.summary


def test_gaps_and_disconnects_are_counted(clock: ManualClock) -> None:
    lost = [sample(None, "disconnected")]
    ticks = [[sample(1.0)], lost, lost, [sample(1.0), sample(None, "timeout")], lost]
    with record_manually(Source(lambda n: ticks[n]), clock, duration=5.0) as stream:
        assert [len(batch) for batch in run_with_clock(stream, clock)] == [1, 1, 1, 2, 1]
    assert (stream.summary.rows, stream.summary.gaps, stream.summary.disconnects) == (6, 4, 2)


class PollWithPorts(FunctionPoll):
    ports = {"a": "1", "b": "1", "c": "2"}  # noqa: RUF012


class SourceWithPorts(Source):
    """A source that provides the port of each device."""

    def prepare(self, *args: object, **options: object) -> Poll:
        return PollWithPorts(super().prepare("pv"))


def test_each_lost_port_is_counted_once_until_it_is_back(clock: ManualClock) -> None:
    ticks = [
        {"a": "ok", "b": "disconnected", "c": "ok"},
        {"a": "disconnected", "b": "disconnected", "c": "ok"},
        # The other port is lost too, while the first is still lost.
        {"a": "stopped", "b": "disconnected", "c": "disconnected"},
        # One port is back and lost again within one tick; the other is back, with a timeout.
        {"a": "ok", "b": "disconnected", "c": "timeout"},
        {"a": "disconnected", "b": "disconnected", "c": "disconnected"},
    ]

    def tick(n: int) -> list[Sample]:
        return [replace(sample(1.0, status), device=name) for name, status in ticks[n].items()]

    with record_manually(SourceWithPorts(tick), clock, duration=5.0) as stream:
        list(run_with_clock(stream, clock))
    assert stream.summary.disconnects == 4


def test_without_auto_reconnect_a_lost_port_ends_the_recording(clock: ManualClock) -> None:
    ticks = [[sample(1.0)], [sample(None, "timeout")], [sample(None, "disconnected")]]
    batches = []
    with record_manually(Source(lambda n: ticks[n]), clock, auto_reconnect=False) as stream:
        with pytest.raises(WatlowConnectionError, match="the port of 'd' was lost"):
            batches.extend(run_with_clock(stream, clock))
    # All batches were delivered, also the one with the lost port.
    assert [[each.status for each in batch] for batch in batches] == [
        ["ok"], ["timeout"], ["disconnected"]
    ]  # fmt: skip
    assert stream.summary.samples_emitted == 3


def test_an_error_in_the_recorder_is_raised_in_the_consumer(clock: ManualClock) -> None:
    def tick(n: int) -> list[Sample]:
        if n == 2:
            raise ZeroDivisionError("a bug in the source")
        return [sample(float(n))]

    batches = []
    with record_manually(Source(tick), clock) as stream:
        with pytest.raises(ZeroDivisionError, match="a bug in the source"):
            batches.extend(run_with_clock(stream, clock))
    assert len(batches) == 2


def test_an_error_is_raised_in_the_consumer_while_reads_are_still_awaited(
    clock: ManualClock,
) -> None:
    consumer_ended = threading.Event()

    class FailingPoll(FunctionPoll):
        def finish(self) -> None:
            consumer_ended.wait(0.2)  # a consumer that does not wait ends in this time

    class FailingSource(Source):
        def prepare(self, *args: object, **options: object) -> Poll:
            return FailingPoll(super().prepare("pv"))

    def fail(n: int) -> list[Sample]:
        raise ZeroDivisionError("a bug in the source")

    with record_manually(FailingSource(fail), clock) as stream:
        with pytest.raises(ZeroDivisionError):
            list(stream)
        consumer_ended.set()


def test_an_error_in_the_recorder_is_raised_on_leaving_the_block(clock: ManualClock) -> None:
    def tick(n: int) -> list[Sample]:
        raise ZeroDivisionError("a bug in the source")

    with pytest.raises(ZeroDivisionError), record_manually(Source(tick), clock) as stream:
        stream._worker._thread.join(PATIENCE_S)


def test_batches_left_in_the_queue_are_counted_as_dropped(clock: ManualClock) -> None:
    with record_manually(CountingSource(clock), clock, buffer_size=20, duration=None) as stream:
        batches = iter(stream)
        for n in range(7):
            # The recorder waits for the next slot: tick n has been delivered.
            assert clock.waiting.wait(PATIENCE_S)
            if n < 3:
                assert next(batches)[0].value == n
            clock.advance(1.0)
        assert clock.waiting.wait(PATIENCE_S)
    summary = stream.summary
    assert (summary.samples_emitted, summary.rows) == (3, 3)
    assert summary.ticks_dropped == 5


def test_a_recording_left_open_with_a_full_buffer_does_not_block_the_exit() -> None:
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


@pytest.mark.parametrize("method", ["break", "exception", "stop", "nothing"])
def test_leaving_the_block_ends_the_recording(ctl: Controller, method: str) -> None:
    def leave() -> None:
        with record(ctl, parameters="pv", rate_hz=200.0, buffer_size=2) as stream:
            for batch in stream if method != "nothing" else []:
                assert batch[0].status == "ok"
                if method == "break":
                    break
                if method == "exception":
                    raise KeyError("left")
                stream.stop()

    if method == "exception":
        with pytest.raises(KeyError):
            leave()
    else:
        leave()
    # An autouse fixture checks that no thread is left.
    assert ctl.read_setpoint().value == 75.0


def test_a_batch_has_all_controllers_of_a_fleet(bus: SimulatedBus) -> None:
    with WatlowManager() as mgr:
        for address, timeout_s in ((1, 10.0), (2, 0.05)):
            mgr.add(f"oven_{address}", bus.port, address=address, timeout_s=timeout_s, retries=0)
        bus.power_off(2)
        parameters = ["process_value", "setpoint"]
        with record(mgr, parameters=parameters, rate_hz=50.0, duration=0.1) as stream:
            batches = list(stream)
    for batch in batches:
        assert [(each.device, each.parameter, each.status == "ok") for each in batch] == [
            ("oven_1", "process_value", True),
            ("oven_1", "setpoint", True),
            ("oven_2", "process_value", False),
            ("oven_2", "setpoint", False),
        ]
        assert {each.status for each in batch} <= {"ok", "timeout", "offline"}
    assert len(batches) + stream.summary.samples_late == 5


def test_a_lost_port_gives_gaps_and_does_not_end_the_recording() -> None:
    faults = FaultPlan()
    faults.next_are(*[None] * (3 + 1), Fault.CLOSE)  # the identity and one value come
    # On TCP, because another program may get the pty's name as soon as it is free.
    line = SimulatedBus([1], baudrate=None, faults=faults, transport="tcp")
    with line as bus, WatlowManager() as mgr:
        mgr.add("oven", bus.port, timeout_s=0.5)
        with record(mgr, parameters="pv", rate_hz=100.0) as stream:
            statuses = [batch[0].status for batch in itertools.islice(stream, 4)]
    assert statuses == ["ok"] + ["disconnected"] * 3
    assert stream.summary.disconnects == 1


@pytest.mark.parametrize(
    ("invalid", "message"),
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
        ({"names": ["oven"]}, "this controller is"),
        ({"overflow": "explode"}, "allowed are block, drop_newest, drop_oldest"),
    ],
)
def test_invalid_arguments_send_nothing(
    ctl: Controller, invalid: dict[str, object], message: str
) -> None:
    settings = {"parameters": "pv", "rate_hz": 2.0, **invalid}
    with pytest.raises(WatlowConfigurationError, match=message):
        record(ctl, **settings)  # type: ignore[arg-type]
    assert ctl.stats.exchanges == 0


def test_a_misspelt_parameter_sends_nothing(ctl: Controller) -> None:
    with pytest.raises(WatlowUnknownParameterError, match="did you mean 'process_value'"):
        record(ctl, parameters=["proces_value"], rate_hz=2.0)
    assert ctl.stats.exchanges == 0


def test_record_refuses_an_object_that_is_not_a_source(bus: SimulatedBus) -> None:
    with pytest.raises(WatlowConfigurationError, match="cannot be recorded: give a Controller"):
        record(bus.port, parameters="pv", rate_hz=1.0)  # type: ignore[arg-type]


def test_the_assembly_is_restored_if_the_recording_cannot_start(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    class Assembled(Source):
        @contextmanager
        def assembly(self, parameters: Parameters, **options: object) -> Iterator[None]:
            done.append("mapped")
            try:
                yield
            finally:
                done.append("restored")

    def start(self: Worker) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Worker, "start", start)
    recording = record_manually(Assembled(clock), clock, assembly=True, confirm=True)
    with pytest.raises(RuntimeError, match="new thread"), recording:
        pass
    assert done == ["mapped", "restored"]


def test_ctrl_c_during_the_start_leaves_no_thread_and_no_switch_interval() -> None:
    place, raised = 0, True
    interval_s = sys.getswitchinterval()
    while raised:
        clock = ManualClock()
        stream = record_manually(CountingSource(clock), clock)
        with suppress(KeyboardInterrupt), CtrlC(place, recorder, threads) as pressed:
            stream.__enter__()
        raised = pressed.raised
        if not raised:
            stream.__exit__(None, None, None)
        for thread in library_threads():
            thread.join(10)
            assert not thread.is_alive(), place
        assert sys.getswitchinterval() == interval_s
        place += 1
    assert place > 3


def test_a_recording_runs_once_and_only_in_a_with_statement(ctl: Controller) -> None:
    stream = record(ctl, parameters="pv", rate_hz=100.0, duration=0.01)
    with pytest.raises(WatlowConfigurationError, match="in a with statement"):
        next(iter(stream))
    with stream:
        assert len(list(stream)) == 1
    with pytest.raises(WatlowConfigurationError, match="runs once"), stream:
        pass


def test_an_exception_in_the_block_takes_precedence_over_one_in_the_recorder(
    clock: ManualClock,
) -> None:
    def tick(n: int) -> list[Sample]:
        raise ZeroDivisionError("a bug in the source")

    with pytest.raises(KeyError, match="left"), record_manually(Source(tick), clock) as stream:
        stream._worker._thread.join(PATIENCE_S)
        raise KeyError("left")


def test_the_schedule_starts_when_the_block_is_entered(clock: ManualClock) -> None:
    source = NamedSource(clock)
    stream = record_manually(source, clock, duration=2.0)
    clock.advance(5.0)
    assert (stream.summary.duration_s, "not begun" in repr(stream)) == (0.0, True)
    with stream:
        assert len(list(run_with_clock(stream, clock))) == 2
    assert [started_s for started_s, _ in source.started_s] == [5.0, 6.0]
    assert (stream.summary.duration_s, stream.summary.max_drift_ms) == (1.0, 0.0)


def test_the_summary_does_not_change_after_the_end(clock: ManualClock) -> None:
    with record_manually(CountingSource(clock), clock, duration=1.0) as stream:
        list(stream)
    summary = stream.summary
    clock.advance(100.0)
    assert stream.summary == summary
    assert "ended" in repr(stream)


def test_reads_still_in_progress_at_the_end_are_stopped(clock: ManualClock) -> None:
    stopped: list[bool] = []

    class SlowPoll(Poll):
        """A poll that still reads a port when the last tick is over."""

        stop: threading.Event

        def __call__(self, stop: threading.Event | None = None) -> list[Sample]:
            assert stop is not None
            self.stop = stop
            return [sample(1.0)]

        def finish(self) -> None:
            stopped.append(self.stop.is_set())

    source = Source(lambda n: [])
    source.prepare = lambda *args, **options: SlowPoll()  # type: ignore[method-assign]
    with record_manually(source, clock, duration=1.0) as stream:
        list(stream)
    assert stopped == [True]


def test_a_batch_that_waits_for_room_at_the_end_is_counted_as_dropped(clock: ManualClock) -> None:
    second_tick = threading.Event()

    def tick(n: int) -> list[Sample]:
        clock.advance(1.0)
        if n == 1:
            second_tick.set()
        return [sample(1.0)]

    with record_manually(Source(tick), clock, duration=2.0, buffer_size=1) as stream:
        assert second_tick.wait(PATIENCE_S)
    assert (stream.summary.samples_emitted, stream.summary.ticks_dropped) == (0, 2)
