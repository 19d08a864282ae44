"""Deadlines, the system clock, steps of the wall clock, and a manual clock for tests.

Every wait has a `Deadline`. Every schedule counts integer nanoseconds of `Clock.now_ns`.
The wall clock is only recorded and checked for steps, never used in calculations.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Protocol

_FRACTION = r"\.[0-9]+"

STEP_S = 1.0
"""A larger difference between the wall clock and the monotonic clock is a step."""


def parse_time(text: str) -> datetime:
    """Return an ISO 8601 time, also with the offset Z or a short fraction of a second.

    Raises:
        ValueError: It is not a time.
    """
    if sys.version_info < (3, 11):  # its `fromisoformat` knows neither
        text = text.replace("Z", "+00:00")
        text = re.sub(_FRACTION, lambda found: found[0][:7].ljust(7, "0"), text)
    return datetime.fromisoformat(text)


class Deadline:
    """A point on the monotonic clock by which something must have happened."""

    __slots__ = ("at_s",)

    def __init__(self, at_s: float) -> None:
        self.at_s = at_s

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def left_s(self) -> float:
        """Return the seconds left, never below 0."""
        left = self.at_s - time.monotonic()
        return left if left > 0.0 else 0.0

    def passed(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.at_s


class Ticking(Protocol):
    """A source of monotonic time."""

    def now_ns(self) -> int:
        """Return monotonic nanoseconds from an arbitrary zero."""


class Clock(Ticking, Protocol):
    """The clock of a recorder: monotonic time, wall clock and waiting."""

    def utc(self) -> datetime:
        """Return the wall clock time in UTC."""

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        """Wait until `due_ns`; return True if `stop` was set first."""


class SystemClock:
    """The system's clock."""

    def now_ns(self) -> int:
        """Return `time.monotonic_ns()`."""
        return time.monotonic_ns()

    def utc(self) -> datetime:
        """Return `datetime.now` in UTC."""
        return datetime.now(timezone.utc)

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        """Wait until `due_ns`; return True if `stop` was set first."""
        while not stop.is_set():
            left_ns = due_ns - time.monotonic_ns()
            if left_ns <= 0:
                return False
            # At most an hour at a time: Event.wait overflows on very long waits.
            stop.wait(min(left_ns / 1e9, 3600.0))
        return True


class StepDetector:
    """Finds steps of the wall clock by comparing it with the monotonic clock.

    Args:
        clock: The clock to check.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: tuple[datetime, int] | None = None

    def step_s(self) -> float:
        """Return the step since the last call in seconds, below 0 if back; 0.0 if there is none."""
        before_ns = self._clock.now_ns()
        utc, now_ns = self._clock.utc(), self._clock.now_ns()
        if now_ns - before_ns > STEP_S * 1e9 / 10:
            return 0.0  # the thread was interrupted in between: the next call compares again
        last, self._last = self._last, (utc, now_ns)
        if last is None:
            return 0.0
        step_s = (utc - last[0]).total_seconds() - (now_ns - last[1]) / 1e9
        return step_s if abs(step_s) > STEP_S else 0.0


class ManualClock:
    """A clock that only moves when `advance` is called, for tests and simulations."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns
        self._wall_offset = timedelta(0)
        self._changed = threading.Condition()
        self.waiting = threading.Event()
        """Set while a thread waits for a time in the future."""

    def now_ns(self) -> int:
        """Return the current manual time."""
        return self._now_ns

    def utc(self) -> datetime:
        """Return the current manual time, counted from 1970, plus the steps of `step_wall`."""
        return datetime.fromtimestamp(self._now_ns / 1e9, timezone.utc) + self._wall_offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward and wake the waiting threads."""
        with self._changed:
            self._now_ns += round(seconds * 1e9)
            self.waiting.clear()
            self._changed.notify_all()

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back if below 0; the monotonic time stays."""
        self._wall_offset += timedelta(seconds=seconds)

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        """Wait until the clock reaches `due_ns`; return True if `stop` was set first."""
        with self._changed:
            while self._now_ns < due_ns and not stop.is_set():
                self.waiting.set()
                # Setting `stop` does not notify this condition, so check it periodically.
                self._changed.wait(0.01)
            return stop.is_set()
