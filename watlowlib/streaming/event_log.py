"""The events of a recording on their way to the sinks; any thread may add some.

The recorder takes them with the next batch. Those of a batch that is dropped come back, and are
in a later batch. At most `LIMIT` wait; of more, only the number is kept.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from watlowlib._internal.clock import Clock
from watlowlib.model.events import Event, EventKind

LIMIT = 1000
LONGEST_TEXT = 1000
"""The characters of a text that are kept."""
RECENT = 100
"""The events kept for `recent`."""


class EventLog:
    """The events that wait; `close` refuses later ones."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # A signal handler may add an event while the thread that it interrupts adds one.
        self._lock = threading.RLock()
        self._waiting: deque[Event] = deque()
        self._lost = 0
        self._closed = False
        self._recent: deque[Event] = deque(maxlen=RECENT)

    def add(self, events: Iterable[Event]) -> bool:
        """Add events; return whether the recording still takes some."""
        with self._lock:
            if not self._closed:
                for event in map(_storable, events):
                    self._recent.append(event)
                    self._keep(event)
            return not self._closed

    def take(self) -> tuple[Event, ...]:
        """Remove and return what waits."""
        with self._lock:
            events = (*self._waiting,)
            self._waiting.clear()
            if self._lost:
                text = f"lost: {self._lost}, because more than {LIMIT} waited for the sinks"
                lost = Event(self._clock.utc(), None, None, EventKind.EVENTS_LOST, text, self._lost)
                events, self._lost = (*events, lost), 0
            return events

    def give_back(self, events: tuple[Event, ...]) -> None:
        """Keep the events of a batch that was dropped, before later ones."""
        with self._lock:
            room = max(0, LIMIT - len(self._waiting))
            self._lost += len(events[room:])
            self._waiting.extendleft(reversed(events[:room]))

    def recent(self) -> list[Event]:
        """Return the last events, the latest at the end."""
        with self._lock:
            return list(self._recent)

    def close(self) -> None:
        """Refuse later events; those that wait can still be taken."""
        with self._lock:
            self._closed = True

    def _keep(self, event: Event) -> None:
        if len(self._waiting) < LIMIT:
            self._waiting.append(event)
        else:
            self._lost += 1


def _storable(event: Event) -> Event:
    """Return `event` as every sink can store it: one that none can store would delay all others.

    No sink stores half of a surrogate pair, PostgreSQL stores no null character, and SQLite stores
    no integer of more than 64 bits and no number of other libraries.
    """
    value = event.value
    if isinstance(value, str):
        value = _plain(value)
    elif value is not None and (type(value) not in (int, float) or abs(value) >= 2**63):
        value = float(value)
    device = None if event.device is None else _plain(event.device)
    return replace(event, device=device, text=_plain(event.text), value=value)


def _plain(text: str) -> str:
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode().replace("\0", "?")
