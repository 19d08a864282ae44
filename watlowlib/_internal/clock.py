"""Time: a monotonic clock that can be turned by hand, and deadlines.

Everything that waits, waits for a `Deadline`; everything that is scheduled is
scheduled in integer nanoseconds of `Clock.now_ns`. The wall clock is only ever
written down, never computed with.
"""

from __future__ import annotations

import threading
import time
from datetime import datetime, timezone
from typing import Protocol


class Deadline:
    """A point on the monotonic clock by which something must have happened."""

    __slots__ = ("at_s",)

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """The deadline `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def left_s(self) -> float:
        """Seconds left, never below 0."""
        left = self.at_s - time.monotonic()
        return left if left > 0.0 else 0.0

    def passed(self) -> bool:
        """Whether it is too late."""
        return time.monotonic() >= self.at_s


class Ticking(Protocol):
    """Something that tells how much time has passed."""

    def now_ns(self) -> int:
        """Monotonic nanoseconds from an arbitrary zero."""


class Clock(Ticking, Protocol):
    """What a recorder needs of time."""

    def utc(self) -> datetime:
        """The wall clock, in UTC."""

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        """Wait for `due_ns`; True when `stop` was set first."""


class SystemClock:
    """The machine's own clock."""

    def now_ns(self) -> int:
        """Nanoseconds of `time.monotonic_ns`."""
        return time.monotonic_ns()

    def utc(self) -> datetime:
        """`datetime.now` in UTC."""
        return datetime.now(timezone.utc)

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        """Wait on `stop` until `due_ns`; True when it was set."""
        while not stop.is_set():
            left_ns = due_ns - time.monotonic_ns()
            if left_ns <= 0:
                return False
            # An hour at a time: Event.wait overflows on waits of centuries.
            stop.wait(min(left_ns / 1e9, 3600.0))
        return True


class ManualClock:
    """A clock that stands still until `advance` turns it, for tests and simulations."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._turned = threading.Condition()
        self.waiting = threading.Event()
        """Set while somebody waits for a time that has not come."""

    def now_ns(self) -> int:
        """The time it was turned to."""
        return self._now_ns

    def utc(self) -> datetime:
        """The time it was turned to, counted from 1970."""
        return datetime.fromtimestamp(self._now_ns / 1e9, timezone.utc)

    def advance(self, seconds: float) -> None:
        """Turn the clock forward and wake whoever waits for it."""
        with self._turned:
            self._now_ns += round(seconds * 1e9)
            self.waiting.clear()
            self._turned.notify_all()

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        """Wait until the clock is turned to `due_ns`; True when `stop` was set first."""
        with self._turned:
            while self._now_ns < due_ns and not stop.is_set():
                self.waiting.set()
                # `stop` is set without our condition: look at it now and then.
                self._turned.wait(0.01)
            return stop.is_set()
