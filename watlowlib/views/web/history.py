"""The trend of one series in constant memory: the lowest and highest value of each bucket.

There is one ring of buckets for each window that the page offers: a longer window has longer
buckets, so that every window has about as many as a chart has pixels.
"""

from __future__ import annotations

from collections import deque
from statistics import median

BUCKETS = 360
"""The buckets of each ring."""

WINDOWS = {300: 1, 3600: 10, 28800: 80, 86400: 240}
"""The windows that the page offers and the length of their buckets, in seconds."""

INTERVALS = 9
"""The intervals between points whose median is the period of a series."""

Bucket = list[float | bool | None]
"""Start in seconds, lowest and highest value or None, and whether a read had no value."""


class Ring:
    """The buckets of one window.

    Args:
        step_s: The length of a bucket in seconds.
    """

    def __init__(self, step_s: int) -> None:
        self.step_s = step_s
        self.buckets: deque[Bucket] = deque(maxlen=BUCKETS)

    def add(self, at_s: float, value: float | None) -> None:
        """Add a value at a time, or None for a read without a value; ignore earlier times."""
        start = at_s // self.step_s * self.step_s
        last = self.buckets[-1] if self.buckets else None
        if last is None or start > last[0]:  # type: ignore[operator]
            self.buckets.append([start, value, value, value is None])
        elif start == last[0]:
            if value is None:
                last[3] = True
            elif last[1] is None:
                last[1] = last[2] = value
            else:
                last[1] = min(last[1], value)
                last[2] = max(last[2], value)  # type: ignore[type-var]


class History:
    """The rings of one series, and its period."""

    def __init__(self) -> None:
        self._rings = {window_s: Ring(step_s) for window_s, step_s in WINDOWS.items()}
        self._intervals: deque[float] = deque(maxlen=INTERVALS)
        self._last_s: float | None = None

    @property
    def period_s(self) -> float:
        """The usual time between two points in seconds; 0.0 before there are two."""
        return median(self._intervals) if self._intervals else 0.0

    def add(self, at_s: float, value: float | None) -> None:
        """Add a value at a time in seconds, or None for a read without a value."""
        if self._last_s is not None and at_s > self._last_s:
            self._intervals.append(at_s - self._last_s)
        self._last_s = at_s if self._last_s is None else max(at_s, self._last_s)
        for ring in self._rings.values():
            ring.add(at_s, value)

    def buckets(self, window_s: int) -> list[Bucket]:
        """Return copies of the buckets of a window, the earliest first."""
        return [list(bucket) for bucket in self._rings[window_s].buckets]
