"""Tests of `pipe`: one recording, several sinks, independent failures."""

from __future__ import annotations

import _thread
import itertools
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import library_threads
from tests.ctrl_c import CtrlC
from tests.sinks.samples import FIRST
from watlowlib import (
    AcquisitionSummary,
    CsvSink,
    InMemorySink,
    JsonlSink,
    SqliteSink,
    WatlowConfigurationError,
    WatlowSinkError,
    pipe,
    read_samples,
    record,
    sample_to_row,
)
from watlowlib._internal import threads
from watlowlib._internal.clock import ManualClock
from watlowlib._internal.threads import Worker
from watlowlib.devices.controller import Controller
from watlowlib.devices.poll import Poll
from watlowlib.model import Sample
from watlowlib.sinks import base
from watlowlib.streaming.counters import Batch
from watlowlib.streaming.recorder import Recording

PATIENCE_S = 10.0
pipe_module = import_module("watlowlib.sinks.pipe")


class Source:
    """A source that is polled without delay; `before(n)` runs before tick n."""

    def __init__(self, before: Callable[[int], object] = lambda n: None) -> None:
        self._before = before
        self._n = 0

    def prepare(self, parameters: object, **options: object) -> Poll:
        def poll(stop: threading.Event | None = None) -> list[Sample]:
            self._before(self._n)
            self._n += 1
            return [FIRST]

        return poll


def recording(ticks: int | None, source: Source | None = None) -> Recording:
    duration = None if ticks is None else ticks * 1e-6
    return record(
        source or Source(),
        parameters="pv",
        rate_hz=1e6,
        duration=duration,
        clock=InstantClock(),
    )


class InstantClock(ManualClock):
    """A clock whose waits return at once."""

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        self._now_ns = max(self._now_ns, due_ns)
        return stop.is_set()


class ObservedSink(InMemorySink):
    """Stores the batch sizes; `before(n)` runs before write n and may block or fail."""

    def __init__(self, before: Callable[[int], object] = lambda n: None) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.thread = ""
        self._before = before

    def write_many(self, samples: Sequence[Sample]) -> None:
        self.thread = threading.current_thread().name
        self._before(len(self.sizes))
        super().write_many(samples)
        self.sizes.append(len(samples))


def pipe_into(stream: Recording, *sinks: InMemorySink, **options: float) -> AcquisitionSummary:
    with stream, ExitStack() as stack:
        for sink in sinks:
            stack.enter_context(sink)
        return pipe(stream, *sinks, **options)  # type: ignore[arg-type]


def test_batches_have_the_requested_size_and_the_rest_is_flushed() -> None:
    sink = ObservedSink()
    summary = pipe_into(recording(10), sink, batch_size=4, flush_interval=1000.0)
    assert sink.sizes == [4, 4, 2]
    assert (summary.rows, summary.samples_emitted) == (10, 10)
    (report,) = summary.sinks
    assert (report.rows_written, report.rows_lost, report.error) == (10, 0, None)


def test_each_sink_has_its_own_writer_thread() -> None:
    one, two = ObservedSink(), ObservedSink()
    pipe_into(recording(3), one, two)
    assert one.thread.startswith("watlowlib-writer-observed-")
    assert two.thread.startswith("watlowlib-writer-observed-")
    assert one.thread != two.thread
    assert one.samples == two.samples
    assert [sample.tick for sample in one.samples] == [0, 1, 2]


def test_flush_interval_expires_without_new_samples() -> None:
    flushed = threading.Event()
    # Tick 1 does not come before tick 0 has been written.
    source = Source(lambda n: n == 1 and not flushed.wait(PATIENCE_S) and pytest.fail("late"))
    sink = ObservedSink()
    sink._before = lambda n: flushed.set()
    pipe_into(recording(2, source), sink, batch_size=1000, flush_interval=0.01)
    assert sink.sizes == [1, 1]


def test_flush_interval_counts_from_the_first_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = itertools.count()
    monkeypatch.setattr(pipe_module, "time", SimpleNamespace(monotonic=lambda: next(seconds)))
    sink = ObservedSink()
    pipe_into(recording(30), sink, batch_size=1000, flush_interval=20.0)
    assert len(sink.samples) == 30
    assert max(sink.sizes) < 20


def test_a_sink_gets_no_empty_batch() -> None:
    sink = ObservedSink()
    source = Source()
    source.prepare = lambda *args, **options: lambda stop=None: []  # type: ignore[method-assign, assignment, misc]
    summary = pipe_into(recording(5, source), sink, flush_interval=0.0)
    assert (summary.samples_emitted, summary.rows, sink.sizes) == (5, 0, [])


def test_failed_sink_does_not_stop_the_others() -> None:
    def fail(n: int) -> None:
        if n == 2:
            raise WatlowSinkError("the disk is full")

    good, bad, also_good = ObservedSink(), ObservedSink(fail), ObservedSink()
    stream = recording(50)
    with pytest.raises(WatlowSinkError, match="did not keep 46 rows .the disk is full."):
        pipe_into(stream, good, bad, also_good, batch_size=2)
    assert [len(sink.samples) for sink in (good, bad, also_good)] == [50, 4, 50]
    reports = stream.summary.sinks
    assert [(each.rows_written, each.rows_lost) for each in reports] == [(50, 0), (4, 46), (50, 0)]
    assert reports[1].error == "the disk is full"


def test_locked_database_does_not_stop_two_files(tmp_path: Path) -> None:
    database = tmp_path / "run.sqlite"
    files = [CsvSink(tmp_path / "run.csv"), JsonlSink(tmp_path / "run.jsonl")]
    stream = recording(500)
    with SqliteSink(database, busy_timeout_ms=20) as locked, files[0], files[1], stream:
        locked.write_many([FIRST])
        with closing(sqlite3.connect(database)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(WatlowSinkError, match="locked"):
                pipe(stream, files[0], locked, files[1])
    assert [len(list(read_samples(sink.path))) for sink in files] == [500, 500]
    assert len(list(read_samples(database))) == 1
    assert [report.rows_lost for report in stream.summary.sinks] == [0, 500, 0]


def test_foreign_exception_becomes_the_cause() -> None:
    def fail(n: int) -> None:
        raise ZeroDivisionError("a fault in a custom sink")

    with pytest.raises(WatlowSinkError, match="a fault in a custom sink") as caught:
        pipe_into(recording(3), ObservedSink(fail))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_recording_stops_when_all_sinks_have_failed() -> None:
    def fail(n: int) -> None:
        raise WatlowSinkError("gone")

    stream = recording(None)
    with pytest.raises(WatlowSinkError, match="gone.*; .*gone"):
        pipe_into(stream, ObservedSink(fail), ObservedSink(fail), batch_size=1)


def test_slow_sink_does_not_delay_the_others(caplog: pytest.LogCaptureFixture) -> None:
    ticks = 2000
    release = threading.Event()
    fast = ObservedSink()

    def hold(n: int) -> None:
        assert release.wait(PATIENCE_S)

    def last(n: int) -> None:
        if len(fast.samples) >= ticks - 100:
            release.set()

    fast._before = last
    slow = ObservedSink(hold)
    stream = recording(ticks)
    with pytest.raises(WatlowSinkError, match=r"rows .it fell behind."):
        pipe_into(stream, fast, slow, batch_size=50)
    assert len(fast.samples) == ticks
    report = stream.summary.sinks[1]
    assert report.rows_written == len(slow.samples)
    assert report.rows_written + report.rows_lost == ticks
    assert report.rows_lost > 0
    assert caplog.text.count("falls behind") == 1


def test_a_sink_keeps_up_again_once_half_of_its_queue_is_empty(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pipe_module, "WAITING_BATCHES", 4)
    monkeypatch.setattr(pipe_module, "GRACE_S", 0.0)
    began, may_end = threading.Semaphore(0), threading.Semaphore(0)

    def hold(n: int) -> None:
        began.release()
        assert may_end.acquire(timeout=PATIENCE_S)

    def offer(count: int) -> None:
        for _ in range(count):
            writer.offer(Batch([FIRST]), alone=False)

    def write(count: int) -> None:
        for _ in range(count):
            may_end.release()
            assert began.acquire(timeout=PATIENCE_S)

    with ObservedSink(hold) as sink:
        writer = pipe_module.SinkWriter(recording(1), sink, batch_size=1, flush_interval=0.0)
        writer.worker.start()
        offer(1)
        assert began.acquire(timeout=PATIENCE_S)
        offer(4 + 2)
        assert caplog.text.count("falls behind") == 1
        write(2)
        offer(1)  # three of four places are taken
        assert "keeps up again" not in caplog.text
        write(3)
        offer(1)
        write(1)
        offer(1)
        assert caplog.text.count("keeps up again") == 1
        writer.end()
        may_end.release(10)
        writer.worker.join(PATIENCE_S)
    assert (writer.report().rows_written, writer.report().rows_lost) == (8, 2)


def test_recording_waits_for_the_only_sink() -> None:
    release = threading.Event()

    def hold(n: int) -> None:
        # The sink continues only once the recorder has filled both queues.
        assert n or release.wait(PATIENCE_S)

    sink = ObservedSink(hold)
    source = Source(lambda n: n == 256 + 64 and release.set())
    summary = pipe_into(recording(3000, source), sink, batch_size=1)
    assert len(sink.samples) == summary.rows == 3000
    assert summary.sinks[0].rows_lost == 0


def test_recording_waits_for_the_last_working_sink(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipe_module, "WAITING_BATCHES", 4)
    monkeypatch.setattr(pipe_module, "GRACE_S", 0.0)
    failing: list[threading.Thread] = []
    failed, release = threading.Event(), threading.Event()

    def fail(n: int) -> None:
        failing.append(threading.current_thread())
        failed.set()
        raise WatlowSinkError("the disk is full")

    def tick(n: int) -> None:
        if n == 1:
            assert failed.wait(PATIENCE_S)
            failing[0].join(PATIENCE_S)
        if n == 4 + 64:
            release.set()  # both queues are full

    good, bad = ObservedSink(lambda n: release.wait(PATIENCE_S)), ObservedSink(fail)
    with pytest.raises(WatlowSinkError, match="did not keep 100 rows"):
        pipe_into(recording(100, Source(tick)), good, bad, batch_size=1)
    assert len(good.samples) == 100


def test_all_sinks_flush_their_rest_at_the_same_time() -> None:
    flushed = threading.Event()
    one = ObservedSink(lambda n: flushed.wait(PATIENCE_S) or pytest.fail("late"))
    two = ObservedSink(lambda n: flushed.set())
    pipe_into(recording(3), one, two, batch_size=1000, flush_interval=1000.0)
    assert one.sizes == two.sizes == [3]


def test_a_second_ctrl_c_leaves_no_writer_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Worker) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pipe_into(recording(None), ObservedSink(), batch_size=10**9, flush_interval=1e6)
    for thread in library_threads():
        thread.join(PATIENCE_S)
    assert library_threads() == []


def test_a_pipe_still_running_at_exit_is_flushed_without_a_warning() -> None:
    program = """
import threading
from watlowlib import InMemorySink, open_device, pipe, record
from watlowlib.simulator import SimulatedBus

class Sink(InMemorySink):
    def write_many(self, samples):
        super().write_many(samples)
        ready.set()

def run():
    with record(ctl, parameters="pv", rate_hz=100.0) as stream, Sink() as sink:
        pipe(stream, sink, batch_size=1)

ready = threading.Event()
bus = SimulatedBus([1], baudrate=None)
bus.start()
ctl = open_device(bus.port)
threading.Thread(target=run, daemon=True).start()
assert ready.wait(30)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ctrl_c_is_raised_after_all_rows_are_flushed(ctl: Controller, tmp_path: Path) -> None:
    class InterruptingSink(InMemorySink):
        """Raises Ctrl-C in the main thread once it has 20 rows."""

        def write_many(self, samples: Sequence[Sample]) -> None:
            super().write_many(samples)
            if len(self.samples) == 20:
                _thread.interrupt_main()

    database = SqliteSink(tmp_path / "run.sqlite")
    with InterruptingSink() as interrupting, database, CsvSink(tmp_path / "run.csv") as csv:
        with record(ctl, parameters="pv", rate_hz=500.0) as stream:
            with pytest.raises(KeyboardInterrupt):
                pipe(stream, interrupting, database, csv, batch_size=1)
        summary = stream.summary
        assert database._database is not None
        (rows,) = database._database.execute("SELECT count(*) FROM samples").fetchone()
    assert rows == len(interrupting.samples) == summary.rows >= 20
    assert len((tmp_path / "run.csv").read_text().splitlines()) == rows + 1
    assert [report.rows_written for report in summary.sinks] == [rows] * 3


def test_recorder_error_is_raised_and_earlier_rows_are_kept() -> None:
    def fail(n: int) -> None:
        if n == 5:
            raise ZeroDivisionError("a fault in the source")

    sink = ObservedSink()
    with pytest.raises(ZeroDivisionError):
        pipe_into(recording(10, Source(fail)), sink)
    assert len(sink.samples) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_size": 1.5}, "batch_size=1.5"),
        ({"flush_interval": -1.0}, "flush_interval=-1.0"),
        ({"flush_interval": float("nan")}, "flush_interval=nan"),
    ],
)
def test_invalid_options_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        pipe_into(recording(1), ObservedSink(), **options)


@pytest.mark.parametrize("sink", [InMemorySink, "run.csv", [InMemorySink()], None])
def test_non_sink_is_refused(sink: object) -> None:
    with pytest.raises(WatlowConfigurationError, match="is not a sink: give open sinks"):
        with recording(1) as stream:
            pipe(stream, sink)  # type: ignore[arg-type]


def test_non_recording_is_refused() -> None:
    with pytest.raises(WatlowConfigurationError, match="cannot be piped: give a recording"):
        pipe("run.csv", InMemorySink())  # type: ignore[arg-type]


def test_any_iterable_of_batches_is_piped() -> None:
    with InMemorySink() as sink:
        summary = pipe(iter([[FIRST], [FIRST, FIRST]]), sink)
        assert (summary.ticks_emitted, summary.rows, len(sink.samples)) == (2, 3, 3)
        with pytest.raises(WatlowConfigurationError, match="is not a batch"):
            pipe([FIRST], sink)  # type: ignore[list-item]


def test_ctrl_c_while_waiting_for_a_sink_loses_no_rows() -> None:
    release = threading.Event()

    class BlockedSink(ObservedSink):
        """Blocks until all queues are full, then raises Ctrl-C in the main thread."""

        def write_many(self, samples: Sequence[Sample]) -> None:
            if not self.sizes:
                assert stream_is_full.wait(PATIENCE_S)
                _thread.interrupt_main()
                assert release.wait(PATIENCE_S)
            super().write_many(samples)

    stream_is_full = threading.Event()
    source = Source(lambda n: n == 256 + 64 + 2 and stream_is_full.set())
    stream = recording(None, source)
    stop = stream.stop
    stream.stop = lambda: (stop(), release.set())  # type: ignore[method-assign, assignment]
    sink = BlockedSink()
    with pytest.raises(KeyboardInterrupt):
        pipe_into(stream, sink, batch_size=1)
    assert len(sink.samples) == stream.summary.rows > 256
    assert stream.summary.sinks[0].rows_lost == 0


def test_ctrl_c_at_any_place_loses_no_batch() -> None:
    place = 0
    came = True
    while came:
        batches: list[Sample] = []

        class Numbered(Source):
            """Numbers its samples in `instance`."""

            def prepare(self, parameters: object, **options: object) -> Poll:
                def poll(stop: threading.Event | None = None) -> list[Sample]:
                    batches.append(replace(FIRST, instance=len(batches)))  # noqa: B023
                    return [batches[-1]]  # noqa: B023

                return poll

        stream = recording(3, Numbered())
        sinks = ObservedSink(), ObservedSink()
        with stream, ExitStack() as stack, suppress(KeyboardInterrupt):
            for sink in sinks:
                stack.enter_context(sink)
            with CtrlC(place, threads, pipe_module) as pressed:
                pipe(stream, *sinks, batch_size=2)
        came = pressed.raised
        rows = stream.summary.rows
        for sink in sinks:
            assert [each.instance for each in sink.samples] == list(range(rows)), place
        assert rows == 3 or came
        assert [each.rows_lost for each in stream.summary.sinks] in ([0, 0], [])
        place += 1
    assert place > 50


def test_pipe_without_sinks_is_refused() -> None:
    with pytest.raises(WatlowConfigurationError, match="at least one sink"):
        pipe_into(recording(1))


def test_custom_sink_example_of_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    text = textwrap.dedent((base.__doc__ or "").split("three methods:\n")[1].split("\nAn exc")[0])
    names = {"Sequence": Sequence, "Sample": Sample, "sample_to_row": sample_to_row, "pipe": pipe}
    with recording(2) as stream:
        exec(text, {**names, "stream": stream})
    shown = ["device parameter value", *["oven_top process_value 72.4"] * 2, "that is all"]
    assert capsys.readouterr().out.splitlines() == shown
