"""Write a recording into sinks: one thread feeds the writer thread of each sink.

    with record(mgr, ...) as stream, SqliteSink("run.sqlite") as db, CsvSink("run.csv") as csv:
        summary = pipe(stream, db, csv)

A writer collects samples until it has `batch_size` of them, or until the first one has
waited for `flush_interval`, and writes them in one call. A sink that fails does not stop the
others; `pipe` raises its error at the end. When all sinks have failed the recording stops.

The calling thread never holds a batch: it only waits, so that Ctrl-C can interrupt it anywhere.
"""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Iterable, Sequence

from watlowlib._internal.log import logger
from watlowlib._internal.process import OneProcess
from watlowlib._internal.queues import BoundedQueue, ShutDown, get_waiting, put_waiting
from watlowlib._internal.threads import Worker
from watlowlib._internal.validation import as_int, finite_or_none, shown
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.model import AcquisitionSummary, Sample, SinkReport
from watlowlib.model.events import Event, EventKind
from watlowlib.model.text import counted
from watlowlib.sinks.base import SampleSink, store_events, store_recording
from watlowlib.sinks.batches import BatchStream
from watlowlib.streaming.counters import Batch
from watlowlib.streaming.recorder import Recording

log = logger(__name__)

WAITING_BATCHES = 256
"""Capacity of a sink's queue, in batches; the recording has its own buffer in addition."""

GRACE_S = 0.2
"""How long the other sinks wait for one with a full queue, before rows for it are dropped."""

MOST_EVENTS = 1000
"""The events that wait for a sink."""

JOIN_S = 60.0
"""Time limit for a sink to write its last rows."""


class SinkWriter:
    """An open sink and the thread that writes to it; see `pipe` for the arguments."""

    def __init__(
        self,
        stream: Recording | BatchStream,
        sink: SampleSink,
        *,
        batch_size: int,
        flush_interval: float,
    ) -> None:
        self.name = repr(sink)
        self._stream = stream
        self._sink = sink
        self._batch_size = batch_size
        self._flush_interval = flush_interval
        self._queue: BoundedQueue[Batch] = BoundedQueue(WAITING_BATCHES)
        self._offered = self._refused = 0
        self._written = 0
        self._behind = False
        self._stored_id: str | None = None
        self._refused_events: tuple[Event, ...] = ()
        self._events: tuple[Event, ...] = ()
        """The events that are not stored yet."""
        self._events_problem: str | None = None
        role = type(sink).__name__.removesuffix("Sink").lower() or "sink"
        self.worker = Worker(f"writer-{role}", self._run, self._queue.shutdown)

    def offer(self, batch: Batch, *, alone: bool) -> None:
        """Put a batch into the queue; its rows are lost if the queue stays full.

        Its events are then in the next batch. If this is the only working sink (`alone`), wait
        for room without a limit.
        """
        rows = len(batch.samples)
        self._offered += rows
        events = self._latest((*self._refused_events, *batch.events))
        batch = batch._replace(events=events)
        self._refused_events = ()
        try:
            if alone:
                put_waiting(self._queue, batch)
            else:
                self._queue.put(batch, timeout=0.0 if self._behind else GRACE_S)
        except ShutDown:
            self._refused += rows
            return
        except queue.Full:
            self._refused += rows
            self._refused_events = batch.events
            if not self._behind:
                log.warning("%s falls behind: rows are being lost", self.name)
            self._behind = True
            return
        if self._behind and self._queue.qsize() < WAITING_BATCHES // 2:
            self._behind = False
            log.warning("%s keeps up again", self.name)

    def end(self) -> None:
        """Accept no more batches; the thread writes the remaining rows and ends."""
        self._queue.shutdown()

    def report(self) -> SinkReport:
        """Return how many rows are written, waiting and lost at this moment."""
        failure = self.worker.failure
        error = self._events_problem if failure is None else _text_of(failure)
        lost = self._offered - self._written
        waiting = min(getattr(self._sink, "rows_waiting", 0), self._written)
        return SinkReport(self.name, self._written - waiting, lost, error, waiting)

    def _run(self) -> None:
        try:
            self._collect()
        except Exception as error:
            self._stream.tell(EventKind.SINK_FAILED, f"{self.name}: {_text_of(error)}")
            raise
        finally:
            self._queue.shutdown()
            self._note_lost_events(len(self._events))

    def _collect(self) -> None:
        waiting: list[Sample] = []
        flush_at_s = math.inf
        while (batch := self._next_batch(flush_at_s)) is not None:
            self._keep_events(batch.events)
            if (batch.samples or batch.events) and flush_at_s == math.inf:
                flush_at_s = time.monotonic() + self._flush_interval
            waiting += batch.samples
            if len(waiting) >= self._batch_size or time.monotonic() >= flush_at_s:
                self._write(waiting)
                waiting, flush_at_s = [], math.inf
        self._keep_events(self._refused_events)
        if waiting or self._events:
            self._write(waiting)

    def _next_batch(self, flush_at_s: float) -> Batch | None:
        """Return the next batch, an empty one when it is time to flush, or None at the end."""
        try:
            if flush_at_s == math.inf:
                return get_waiting(self._queue)
            return self._queue.get(timeout=max(0.0, flush_at_s - time.monotonic()))
        except queue.Empty:
            return Batch([])
        except ShutDown:
            return None

    def _write(self, samples: list[Sample]) -> None:
        """Write `samples`, and the events that wait."""
        if self._stored_id != self._stream.id:
            self._stored_id = self._stream.id
            self._store_info()
        if samples:
            self._sink.write_many(samples)
            self._written += len(samples)
        if self._events:
            self._write_events()

    def _keep_events(self, events: Sequence[Event]) -> None:
        """Keep events until they are stored; the oldest are lost if the sink takes none."""
        if events:
            self._events = self._latest((*self._events, *events))

    def _latest(self, events: tuple[Event, ...]) -> tuple[Event, ...]:
        """Return the last `MOST_EVENTS`; if there are more, the first says how many are lost."""
        if len(events) <= MOST_EVENTS:
            return events
        dropped, kept = events[: 1 - MOST_EVENTS], events[1 - MOST_EVENTS :]
        lost = sum(
            each.value if each.kind == EventKind.EVENTS_LOST and isinstance(each.value, int) else 1
            for each in dropped
        )
        self._note_lost_events(lost)
        text = f"lost: {lost}, because more than {MOST_EVENTS} waited for the sink"
        time_ = dropped[-1].time
        return (Event(time_, None, None, EventKind.EVENTS_LOST, text, lost), *kept)

    def _note_lost_events(self, lost: int) -> None:
        if lost > 0:
            problem = self._events_problem or "the sink does not keep up"
            log.error(
                "%s: %s lost: %s", self.name, counted(lost, "event is", "events are"), problem
            )

    def _write_events(self) -> None:
        """Write the events that wait; after an error keep them. The rows do not depend on it."""
        try:
            store_events(self._sink, self._events)
        except Exception as error:  # noqa: BLE001 - of any sink, also a user's own
            if self._events_problem is None:
                log.error("%s: the events are not stored: %s", self.name, error)
            self._events_problem = f"events are not stored: {_text_of(error)}"
        else:
            self._events = ()
            self._events_problem = None

    def _store_info(self) -> None:
        """Store what is known about the recording; the rows do not depend on it."""
        info = self._stream.info
        if info is None:
            return
        try:
            store_recording(self._sink, info)
        except Exception as error:  # noqa: BLE001 - of any sink, also a user's own
            log.warning("%s: the metadata of the recording is not stored: %s", self.name, error)


def pipe(
    stream: Recording | Iterable[Sequence[Sample]],
    *sinks: SampleSink,
    batch_size: int = 64,
    flush_interval: float = 1.0,
) -> AcquisitionSummary:
    """Write a recording into `sinks` until it ends.

    If the only sink is slow, the recording waits for it (or drops samples, according to its
    overflow policy). With several sinks, a slow or failed one does not delay the others: once
    `WAITING_BATCHES` batches wait for it, further rows are dropped and counted in its report.

    Args:
        stream: A recording, within its `with` statement. Or any iterable of lists of samples; it is
            iterated over in another thread, and Ctrl-C stops it between two lists.
        *sinks: Open sinks, at least one.
        batch_size: Samples per write, 1 or more.
        flush_interval: Seconds that a sample may wait for a full batch, 0 or more.

    Returns:
        The recording's summary, with a report for each sink. `stream.summary` has later
        reports: rows that wait in a spool may be written after the end.

    Raises:
        WatlowConfigurationError: No sink, or an invalid size or interval.
        WatlowProcessError: The recording or a sink was opened in another process.
        WatlowSinkError: A sink did not keep all its rows; the other sinks have theirs.
        KeyboardInterrupt: Ctrl-C, raised after the schedule has stopped and all samples
            read so far have been written.
    """
    source = stream if isinstance(stream, Recording) else BatchStream(stream)
    _check_arguments(source, sinks)
    batch_size = as_int("batch_size", batch_size, 1, None, "give 1 or more samples")
    seconds = finite_or_none(flush_interval)
    if seconds is None or seconds < 0:
        raise WatlowConfigurationError(f"flush_interval={flush_interval!r}: give 0 or more seconds")
    writers = [
        SinkWriter(source, sink, batch_size=batch_size, flush_interval=seconds) for sink in sinks
    ]
    feeder = Worker("feeder", lambda: _feed(source, writers), source.stop)
    try:
        for writer in writers:
            writer.worker.start()
        feeder.start()
        _finish(feeder, writers)
    except BaseException:
        source.stop()
        _finish(feeder, writers)
        raise
    finally:
        for writer in writers:
            writer.end()
        source.note_sinks([writer.report for writer in writers])
    feeder.reraise()
    _raise_failures(writers)
    return source.summary


def _feed(stream: Recording | BatchStream, writers: list[SinkWriter]) -> None:
    """Offer each batch of the recording to each writer."""
    for batch in stream.batches():
        for writer in writers:
            working = sum(each.worker.failure is None for each in writers)
            if not working:
                stream.stop()
            writer.offer(batch, alone=working == 1)


def _text_of(error: BaseException) -> str:
    return str(error) or repr(error)


def _finish(feeder: Worker, writers: list[SinkWriter]) -> None:
    """Wait until the recording has ended, and then until the writers have written everything."""
    feeder.wait()
    for writer in writers:
        writer.end()
    for writer in writers:
        writer.worker.join(JOIN_S)


def _raise_failures(writers: list[SinkWriter]) -> None:
    lost = [report for report in (writer.report() for writer in writers) if report.rows_lost]
    if lost:
        text = "; ".join(
            f"{each.name} did not keep {counted(each.rows_lost, 'row')}"
            + (f" ({each.error})" if each.error else " (it fell behind)")
            for each in lost
        )
        failures = (writer.worker.failure for writer in writers)
        cause = next((failure for failure in failures if failure is not None), None)
        raise WatlowSinkError(text) from cause


def _check_arguments(stream: Recording | BatchStream, sinks: tuple[object, ...]) -> None:
    if isinstance(stream, Recording):
        stream.check_process()
    if not sinks:
        raise WatlowConfigurationError("give at least one sink to write to")
    for sink in sinks:
        if isinstance(sink, type) or not hasattr(sink, "write_many"):
            raise WatlowConfigurationError(
                f"{shown(sink)} is not a sink: give open sinks as separate arguments, "
                "such as pipe(stream, db, csv)"
            )
        if isinstance(sink, OneProcess):
            sink.check_process()
