"""From a recording into sinks, each with a writer thread of its own.

    with record(mgr, ...) as stream, SqliteSink("run.sqlite") as db, CsvSink("run.csv") as csv:
        summary = pipe(stream, db, csv)

A writer collects samples until there are `batch_size` of them, or the first one has
waited `flush_interval`, and writes them in one go. A sink that fails does not stop the
others; its error is raised when all is over. When all have failed the recording stops.
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
"""Batches that may wait for a slow sink, apart from what the recording itself buffers."""

GRACE_S = 0.2
"""How long the others wait for a sink that has so many waiting, before it loses rows."""

JOIN_S = 60.0
"""How long a sink may take for its last rows."""


class SinkWriter:
    """One sink and the thread that writes to it.

    Args:
        sink: An open sink.
        batch_size: Samples to write at once.
        flush_interval: Seconds the first of them may wait.
    """

    def __init__(self, sink: SampleSink, *, batch_size: int, flush_interval: float) -> None:
        self.name = repr(sink)
        self._sink = sink
        self._batch_size = batch_size
        self._flush_interval = flush_interval
        self._queue: ClosableQueue[list[Sample]] = ClosableQueue(WAITING_BATCHES)
        self._offered: list[Sample] = []
        self._given = 0
        self._written = 0
        self._behind = False
        role = type(sink).__name__.removesuffix("Sink").lower() or "sink"
        self._worker = Worker(f"writer-{role}", self._run, self._queue.close)

    @property
    def failure(self) -> BaseException | None:
        """What ended the writer before its time."""
        return self._worker.failure

    def start(self) -> None:
        """Let the thread run."""
        self._worker.start()

    def offer(self, batch: list[Sample], *, alone: bool) -> None:
        """Hand over a batch; one that is not taken is counted as lost.

        One that comes again, because Ctrl-C came before it was known to be taken, is one.

        Args:
            batch: The samples.
            alone: Whether nobody else is held up by waiting for this sink.
        """
        patience_s = 0.0 if self._behind else GRACE_S
        if batch is not self._offered:
            given = self._given + len(batch)
            self._offered, self._given = batch, given  # nothing comes between the two
        try:
            taken = self._queue.put(batch, None if alone else patience_s)
        except QueueClosed:
            return
        if not taken and not self._behind:
            self._behind = True
            log.warning("%s falls behind: rows are being lost", self.name)
        elif taken and self._behind and len(self._queue) < WAITING_BATCHES // 2:
            self._behind = False
            log.warning("%s keeps up again", self.name)

    def end(self) -> None:
        """Take nothing more; write what is left."""
        self._queue.close()

    def finish(self) -> None:
        """Wait until what is left has been written."""
        self._worker.join(JOIN_S)

    def report(self) -> SinkReport:
        """What became of the rows."""
        error = None if self.failure is None else str(self.failure) or repr(self.failure)
        return SinkReport(self.name, self._written, self._given - self._written, error)

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

    With one sink that is slow the recording waits for it (or drops, as its overflow
    policy says). With several, one that is slow or has failed does not hold up the
    others: once `WAITING_BATCHES` wait for it, the rows it misses are counted in its report.

    Args:
        stream: A recording, within its `with` statement.
        *sinks: Open sinks, at least one.
        batch_size: Samples a sink is given at once, 1 or more.
        flush_interval: Seconds a sample may wait for that, 0 or more.

    Returns:
        The recording's summary, with a report for each sink.

    Raises:
        WatlowConfigurationError: No sink, or a size or interval that cannot be.
        WatlowSinkError: A sink did not keep all its rows; the others have theirs.
        KeyboardInterrupt: Ctrl-C, after the schedule has been stopped and everything
            that was read has been written.
    """
    _check(stream, sinks)
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
    """Hands each batch to each writer; goes on where an interruption has left it."""

    def __init__(self, stream: Recording, writers: list[SinkWriter]) -> None:
        self.writers = writers
        self._stream = stream
        self._started = False
        self._hand: list[Batch] = []

    def start(self) -> None:
        """Let the writers' threads run."""
        for writer in self.writers:
            writer.start()
        self._started = True

    def run(self) -> None:
        """Until the recording has ended and everything is written; nothing if not started."""
        if not self._started:
            return
        self._offer()
        while self._stream.move_to(self._hand):
            self._offer()
        self.end()
        for writer in self.writers:
            writer.finish()

    def end(self) -> list[SinkReport]:
        """Give the writers nothing more; what has become of the rows by now."""
        for writer in self.writers:
            writer.end()
        return [writer.report() for writer in self.writers]

    def _offer(self) -> None:
        """Offer what is in the hand; after an interruption again, which a writer notices."""
        for batch in self._hand:
            for writer in self.writers:
                alive = sum(each.failure is None for each in self.writers)
                if not alive:
                    self._stream.stop()
                writer.offer(batch.samples, alone=alive == 1)
        self._hand.clear()


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


def _check(stream: object, sinks: tuple[object, ...]) -> None:
    if not isinstance(stream, Recording):
        raise WatlowConfigurationError(f"{stream!r} is no recording: give what record(...) yields")
    if not sinks:
        raise WatlowConfigurationError("give at least one sink to write to")
    for sink in sinks:
        if isinstance(sink, type) or not hasattr(sink, "write_many"):
            raise WatlowConfigurationError(
                f"{sink!r} is no sink: give open sinks, one after the other, "
                "such as pipe(stream, db, csv)"
            )
