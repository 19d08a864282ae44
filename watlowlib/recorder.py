"""Recording: a thread polls on an absolute schedule and hands over one batch a tick.

    with record(mgr, parameters=["process_value"], rate_hz=2.0, duration=60.0) as stream:
        for batch in stream:
            ...
    print(stream.summary)

Data flows one way: the recorder's thread polls its source and puts the batch into a
bounded hand-over, from which the caller (or `pipe`) takes it. What happens when that is
full is the `OverflowPolicy`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from watlowlib.arguments import chosen, positive, whole
from watlowlib.clock import Clock, SystemClock
from watlowlib.device.polling import Parameters, Poll, PollSource
from watlowlib.errors import WatlowConfigurationError
from watlowlib.handover import Handover, HandoverClosed
from watlowlib.model import AcquisitionSummary, Sample, SinkReport
from watlowlib.schedule import Schedule, slots
from watlowlib.threads import Worker

log = logging.getLogger(__name__)

MOST_HZ, MOST_S = 1e6, 1e9
JOIN_S = 15.0
"""How long a stopped recorder may take: its current read, and the port's way there."""


class OverflowPolicy(str, Enum):
    """What a recording does when its consumer does not keep up."""

    BLOCK = "block"
    """Wait for the consumer; slots that go by meanwhile are skipped and counted."""
    DROP_NEWEST = "drop_newest"
    """Throw away the batch just read, and count it."""


@dataclass
class _Tally:
    """The summary in the making; written by the recorder's thread alone."""

    started_at: datetime | None = None
    finished_at: datetime | None = None
    emitted: int = 0
    skipped: int = 0
    dropped: int = 0
    max_drift_ns: int = 0
    disconnects: int = 0
    rows: int = 0
    gaps: int = 0


class Recording:
    """A recording under way; made by `record`, used in a `with` statement.

    Iterating it gives one list of `Sample` a tick, until the duration is over or `stop`
    is called; then what ended the recorder's thread, if anything did, is raised.
    """

    def __init__(
        self,
        poll: Poll,
        *,
        period_ns: int,
        ticks: int | None,
        overflow: OverflowPolicy,
        buffer_size: int,
        clock: Clock,
    ) -> None:
        self.ticks = ticks
        """How many slots the recording has; None for no end."""
        self._poll = poll
        self._period_ns = period_ns
        self._overflow = overflow
        self._clock = clock
        self._queue: Handover[list[Sample]] = Handover(buffer_size)
        self._stop = threading.Event()
        self._tally = _Tally()
        self._sinks: tuple[SinkReport, ...] = ()
        self._worker = Worker("recorder", self._run, self._leave)
        self._entered = False

    def __enter__(self) -> Recording:
        if self._entered:
            raise WatlowConfigurationError("a recording runs once; call record(...) again")
        self._entered = True
        self._worker.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._leave()
        self._worker.join(JOIN_S)
        self._take_back(self._queue.clear())
        if error is None:
            self._worker.reraise()

    def __iter__(self) -> Iterator[list[Sample]]:
        if not self._entered:
            raise WatlowConfigurationError("use the recording in a with statement")
        while True:
            try:
                batch = self._queue.get()
            except HandoverClosed:
                self._worker.reraise()
                return
            if batch is not None:
                yield batch

    def stop(self) -> None:
        """End the schedule; what was read already can still be taken out."""
        self._stop.set()

    def _leave(self) -> None:
        """End it without a consumer: who waits for room in the queue waits no more."""
        self.stop()
        self._queue.close()

    def _take_back(self, batches: list[list[Sample]]) -> None:
        """Count as dropped what was handed over but never taken."""
        self._tally.emitted -= len(batches)
        self._tally.dropped += len(batches)
        self._tally.rows -= sum(map(len, batches))
        self._tally.gaps -= sum(map(_gaps_in, batches))

    def note_sinks(self, reports: Sequence[SinkReport]) -> None:
        """Put what became of the rows into the summary; `pipe` does."""
        self._sinks = tuple(reports)

    @property
    def summary(self) -> AcquisitionSummary:
        """What it amounts to, by now or in the end."""
        tally, now = self._tally, self._clock.utc()
        return AcquisitionSummary(
            started_at=tally.started_at or now,
            finished_at=tally.finished_at or now,
            samples_emitted=tally.emitted,
            samples_late=tally.skipped + tally.dropped,
            max_drift_ms=tally.max_drift_ns / 1e6,
            disconnects=tally.disconnects,
            ticks_skipped=tally.skipped,
            ticks_dropped=tally.dropped,
            rows=tally.rows,
            gaps=tally.gaps,
            sinks=self._sinks,
        )

    def _run(self) -> None:
        try:
            self._keep_schedule()
        except HandoverClosed:
            self._tally.dropped += 1  # the consumer has left
        finally:
            self._tally.finished_at = self._clock.utc()
            self._queue.close()
            log.info("recording ended: %s", self.summary)

    def _keep_schedule(self) -> None:
        schedule = Schedule(self._clock.now_ns(), self._period_ns, self.ticks)
        self._tally.started_at = self._clock.utc()
        tick, troubled = 0, False
        while tick != self.ticks and not self._clock.wait_until(schedule.due_ns(tick), self._stop):
            drift_ns = self._clock.now_ns() - schedule.due_ns(tick)
            self._tally.max_drift_ns = max(self._tally.max_drift_ns, drift_ns)
            batch = self._poll(self._stop)
            lost = any(sample.status == "disconnected" for sample in batch)
            self._tally.disconnects += lost and not troubled
            troubled = lost
            self._hand_over(batch)
            tick, skipped = schedule.after(tick, self._clock.now_ns())
            self._tally.skipped += skipped

    def _hand_over(self, batch: list[Sample]) -> None:
        wait_s = None if self._overflow is OverflowPolicy.BLOCK else 0.0
        if self._queue.put(batch, wait_s):
            self._tally.emitted += 1
            self._tally.rows += len(batch)
            self._tally.gaps += _gaps_in(batch)
        else:
            if not self._tally.dropped:
                log.warning("the consumer does not keep up: batches are being dropped")
            self._tally.dropped += 1


def _gaps_in(batch: list[Sample]) -> int:
    return sum(sample.value is None for sample in batch)


def record(
    source: PollSource,
    *,
    parameters: Parameters,
    rate_hz: float,
    duration: float | None = None,
    names: str | Iterable[str] | None = None,
    instances: int | Iterable[int] = (1,),
    overflow: OverflowPolicy = OverflowPolicy.BLOCK,
    buffer_size: int = 64,
    clock: Clock | None = None,
) -> Recording:
    """Record `source`: use what this returns in a `with` statement.

    Everything is checked here, before anything is sent.

    Args:
        source: A `Controller` or a `WatlowManager`.
        parameters: Names, aliases or numbers of what to read at each tick.
        rate_hz: Ticks a second, above 0.
        duration: Seconds to record; None until the `with` block ends or `stop` is called.
        names: Which of a manager's controllers; None for all.
        instances: Which instances of each parameter.
        overflow: What to do when the consumer does not keep up.
        buffer_size: How many batches may wait for the consumer, 1 or more.
        clock: Another clock than the machine's, for tests.

    Returns:
        A `Recording`: iterate it for one list of `Sample` a tick, ask it for `.summary`.

    Raises:
        WatlowConfigurationError: An argument that cannot be; the message says which.
    """
    if not hasattr(source, "prepare"):
        raise WatlowConfigurationError(
            f"{source!r} cannot be recorded: give a Controller, a manager"
        )
    rate_hz = positive("rate_hz", rate_hz, MOST_HZ, "ticks a second")
    if duration is not None:
        duration = positive("duration", duration, MOST_S, "seconds, or None for no end")
    period_ns, ticks = slots(rate_hz, duration)
    return Recording(
        source.prepare(parameters, instances=instances, names=names),
        period_ns=period_ns,
        ticks=ticks,
        overflow=chosen("overflow", OverflowPolicy, overflow),
        buffer_size=whole("buffer_size", buffer_size, 1, None, "give 1 or more batches"),
        clock=clock or SystemClock(),
    )
