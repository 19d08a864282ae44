"""Write a recording into sinks, each with its own writer thread.

    with record(mgr, ...) as stream, SqliteSink("run.sqlite") as db, CsvSink("run.csv") as csv:
        summary = pipe(stream, db, csv)

A writer collects samples until it has `batch_size` of them, or until the first one has
waited for `flush_interval`, and writes them in one call. A sink that fails does not stop the
others; `pipe` raises its error at the end. When all sinks have failed the recording stops.
"""

from __future__ import annotations

import logging
import math
import time

from watlowlib._internal.queues import ClosableQueue, QueueClosed
from watlowlib._internal.threads import Worker
from watlowlib._internal.validation import as_int, finite_or_none
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.model import AcquisitionSummary, Sample, SinkReport
from watlowlib.sinks.base import SampleSink
from watlowlib.streaming.counters import Batch
from watlowlib.streaming.recorder import Recording

log = logging.getLogger(__name__)

WAITING_BATCHES = 256
"""Capacity of a sink's queue, in batches; the recording has its own buffer in addition."""

GRACE_S = 0.2
"""How long the other sinks wait for one with a full queue, before rows for it are dropped."""

JOIN_S = 60.0
"""Time limit for a sink to write its last rows."""


class SinkWriter:
    """One sink and the thread that writes to it.

    Args:
        sink: An open sink.
        batch_size: Samples per write.
        flush_interval: Seconds that the first of them may wait.
    """

    def __init__(self, sink: SampleSink, *, batch_size: int, flush_interval: float) -> None:
        self.name = repr(sink)
        self._sink = sink
        self._batch_size = batch_size
        self._flush_interval = flush_interval
        self._queue: ClosableQueue[list[Sample]] = ClosableQueue(WAITING_BATCHES)
        self._last_batch: list[Sample] = []
        self._offered = 0
        self._written = 0
        self._behind = False
        role = type(sink).__name__.removesuffix("Sink").lower() or "sink"
        self._worker = Worker(f"writer-{role}", self._run, self._queue.close)

    @property
    def failure(self) -> BaseException | None:
        """The exception that ended the writer early, or None."""
        return self._worker.failure

    def start(self) -> None:
        """Start the thread."""
        self._worker.start()

    def offer(self, batch: list[Sample], *, alone: bool) -> None:
        """Put a batch into the queue; count its rows as lost if the queue stays full.

        A batch may be offered twice, when Ctrl-C interrupts the first call. It counts once.

        Args:
            batch: The samples.
            alone: Whether this is the only working sink; then wait for room without a limit.
        """
        timeout_s = 0.0 if self._behind else GRACE_S
        if batch is not self._last_batch:
            offered = self._offered + len(batch)
            self._last_batch, self._offered = batch, offered  # no Ctrl-C in between
        try:
            accepted = self._queue.put(batch, None if alone else timeout_s)
        except QueueClosed:
            return
        if not accepted and not self._behind:
            self._behind = True
            log.warning("%s falls behind: rows are being lost", self.name)
        elif accepted and self._behind and len(self._queue) < WAITING_BATCHES // 2:
            self._behind = False
            log.warning("%s keeps up again", self.name)

    def end(self) -> None:
        """Close the queue; the thread writes the remaining rows and ends."""
        self._queue.close()

    def finish(self) -> None:
        """Wait until the remaining rows have been written."""
        self._worker.join(JOIN_S)

    def report(self) -> SinkReport:
        """Return how many rows were written and lost."""
        error = None if self.failure is None else str(self.failure) or repr(self.failure)
        return SinkReport(self.name, self._written, self._offered - self._written, error)

    def _run(self) -> None:
        try:
            self._collect()
        finally:
            self._queue.close()

    def _collect(self) -> None:
        waiting: list[Sample] = []
        last: list[Sample] | None = None
        flush_at_s = math.inf
        while True:
            try:
                batch = self._queue.get(None if not waiting else flush_at_s - time.monotonic())
            except QueueClosed:
                break
            if batch and batch is not last:
                if not waiting:
                    flush_at_s = time.monotonic() + self._flush_interval
                waiting += batch
                last = batch
            if len(waiting) >= self._batch_size or (waiting and time.monotonic() >= flush_at_s):
                self._write(waiting)
                waiting = []
        if waiting:
            self._write(waiting)

    def _write(self, samples: list[Sample]) -> None:
        self._sink.write_many(samples)
        self._written += len(samples)


def pipe(
    stream: Recording,
    *sinks: SampleSink,
    batch_size: int = 64,
    flush_interval: float = 1.0,
) -> AcquisitionSummary:
    """Write a recording into `sinks` until it ends.

    If the only sink is slow, the recording waits for it (or drops samples, according to its
    overflow policy). With several sinks, a slow or failed one does not delay the others: once
    `WAITING_BATCHES` batches wait for it, further rows are dropped and counted in its report.

    Args:
        stream: A recording, within its `with` statement.
        *sinks: Open sinks, at least one.
        batch_size: Samples per write, 1 or more.
        flush_interval: Seconds that a sample may wait for a full batch, 0 or more.

    Returns:
        The recording's summary, with a report for each sink.

    Raises:
        WatlowConfigurationError: No sink, or an invalid size or interval.
        WatlowSinkError: A sink did not keep all its rows; the other sinks have theirs.
        KeyboardInterrupt: Ctrl-C, raised after the schedule has stopped and all samples
            read so far have been written.
    """
    _check_arguments(stream, sinks)
    batch_size = as_int("batch_size", batch_size, 1, None, "give 1 or more samples")
    seconds = finite_or_none(flush_interval)
    if seconds is None or seconds < 0:
        raise WatlowConfigurationError(f"flush_interval={flush_interval!r}: give 0 or more seconds")
    flow = _Flow(
        stream,
        [SinkWriter(sink, batch_size=batch_size, flush_interval=seconds) for sink in sinks],
    )
    try:
        flow.start()
        flow.run()
    except BaseException:
        stream.stop()
        flow.run()
        raise
    finally:
        stream.note_sinks(flow.end())
    _raise_failures(flow.writers)
    return stream.summary


class _Flow:
    """Offers each batch to each writer; `run` can be called again after an interruption."""

    def __init__(self, stream: Recording, writers: list[SinkWriter]) -> None:
        self.writers = writers
        self._stream = stream
        self._started = False
        self._pending: list[Batch] = []

    def start(self) -> None:
        """Start the threads of the writers."""
        for writer in self.writers:
            writer.start()
        self._started = True

    def run(self) -> None:
        """Run until the recording has ended and all is written; do nothing if not started."""
        if not self._started:
            return
        self._offer()
        while self._stream.move_to(self._pending):
            self._offer()
        self.end()
        for writer in self.writers:
            writer.finish()

    def end(self) -> list[SinkReport]:
        """Close the queues of the writers and return their reports up to now."""
        for writer in self.writers:
            writer.end()
        return [writer.report() for writer in self.writers]

    def _offer(self) -> None:
        """Offer the pending batches; a writer detects a batch that is offered a second time."""
        for batch in self._pending:
            for writer in self.writers:
                alive = sum(each.failure is None for each in self.writers)
                if not alive:
                    self._stream.stop()
                writer.offer(batch.samples, alone=alive == 1)
        self._pending.clear()


def _raise_failures(writers: list[SinkWriter]) -> None:
    lost = [report for report in (writer.report() for writer in writers) if report.rows_lost]
    if lost:
        text = "; ".join(
            f"{each.name} did not keep {each.rows_lost} rows"
            + (f" ({each.error})" if each.error else " (it fell behind)")
            for each in lost
        )
        cause = next((writer.failure for writer in writers if writer.failure is not None), None)
        raise WatlowSinkError(text) from cause


def _check_arguments(stream: object, sinks: tuple[object, ...]) -> None:
    if not isinstance(stream, Recording):
        raise WatlowConfigurationError(f"{stream!r} is not a recording: make one with record(...)")
    if not sinks:
        raise WatlowConfigurationError("give at least one sink to write to")
    for sink in sinks:
        if isinstance(sink, type) or not hasattr(sink, "write_many"):
            raise WatlowConfigurationError(
                f"{sink!r} is not a sink: give open sinks as separate arguments, "
                "such as pipe(stream, db, csv)"
            )
