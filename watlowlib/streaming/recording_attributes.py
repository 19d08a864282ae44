"""The state of a running recording, and the events that are added to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from watlowlib._internal.clock import Clock, StepDetector
from watlowlib._internal.log import logger
from watlowlib._internal.process import OneProcess
from watlowlib._version import __version__
from watlowlib.model import AcquisitionSummary, Sample, SinkReport
from watlowlib.model.events import Event, EventKind
from watlowlib.streaming.counters import Counters
from watlowlib.streaming.metadata import RecordingInfo
from watlowlib.streaming.overflow import Watch
from watlowlib.streaming.plan import Plan
from watlowlib.streaming.recording_events import RecordingEvents

log = logger(__name__)


class RecordingAttributes(OneProcess):
    """The attributes of a `Recording`, which any thread may use."""

    id: str
    _plan: Plan
    _metadata: Mapping[str, Any]
    _clock: Clock
    _counters: Counters
    _events: RecordingEvents
    _step_detector: StepDetector
    _start_ns: int
    _watching: list[Watch]

    def note(
        self, text: str, *, device: str | None = None, value: float | str | None = None
    ) -> None:
        """Store an event of the kind `note` in the sinks, such as "door opened".

        Args:
            text: What has happened, in up to 1000 characters.
            device: The name of the controller that it is about; None if it is not about one.
            value: A finite number or a text that belongs to it; None for none.

        Raises:
            WatlowConfigurationError: An argument is not valid.
            WatlowClosedError: The recording has ended.
        """
        self.check_process()
        self._events.note(text, device, value)

    def tell(self, kind: EventKind, text: str) -> None:
        """Add an event that is not about one controller; called by `pipe` and `Rules`."""
        self._events.tell(kind, text)

    def tell_sample(self, sample: Sample, kind: EventKind, text: str, value: float | str) -> None:
        """Add an event that a sample shows; called by `Rules`."""
        self._events.tell_sample(sample, kind, text, value)

    @property
    def recent_events(self) -> list[Event]:
        """The last 100 events, the latest at the end."""
        return self._events.recent()

    def watch(self, size: int) -> Watch:
        """Return a queue that gets the samples of each later tick, before any sink has them.

        While `size` lists wait in it, a new one replaces the oldest: it never delays a tick. It
        is shut down when the recorder ends; shut it down earlier to get no more samples.
        """
        watching = Watch(size)
        self._watching.append(watching)
        return watching

    def note_sinks(self, reports: Sequence[Callable[[], SinkReport]]) -> None:
        """Set the functions that return the sink reports of the summary; called by `pipe`."""
        self._counters.sinks = tuple(reports)

    @property
    def ticks(self) -> int | None:
        """The number of slots of all rates together; None for no end."""
        return self._plan.ticks

    @property
    def info(self) -> RecordingInfo:
        """What is known about the recording now; `pipe` stores it with the rows."""
        return RecordingInfo(
            id=self.id,
            started_at=self._counters.started_at or self._clock.utc(),
            library_version=__version__,
            rates=self._plan.rates,
            controllers=tuple(self._plan.full_poll.controllers),
            metadata=self._metadata,
        )

    @property
    def stats(self) -> Mapping[str, object]:
        """The counters of each controller and port, by name."""
        return self._plan.full_poll.stats

    @property
    def summary(self) -> AcquisitionSummary:
        """The summary so far; after the end the final one."""
        elapsed_ns = self._clock.now_ns() - self._start_ns if self._counters.started_at else 0
        return self._counters.summary(self._clock.utc(), elapsed_ns)

    def _check_wall_clock(self) -> None:
        """Count and log a step of the wall clock since the last check."""
        step_s = self._step_detector.step_s()
        if step_s:
            self._counters.clock_steps += 1
            self._events.tell(
                EventKind.CLOCK_STEP, f"the wall clock went by {step_s:+.1f} s", step_s
            )
            log.warning(
                "the wall clock went %s by %.1f s: it was set, or the machine slept; the times of "
                "later samples have the step, the schedule and duration_s do not",
                "forward" if step_s > 0 else "back",
                abs(step_s),
            )
