"""Recording: a thread polls on an absolute schedule and queues one batch per tick.

    with record(mgr, parameters=["process_value"], rate_hz=2.0, duration=60.0) as stream:
        for batch in stream:
            ...
    print(stream.summary)

Data flows in one direction: the recorder's thread polls its source and puts each batch into
a bounded queue, from which the caller (or `pipe`) takes it. The `OverflowPolicy` decides what
happens when the queue is full. The schedule depends only on the monotonic clock: setting the
wall clock changes only the times of requests and replies and those in the summary, which counts
such steps. `scheduled_at` continues from the wall clock at the start: after a step it differs
from `requested_at` by the step.

Before the schedule starts, the thread reads what identifies each controller; see `Recording.info`.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from watlowlib._internal.clock import Clock, StepDetector, SystemClock
from watlowlib._internal.log import logger
from watlowlib._internal.queues import (
    BoundedQueue,
    ShutDown,
    drain,
    get_waiting,
)
from watlowlib._internal.switch_interval import SWITCH_INTERVAL_S, as_switch_interval, lowered
from watlowlib._internal.threads import Worker
from watlowlib._internal.validation import as_bool, as_enum, as_int
from watlowlib.devices.poll import PollSource, SimplePollSource
from watlowlib.devices.targets import Parameters
from watlowlib.errors import WatlowConfigurationError, WatlowConnectionError
from watlowlib.model import Sample, Unit
from watlowlib.model.events import EventKind
from watlowlib.model.reports import recording_line
from watlowlib.streaming.changes import Changes
from watlowlib.streaming.counters import Batch, Counters
from watlowlib.streaming.metadata import as_metadata
from watlowlib.streaming.overflow import DropLog, Watch, put
from watlowlib.streaming.overflow import OverflowPolicy as OverflowPolicy
from watlowlib.streaming.plan import Plan, Rates, make_plan
from watlowlib.streaming.reads import Reads
from watlowlib.streaming.recording_attributes import RecordingAttributes
from watlowlib.streaming.recording_events import RecordingEvents
from watlowlib.streaming.schedule import Schedule

log = logger(__name__)

JOIN_S = 15.0
"""Seconds a stopped recorder may take to end: its current read, and the wait for the port."""


class Recording(RecordingAttributes):
    """A recording; made by `record`, used in a `with` statement.

    Iterating over it yields one list of `Sample` per tick, until the duration is over or `stop`
    is called. An error that has ended the recorder's thread is raised after the last list.
    """

    _kind = "recording"

    def __init__(
        self,
        plan: Plan,
        *,
        overflow: OverflowPolicy,
        buffer_size: int,
        auto_reconnect: bool,
        metadata: Mapping[str, Any],
        events: bool,
        switch_interval_s: float | None,
        clock: Clock,
    ) -> None:
        self._pid = os.getpid()
        self.id = uuid4().hex
        """The recording's own ID: 32 hexadecimal digits."""
        self._metadata = metadata
        self._plan = plan
        self._overflow = overflow
        self._buffer_size = buffer_size
        self._auto_reconnect = auto_reconnect
        self._switch_interval_s = switch_interval_s
        self._clock = clock
        self._queue: BoundedQueue[Batch] = BoundedQueue(buffer_size)
        self.latest: list[Sample] = []
        """The samples of the last tick, before any sink has them; empty before the first."""
        self.reads = Reads()
        """The reads of all ticks by status, and the latest of each parameter."""
        self._watching: list[Watch] = []
        self._stop = threading.Event()
        self._wake = threading.Event()
        """Set with `_stop`, and when there is another plan."""
        self._changes = Changes(self._wake)
        self._counters = Counters(plan.rates, plan.full_poll.ports)
        self._step_detector = StepDetector(clock)
        self._events = RecordingEvents(clock, plan.full_poll, automatic=events)
        self._start_ns = clock.now_ns()
        self._drop_log = DropLog()
        self._setup = ExitStack()
        self._worker = Worker("recorder", self._run_responsive, self._abort)
        self._entered = False

    def __repr__(self) -> str:
        rates = ", ".join(f"{rate.rate_hz:g} Hz" for rate in self._plan.rates)
        state = "running" if self._worker.alive else "ended" if self._entered else "not begun"
        return f"<Recording at {rates}, {state}>"

    def __enter__(self) -> Recording:
        self.check_process()
        if self._entered:
            raise WatlowConfigurationError("a recording runs once; call record(...) again")
        self._entered = True
        try:
            self._setup.enter_context(self._plan.setup)
            self._events.tell(EventKind.RECORDING_STARTED, self.id)
            self._worker.start()
        except BaseException:
            # Ctrl-C may be raised after the thread has started.
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.in_other_process:
            return
        with self._setup:
            self._abort()
            self._worker.join(JOIN_S)
            for batch in drain(self._queue):
                self._counters.drop(batch)
        if error is None:
            self._worker.reraise()

    def __iter__(self) -> Iterator[list[Sample]]:
        return (batch.samples for batch in self.batches() if batch.rates)

    def batches(self) -> Iterator[Batch]:
        """Yield the samples and the events of each tick, and at the end the last events alone.

        Iterating over the recording itself yields the samples only. Errors are raised as there.
        """
        if not self._entered:
            raise WatlowConfigurationError("use the recording in a with statement")
        while True:
            self.check_process()
            try:
                batch = get_waiting(self._queue)
            except ShutDown:
                self._worker.join(JOIN_S)  # the thread keeps its error only when it has ended
                yield Batch([], events=self._events.take())
                self._worker.reraise()
                return
            yield batch

    @property
    def begun(self) -> bool:
        """Whether its `with` statement was entered; a recording runs once."""
        return self._entered

    def stop(self) -> None:
        """End the schedule; batches in the queue can still be taken."""
        self.check_process()
        self._stop.set()
        self._wake.set()

    def replace_plan(self, plan: Plan, metadata: Mapping[str, Any]) -> None:
        """Continue with another plan from the next tick on; return when it is in use.

        Rates that stay keep all their slots. Slots of new rates are due at the same instants as
        if they had been recorded from the start. The numbers of the ticks continue. The recording
        gets a new `id`, because `info` is another one from now on. `plan.setup` is not entered,
        and `metadata` has JSON types.

        Raises:
            WatlowClosedError: The recording has ended.
            WatlowPortBusyError: The tick that is being read has not ended within a minute, or
                another plan waits for its end; the recording continues as before.
        """
        self.check_process()
        self._changes.ask(plan, metadata)

    def _abort(self) -> None:
        """End without a consumer: close the queue, which wakes a recorder that waits for room."""
        self.stop()
        self._queue.shutdown()

    def _run_responsive(self) -> None:
        with lowered(self._switch_interval_s):
            self._run()

    def _run(self) -> None:
        try:
            self._events.listen()
            self._plan.full_poll.identify(self._stop)
            self._run_schedule()
        except ShutDown:
            log.debug("the consumer has closed the queue")
        finally:
            self._counters.duration_ns = self._clock.now_ns() - self._start_ns
            self._counters.finished_at = self._clock.utc()
            self._check_wall_clock()
            self._events.stopped(sys.exc_info()[1], early=self._stop.is_set())
            self._queue.shutdown()
            for each in self._watching:
                each.shutdown()
            self._changes.close()
            self._drop_log.note(0, has_room=True)
            # A busy port may still be read; wait until the reads have ended.
            self._stop.set()
            self._plan.full_poll.finish()
            log.info("recording ended: %s", recording_line(self.summary))
            for name, stats in self.stats.items():
                log.info("%s: %s", name, stats)

    def _run_schedule(self) -> None:
        self._start_ns = self._clock.now_ns()
        self._counters.started_at = started_at = self._clock.utc()
        schedule = Schedule(self._start_ns, self._plan.slots)
        while (due_ns := schedule.next_ns()) is not None:
            if self._clock.wait_until(due_ns, self._wake):
                self._wake.clear()
                if self._stop.is_set():
                    return
                schedule = self._take_plan(schedule)
                continue
            rates, drift_ns = schedule.take(self._clock.now_ns())
            self._counters.add_drift(drift_ns)
            self._check_wall_clock()
            scheduled_at = started_at + timedelta(microseconds=(due_ns - self._start_ns) // 1000)
            self._tick(rates, schedule.number(due_ns), scheduled_at, schedule.next_ns())
            skipped = schedule.skip(self._clock.now_ns())
            slots = {rate.rate_hz: n for rate, n in zip(self._plan.rates, skipped) if n}
            self._counters.skip(slots)
            self._events.skipped(slots)

    def _take_plan(self, schedule: Schedule) -> Schedule:
        """Use the next plan, if there is one; return the schedule to continue with."""
        for plan, metadata, used in self._changes.take():
            following = Schedule(self._start_ns, plan.slots)
            following.continue_from(schedule, self._clock.now_ns())
            plan.continue_from(self._plan)
            self._counters.continue_with(plan.rates, plan.full_poll.ports)
            self._plan, self._metadata, self.id = plan, metadata, uuid4().hex
            self._events.continue_with(plan.full_poll, self.id)
            schedule = following
            used.set_result(None)
        return schedule

    def _tick(
        self, rates: tuple[int, ...], number: int, scheduled_at: datetime, next_ns: int | None
    ) -> None:
        began_ns = self._clock.now_ns()
        left_s = None if next_ns is None else (next_ns - began_ns) / 1e9
        read = self._plan.read(rates, self._stop, left_s)
        self._counters.durations.add(self._clock.now_ns() - began_ns)
        samples = self._plan.in_tick(rates, read, number, scheduled_at)
        self.latest = samples
        self.reads.add(samples)
        for each in self._watching:
            each.offer(samples)
        disconnected = self._counters.count_disconnects(samples)
        self._events.feed(number, samples)
        self._deliver(Batch(samples, self._plan.hz(rates), self._events.take()))
        if disconnected is not None and not self._auto_reconnect:
            raise WatlowConnectionError(
                f"the port of {disconnected!r} was lost and auto_reconnect is off; "
                "check the cable, the adapter and its power"
            )

    def _deliver(self, batch: Batch) -> None:
        has_room = 2 * self._queue.qsize() < self._buffer_size
        dropped = [batch]
        try:
            dropped = put(self._queue, batch, self._overflow)
        finally:
            self._counters.emit(batch)
            for each in dropped:
                self._counters.drop(each)
                self._events.give_back(each.events)
        self._drop_log.note(len(dropped), has_room)


def record(
    source: PollSource | SimplePollSource,
    *,
    parameters: Parameters | Rates,
    rate_hz: float | None = None,
    duration: float | None = None,
    names: str | Iterable[str] | None = None,
    instances: int | Iterable[int] = (1,),
    overflow: OverflowPolicy | str = OverflowPolicy.BLOCK,
    buffer_size: int = 64,
    auto_reconnect: bool = True,
    sensor_check: bool = False,
    show_unit: Unit | str | None = None,
    assembly: bool = False,
    confirm: bool = False,
    metadata: Mapping[str, Any] | None = None,
    events: bool = False,
    alarms: bool | float = False,
    switch_interval: float | None = SWITCH_INTERVAL_S,
    clock: Clock | None = None,
) -> Recording:
    """Return a recording of `source`, for use in a `with` statement.

    All arguments are checked here, before anything is sent.

    Args:
        source: A `Controller`, a `WatlowManager`, or any object with a method
            `poll(parameters, *, names, instances)` that returns samples.
        parameters: Names, aliases or numbers of the parameters to read at each tick. Or a dict
            with the rate of each in Hz, such as `{"process_value": 10.0, "setpoint": 0.2}`,
            with up to 6 different rates: all start together, parameters due at the same time
            are read in one tick, and each batch has the parameters that were due.
        rate_hz: Ticks per second, above 0; left out if `parameters` is a dict.
        duration: Seconds to record; None until the `with` block ends or `stop` is called.
        names: Which of a manager's controllers; None for all.
        instances: Which instances of each parameter.
        overflow: What to do when the consumer does not keep up.
        buffer_size: The number of batches in the queue for the consumer, 1 or more.
        auto_reconnect: Whether to continue when a port is lost: its samples have the status
            "disconnected" until it is back. Otherwise the recording ends with a
            `WatlowConnectionError` after the batch that has these samples. If another
            controller replies afterwards, its samples have the status "other_device"; see
            `Controller.accept_replacement`.
        sensor_check: Whether to read the input error (4002) with each process value. A value
            whose sensor has an error is kept, with the status "sensor_error"; if the input
            error could not be read, "sensor_unknown". Over Modbus one read brings both.
        show_unit: "C" or "F" to convert temperatures, differences and rates to this scale; `raw`
            stays as received, and other values as they are. None for the scale of the wire.
            Nothing checks here that the declared scale is the controller's; `docs/units.md`
            shows how to.
        assembly: Over Modbus, whether to read through the controllers' assemblies; see
            `Controller.assembly`. Needs `confirm=True`.
        confirm: Allows `assembly` to write the controllers' EEPROM.
        metadata: Notes to store with the rows, such as `{"operator": "Kim", "batch": 12}`: texts,
            finite numbers, booleans, None, and lists and dicts of these. `Recording.info` has
            them, together with the controllers and the rates.
        events: Whether `pipe` stores events beside the rows: lost and returned ports and
            controllers, alarms, writes and more; see `docs/events.md` and `read_events`. Notes
            (`Recording.note`) are always stored.
        alarms: How often to read the states of all alarms and limits (9009 to 9012, 12006) of the
            controller's family, in Hz; True for 0.2. These reads are rows as all others. What a
            controller does not have gives no row, and is not requested again. Not for a Series SD.
        switch_interval: The seconds, up to 1, to which `sys.setswitchinterval` is lowered while
            the recording runs, so that a thread that computes does not delay it; with several
            recordings the smallest. None leaves it alone. See `docs/busy_programs.md`.
        clock: Replaces the machine's clock, for tests.

    Returns:
        A `Recording`: iterate over it for one list of `Sample` per tick; see its `summary`. All
        samples of a list have the same `tick` and `scheduled_at`. If a late tick serves slots of
        several rates, these are those of the earliest slot. A value that a slow port delivers
        one tick late has those of the later tick.

    Raises:
        WatlowConfigurationError: An argument is not valid; the message says which.
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
            show_unit=show_unit,
            assembly=assembly,
            confirm=confirm,
            alarms=alarms,
        ),
        overflow=as_enum("overflow", OverflowPolicy, overflow),
        buffer_size=as_int("buffer_size", buffer_size, 1, None, "give 1 or more batches"),
        auto_reconnect=auto_reconnect,
        metadata=as_metadata(metadata),
        events=as_bool("events", events),
        switch_interval_s=as_switch_interval(switch_interval),
        clock=clock or SystemClock(),
    )
