"""Intervals of time that a plot shades: gaps with their reason, and alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

LIMIT = 20_000
"""The intervals of one label that are kept before near ones are joined."""

PAUSE_FACTOR = 10
"""A time between two rows is a pause if it is this many times longer than both neighbours."""


@dataclass(frozen=True)
class Shade:
    """Intervals with the same meaning.

    Attributes:
        label: The text in the legend.
        begins: The begin of each interval, in microseconds since 1970, as an array of int64.
        ends: The ends, as `begins`.
        device: The controller; None for all.
        curve: The label of the curve with the gaps; None to shade all of the controller.
        alarm: Whether the intervals are alarms, which are drawn in other colours than gaps.
    """

    label: str
    begins: Any
    ends: Any
    device: str | None = None
    curve: str | None = None
    alarm: bool = False


def joined(begins: Any, ends: Any, distance_us: int) -> tuple[Any, Any]:
    """Return the union of intervals, in which those nearer than `distance_us` are joined."""
    order = np.argsort(begins, kind="stable")
    begins, ends = begins[order], np.maximum.accumulate(ends[order])
    first = np.ones(len(begins), bool)
    first[1:] = begins[1:] > ends[:-1] + distance_us
    last = np.append(first[1:], True)[: len(first)]
    return begins[first], ends[last]


def united(shades: Sequence[Shade]) -> Shade:
    """Return one Shade with the intervals of several that have the same label."""
    begins, ends = (
        np.concatenate([getattr(each, name) for each in shades]) for name in ("begins", "ends")
    )
    begins, ends = joined(begins, ends, 0)
    return replace(shades[0], begins=begins, ends=ends)


class Intervals:
    """The intervals of one label, at most `LIMIT` after each call.

    Args:
        columns: The number of columns of the picture; shorter distances may be joined.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._begins = self._ends = np.zeros(0, "int64")

    def add(self, begins: Any, ends: Any) -> None:
        """Add intervals in microseconds; those that end before they begin are left out."""
        right = ends >= begins
        self._begins = np.concatenate([self._begins, begins[right]])
        self._ends = np.concatenate([self._ends, ends[right]])
        distance_us = 0
        while len(self._begins) > LIMIT:
            self._begins, self._ends = joined(self._begins, self._ends, distance_us)
            span_us = int(self._ends.max() - self._begins.min())
            distance_us = max(2 * distance_us, span_us // self._columns, 1)

    def intervals(self, distance_us: int) -> tuple[Any, Any]:
        """Return the begins and ends, in which those nearer than `distance_us` are joined."""
        return joined(self._begins, self._ends, distance_us)


class Runs:
    """Finds the intervals in which rows have the same code; an interval ends at the next row."""

    def __init__(self) -> None:
        self._code = self._begin_us = self._last_us = 0

    def add(self, times: Any, codes: Any) -> list[tuple[int, Any, Any]]:
        """Return the code, begins and ends of the intervals that have ended; code 0 has none."""
        starts = np.flatnonzero(np.diff(codes, prepend=self._code))
        self._last_us = int(times[-1])
        if not len(starts):
            return []
        found = np.append(self._code, codes[starts])
        begins = np.append(self._begin_us, times[starts])
        self._code, self._begin_us = int(found[-1]), int(begins[-1])
        found, begins, ends = found[:-1], begins[:-1], begins[1:]
        return [(code, begins[found == code], ends[found == code]) for code in set(found) - {0}]

    def finish(self) -> list[tuple[int, Any, Any]]:
        """Return the interval that lasts until the last row, if there is one."""
        if not self._code:
            return []
        return [(self._code, np.array([self._begin_us]), np.array([self._last_us]))]


class Pauses:
    """Finds the intervals without rows, such as those between two recordings.

    A time between two rows is compared with the one before and the one after it: a lower rate is
    no pause.
    """

    def __init__(self) -> None:
        self._times = np.zeros(0, "int64")

    def add(self, times: Any) -> tuple[Any, Any]:
        """Return the begins and ends of the pauses up to the last row but one."""
        times = np.concatenate([self._times, times])
        self._times = times[-3:]
        steps = np.diff(times)
        near = np.maximum(steps[:-2], steps[2:])
        at = np.flatnonzero(steps[1:-1] > PAUSE_FACTOR * np.maximum(near, 1)) + 1
        return times[at], times[at + 1]
