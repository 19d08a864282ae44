"""Recording: a thread polls on an absolute schedule and hands over one batch a tick.

    with record(mgr, parameters=["process_value"], rate_hz=2.0, duration=60.0) as stream:
        for batch in stream:
            ...
    print(stream.summary)

Data flows one way: the recorder's thread polls its source and puts the batch into a
bounded hand-over, from which the caller (or `pipe`) takes it. What happens when that is
full is the `OverflowPolicy`. Only the monotonic clock decides when something is read:
setting the wall clock changes nothing but what is written down as the time of day.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from enum import Enum

from watlowlib._internal.clock import Clock, SystemClock
from watlowlib._internal.queues import ClosableQueue, QueueClosed
from watlowlib._internal.threads import Worker
from watlowlib._internal.validation import as_enum, as_int
from watlowlib.devices.poll import PollSource
from watlowlib.devices.targets import Parameters
from watlowlib.errors import WatlowConfigurationError, WatlowConnectionError
from watlowlib.model import AcquisitionSummary, Sample, SinkReport
from watlowlib.streaming.counters import Batch, Counters
from watlowlib.streaming.plan import Plan, Rates, make_plan
from watlowlib.streaming.schedule import Schedule

log = logging.getLogger(__name__)

JOIN_S = 15.0
"""How long a stopped recorder may take: its current read, and the port's way there."""


class OverflowPolicy(str, Enum):
    """What a recording does when its consumer does not keep up."""

    BLOCK = "block"
    """Wait for the consumer; slots that go by meanwhile are skipped and counted."""
    DROP_NEWEST = "drop_newest"
    """Throw away the batch just read, and count it."""
    DROP_OLDEST = "drop_oldest"
    """Throw away the batch that has waited longest, and count it."""


class Recording:
    """A recording under way; made by `record`, used in a `with` statement.

    Iterating it gives one list of `Sample` a tick, until the duration is over or `stop`
    is called; then what ended the recorder's thread, if anything did, is raised.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        overflow: OverflowPolicy,
        buffer_size: int,
        auto_reconnect: bool,
        clock: Clock,
    ) -> None:
        counts = [slots.count for slots in plan.slots]
        self.ticks = None if None in counts else sum(count or 0 for count in counts)
        """How many slots the recording has, all rates together; None for no end."""
        self._plan = plan
        self._overflow = overflow
        self._buffer_size = buffer_size
        self._auto_reconnect = auto_reconnect
        self._clock = clock
        self._queue: ClosableQueue[Batch] = ClosableQueue(buffer_size)
        self._stop = threading.Event()
        self._counters = Counters(plan.rates, plan.ports)
        self._start_ns = clock.now_ns()
        self._dropped_before: int | None = None
        self._around = ExitStack()
        self._worker = Worker("recorder", self._run, self._leave)
        self._entered = False

    def __repr__(self) -> str:
        rates = ", ".join(f"{rate.rate_hz:g} Hz" for rate in self._plan.rates)
        state = "running" if self._worker.alive else "ended" if self._entered else "not begun"
        return f"<Recording at {rates}, {state}>"

    def __enter__(self) -> Recording:
        if self._entered:
            raise WatlowConfigurationError("a recording runs once; call record(...) again")
        self._entered = True
        try:
            self._around.enter_context(self._plan.around)
            self._worker.start()
        except BaseException:
            # Ctrl-C may have come when the thread had begun.
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        with self._around:
            self._leave()
            self._worker.join(JOIN_S)
            for batch in self._queue.clear():
                self._counters.drop(batch)
        if error is None:
            self._worker.reraise()

    def __iter__(self) -> Iterator[list[Sample]]:
        if not self._entered:
            raise WatlowConfigurationError("use the recording in a with statement")
        hand: list[Batch] = []
        while self.move_to(hand):
            yield hand.pop().samples

    def move_to(self, hand: list[Batch]) -> bool:
        """Wait for the next batch and put it into `hand`; False when there is none any more.

        For `pipe`, which goes on after Ctrl-C: what is not in `hand` then is still to come.
        """
        try:
            return self._queue.move_to(hand)
        except QueueClosed:
            self._worker.reraise()
            return False

    def stop(self) -> None:
        """End the schedule; what was read already can still be taken out."""
        self._stop.set()

    def _leave(self) -> None:
        """End it without a consumer: who waits for room in the queue waits no more."""
        self.stop()
        self._queue.close()

    def note_sinks(self, reports: Sequence[SinkReport]) -> None:
        """Put what became of the rows into the summary; `pipe` does."""
        self._counters.sinks = tuple(reports)

    @property
    def summary(self) -> AcquisitionSummary:
        """What it amounts to, by now or in the end."""
        elapsed_ns = self._clock.now_ns() - self._start_ns if self._counters.started_at else 0
        return self._counters.summary(self._clock.utc(), elapsed_ns)

    def _run(self) -> None:
        try:
            self._keep_schedule()
        except QueueClosed:
            log.debug("the consumer has left")
        finally:
            self._counters.duration_ns = self._clock.now_ns() - self._start_ns
            self._counters.finished_at = self._clock.utc()
            self._queue.close()
            self._note_drops(lost=False, roomy=True)
            # A port that was held up may still be read: not beyond the end of the recording.
            self._stop.set()
            self._plan.finish()
            log.info("recording ended: %s", self.summary)
            for name, stats in self._plan.stats.items():
                log.info("%s: %s", name, stats)

    def _keep_schedule(self) -> None:
        self._start_ns = self._clock.now_ns()
        self._counters.started_at = self._clock.utc()
        schedule = Schedule(self._start_ns, self._plan.slots)
        while (due_ns := schedule.next_ns()) is not None:
            if self._clock.wait_until(due_ns, self._stop):
                return
            rates, drift_ns = schedule.take(self._clock.now_ns())
            self._counters.late(drift_ns)
            self._tick(rates, schedule.next_ns())
            self._counters.skip(schedule.skip(self._clock.now_ns()))

    def _tick(self, rates: tuple[int, ...], next_ns: int | None) -> None:
        began_ns = self._clock.now_ns()
        left_s = None if next_ns is None else (next_ns - began_ns) / 1e9
        samples = self._plan.read(rates, self._stop, left_s)
        self._counters.took(self._clock.now_ns() - began_ns)
        lost = self._counters.look_at_ports(samples)
        self._hand_over(Batch(samples, rates))
        if lost is not None and not self._auto_reconnect:
            raise WatlowConnectionError(
                f"the port of {lost!r} was lost and auto_reconnect is off; "
                "look at the cable, the adapter and its power"
            )

    def _hand_over(self, batch: Batch) -> None:
        roomy = 2 * len(self._queue) < self._buffer_size
        lost: Batch | None = batch
        try:
            lost = self._put(batch)
        finally:
            self._counters.emit(batch)
            if lost is not None:
                self._counters.drop(lost)
        self._note_drops(lost is not None, roomy)

    def _put(self, batch: Batch) -> Batch | None:
        """Hand `batch` over; the one that had to be dropped for want of room."""
        if self._overflow is OverflowPolicy.DROP_OLDEST:
            return self._queue.push(batch)
        wait_s = None if self._overflow is OverflowPolicy.BLOCK else 0.0
        return None if self._queue.put(batch, wait_s) else batch

    def _note_drops(self, lost: bool, roomy: bool) -> None:
        """Say once that batches begin to be dropped, and once that this is over."""
        if lost and self._dropped_before is None:
            self._dropped_before = self._counters.dropped - 1
            log.warning("the consumer does not keep up: batches are being dropped")
        elif self._dropped_before is not None and not lost and roomy:
            dropped = self._counters.dropped - self._dropped_before
            self._dropped_before = None
            log.warning("no more batches are being dropped; %d were", dropped)


def record(
    source: PollSource,
    *,
    parameters: Parameters | Rates,
    rate_hz: float | None = None,
    duration: float | None = None,
    names: str | Iterable[str] | None = None,
    instances: int | Iterable[int] = (1,),
    overflow: OverflowPolicy = OverflowPolicy.BLOCK,
    buffer_size: int = 64,
    auto_reconnect: bool = True,
    sensor_check: bool = False,
    assembly: bool = False,
    confirm: bool = False,
    clock: Clock | None = None,
) -> Recording:
    """Record `source`: use what this returns in a `with` statement.

    Everything is checked here, before anything is sent.

    Args:
        source: A `Controller` or a `WatlowManager`.
        parameters: Names, aliases or numbers of what to read at each tick. Or a dict that
            says how often a second each is read, such as
            `{"process_value": 10.0, "setpoint": 0.2}`, with up to 6 different rates: all
            begin together, what is due at the same time is one tick, and each batch has
            what was due.
        rate_hz: Ticks a second, above 0; left out when `parameters` says it.
        duration: Seconds to record; None until the `with` block ends or `stop` is called.
        names: Which of a manager's controllers; None for all.
        instances: Which instances of each parameter.
        overflow: What to do when the consumer does not keep up.
        buffer_size: How many batches may wait for the consumer, 1 or more.
        auto_reconnect: Whether to go on when a port is lost: its samples say
            "disconnected" until it is back. Else the recording ends with a
            `WatlowConnectionError` after the batch that has these samples.
        sensor_check: Whether to read the input error (4002) with each process value: a value
            whose sensor is in error keeps its number and has the status "sensor_error", one
            whose sensor did not tell "sensor_unknown". Over Modbus both come in one read.
        assembly: Over Modbus, whether to read through the controllers' assemblies; see
            `Controller.assembly`. Needs `confirm=True`.
        confirm: That the controllers' EEPROM may be written for it.
        clock: Another clock than the machine's, for tests.

    Returns:
        A `Recording`: iterate it for one list of `Sample` a tick, ask it for `.summary`.

    Raises:
        WatlowConfigurationError: An argument that cannot be; the message says which.
    """
    return Recording(
        make_plan(
            source,
            parameters,
            rate_hz,
            duration,
            names=names,
            instances=instances,
            sensor_check=sensor_check,
            assembly=assembly,
            confirm=confirm,
        ),
        overflow=as_enum("overflow", OverflowPolicy, overflow),
        buffer_size=as_int("buffer_size", buffer_size, 1, None, "give 1 or more batches"),
        auto_reconnect=auto_reconnect,
        clock=clock or SystemClock(),
    )
