"""The events of one recording: from its samples, from its controllers and from the user."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from watlowlib._internal.clock import Clock
from watlowlib._internal.validation import finite_or_none, shown
from watlowlib.devices.poll import Poll
from watlowlib.errors import WatlowClosedError, WatlowConfigurationError
from watlowlib.model import Sample
from watlowlib.model.events import Event, EventKind
from watlowlib.streaming.event_detector import EventDetector
from watlowlib.streaming.event_log import LONGEST_TEXT, EventLog

SKIPPED_NS = 60 * 10**9
"""The shortest time between two events about skipped slots: a slow line may skip some each tick."""


class RecordingEvents(EventLog):
    """The event log of a recording.

    Args:
        clock: The clock of the recording.
        poll: The poll of all its parameters.
        automatic: Whether to keep events other than notes of the user.
    """

    def __init__(self, clock: Clock, poll: Poll, *, automatic: bool) -> None:
        super().__init__(clock)
        self._automatic = automatic
        self._poll = poll
        self._detector = EventDetector(poll.ports)
        self._tick: int | None = None
        self._skipped: Counter[float] = Counter()
        """The skipped slots of each rate that are in no event yet."""
        self._skipped_told_ns: int | None = None

    def listen(self) -> None:
        """Add the events that the controllers report, until `stopped`."""
        self._poll.listen(self._add_event)

    def stopped(self, error: BaseException | None, *, early: bool) -> None:
        """Note the end and refuse later events."""
        self._poll.unlisten(self._add_event)
        self._tell_skipped()
        why = "it was stopped" if early else "the duration is over"
        self.tell(EventKind.RECORDING_STOPPED, why if error is None else str(error) or repr(error))
        self.close()

    def continue_with(self, poll: Poll, recording_id: str) -> None:
        """Use another poll from now on; the recording has this ID now."""
        self._tell_skipped()
        self.tell(EventKind.PLAN_CHANGED, recording_id)
        self._poll.unlisten(self._add_event)
        self._poll, self._detector.ports = poll, poll.ports
        poll.listen(self._add_event)

    def feed(self, tick: int, samples: Sequence[Sample]) -> None:
        """Add the events that the samples of a tick show."""
        self._tick = tick
        if self._automatic:
            self.add(self._detector.feed(samples))

    def tell_sample(self, sample: Sample, kind: EventKind, text: str, value: float | str) -> None:
        """Add an event that a sample shows."""
        if self._automatic:
            self.add([Event(sample.received_at, sample.tick, sample.device, kind, text, value)])

    def skipped(self, slots: Mapping[float, int]) -> None:
        """Add an event about skipped slots by rate; of many within `SKIPPED_NS` there is one."""
        self._skipped.update(slots)
        told_ns = self._skipped_told_ns
        if told_ns is None or self._clock.now_ns() - told_ns >= SKIPPED_NS:
            self._tell_skipped()

    def _tell_skipped(self) -> None:
        if self._skipped:
            text = ", ".join(f"{count} of {hz:g} Hz" for hz, count in self._skipped.items())
            self.tell(EventKind.SLOTS_SKIPPED, text, self._skipped.total())
            self._skipped.clear()
            self._skipped_told_ns = self._clock.now_ns()

    def tell(self, kind: EventKind, text: str, value: float | None = None) -> None:
        """Add an event that is not about one controller."""
        self._add_event(None, kind, text, value)

    def note(self, text: str, device: str | None, value: float | str | None) -> None:
        """Add a note of the user; see `Recording.note`."""
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TEXT:
            raise WatlowConfigurationError(
                f"text={shown(text)}: give a text of 1 to {LONGEST_TEXT} characters"
            )
        if device is not None and not (isinstance(device, str) and len(device) <= LONGEST_TEXT):
            raise WatlowConfigurationError(f"device={shown(device)}: give a controller's name")
        short = isinstance(value, str) and len(value) <= LONGEST_TEXT
        if not (value is None or short or finite_or_none(value) is not None):
            raise WatlowConfigurationError(
                f"value={shown(value)}: give a finite number or a text of up to {LONGEST_TEXT} "
                "characters"
            )
        if not self.add(
            [Event(self._clock.utc(), self._tick, device, EventKind.NOTE, text, value)]
        ):
            raise WatlowClosedError("the recording has ended; notes are stored while it runs")

    def _add_event(
        self, device: str | None, kind: EventKind, text: str, value: float | int | str | None
    ) -> None:
        if self._automatic:
            self.add([Event(self._clock.utc(), self._tick, device, kind, text, value)])
