"""Reduces a curve of any length to the points that a picture can show.

Time is divided into columns. A column keeps its first, smallest, largest and last value and its
first and last gap, each at its own time: one spike in millions of values stays visible. The width
of a column in microseconds is a power of two, and columns begin at multiples of it. So two columns
fit exactly into one of twice the width, and rows can be reduced while they are read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

CAPACITY = 50_000
"""The points that an envelope holds before it is reduced."""


def reduced(times: Any, values: Any, width_us: int) -> tuple[Any, Any]:
    """Return the points of a curve that draw the same picture, sorted by time.

    Args:
        times: Microseconds, an array of int64.
        values: An array of floats; NaN is a gap.
        width_us: The width of a column.
    """
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    known = ~np.isnan(values)
    kept = np.zeros(len(times), bool)
    for chosen in (np.flatnonzero(known), np.flatnonzero(~known)):
        column = times[chosen] // width_us
        starts = np.flatnonzero(np.diff(column, prepend=column[:1] - 1))
        kept[chosen[starts]] = True
        kept[chosen[np.append(starts[1:], len(chosen))[: len(starts)] - 1]] = True
    kept[_extremes(times, values, np.flatnonzero(known), width_us)] = True
    return times[kept], values[kept]


def _extremes(times: Any, values: Any, known: Any, width_us: int) -> Any:
    """Return where the first smallest and the first largest value of each column are."""
    if not len(known):
        return known
    values = values[known]
    column = np.unique(times[known] // width_us, return_inverse=True)[1]
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    found = []
    for extreme in (np.minimum, np.maximum):
        at = np.flatnonzero(values == extreme.reduceat(values, starts)[column])
        found.append(at[np.unique(column[at], return_index=True)[1]])
    return known[np.concatenate(found)]


class Envelope:
    """The points of one curve, to which rows are added in any order.

    Args:
        columns: The smallest number of columns for the whole time; there are at most twice as many.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._times: list[Any] = []
        self._values: list[Any] = []
        self._count = 0

    def add(self, times: Any, values: Any) -> None:
        """Add rows: microseconds as int64, and floats; NaN is a gap."""
        self._times.append(times)
        self._values.append(values)
        self._count += len(times)
        if self._count > CAPACITY:
            self._reduce()

    def points(self) -> tuple[Any, Any]:
        """Return the times in microseconds and the values, sorted by time."""
        self._reduce()
        return self._times[0], self._values[0]

    def _reduce(self) -> None:
        times = np.concatenate([np.zeros(0, "int64"), *self._times])
        values = np.concatenate([np.zeros(0), *self._values])
        span_us = int(times.max() - times.min()) if len(times) else 0
        width_us = 1 << max(0, (span_us // self._columns).bit_length() - 1)
        times, values = reduced(times, values, width_us)
        self._times, self._values, self._count = [times], [values], len(times)


def alone(values: Any) -> Any:
    """Return where a value has gaps, or nothing, on both sides: a line would not show it."""
    gap = np.isnan(np.concatenate([[np.nan], values, [np.nan]]))
    return ~gap[1:-1] & gap[:-2] & gap[2:]
