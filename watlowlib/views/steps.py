"""Measures how a process value follows a change of its set point."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

RISE = (0.1, 0.9)
TAIL = 0.1
"""The last part of the time, whose mean is the steady value."""


@dataclass(frozen=True)
class StepResponse:
    """The response of a process value to a change of its set point; see `watlowlib.views`.

    Times are in seconds after the change. A figure that the recording does not show is None.

    Attributes:
        device: The controller.
        instance: The loop.
        unit: The unit of the values; None if it is not known.
        changed_us: The time of the change, in microseconds since 1970: the first row with the new
            set point.
        end_us: The time of the next change, or of the last row.
        before: The set point before the change.
        setpoint: The set point after it.
        start: The process value at the change.
        rise_begin_s: When the process value has gone 10 % of the way from `start` to `setpoint`.
        rise_end_s: When it has gone 90 %.
        overshoot: How far it went beyond the set point, in the unit of the values; 0 if it did not.
        peak_s: When it was farthest beyond the set point; None if it was not beyond it.
        band: The half width of the band around the set point, in the unit of the values.
        settled_s: From when on it stayed in the band until the end of the response.
        steady_deviation: The mean of the last tenth of the time, minus the set point; None if
            the values there differ by more than the width of the band.
    """

    device: str
    instance: int
    unit: str | None
    changed_us: int
    end_us: int
    before: float
    setpoint: float
    start: float
    rise_begin_s: float | None
    rise_end_s: float | None
    overshoot: float
    peak_s: float | None
    band: float
    settled_s: float | None
    steady_deviation: float | None

    @property
    def rise_s(self) -> float | None:
        """The time from 10 % to 90 % of the way."""
        if self.rise_begin_s is None or self.rise_end_s is None:
            return None
        return self.rise_end_s - self.rise_begin_s

    @property
    def overshoot_percent(self) -> float:
        """The overshoot in percent of the way from `start` to `setpoint`."""
        way = abs(self.setpoint - self.start)
        return 100.0 * self.overshoot / way if way else 0.0

    @property
    def rising(self) -> bool:
        """Whether the process value must rise to the new set point."""
        return self.setpoint >= self.start

    @property
    def peak(self) -> float:
        """The process value that was farthest beyond the set point."""
        return self.setpoint + (self.overshoot if self.rising else -self.overshoot)

    @property
    def changed_at(self) -> datetime:
        """The time of the change, in the zone of this computer."""
        return datetime.fromtimestamp(self.changed_us / 1e6).astimezone()

    @property
    def text(self) -> str:
        """The figures as one line."""
        unit = f" {self.unit}" if self.unit else ""
        parts = [
            f"set point {self.before:g} to {self.setpoint:g}{unit}",
            f"rise {self.rise_s:.1f} s" if self.rise_s is not None else "rise not complete",
            f"overshoot {self.overshoot:.2f}{unit} ({self.overshoot_percent:.1f} %)",
            f"settled after {self.settled_s:.1f} s"
            if self.settled_s is not None
            else "not settled",
            f"steady deviation {round(self.steady_deviation, 2) + 0.0:+.2f}{unit}"
            if self.steady_deviation is not None
            else "not steady",
        ]
        return ", ".join(parts)


def largest_change(times: Any, setpoints: Any) -> tuple[int, int, int] | None:
    """Return where the set point changes most, and where the next change or the end is.

    Of equal changes it is the last. NaN is a gap.

    Returns:
        The places before the change, of the new set point, and of the last row before the next
        change; None if the set point does not change.
    """
    known = np.flatnonzero(~np.isnan(setpoints))
    changes = np.diff(setpoints[known])
    at = np.flatnonzero(changes)
    if not len(at):
        return None
    sizes = np.abs(changes[at])
    chosen = int(np.flatnonzero(sizes == sizes.max())[-1])
    end = known[at[chosen + 1]] if chosen + 1 < len(at) else len(times) - 1
    return int(known[at[chosen]]), int(known[at[chosen] + 1]), int(end)


def measure(
    times_s: Any, values: Any, target: float, start: float, band: float
) -> dict[str, float | None]:
    """Return the figures of a step response.

    Args:
        times_s: Seconds after the change, sorted; a first row may be before it.
        values: The process values, without NaN, at least one.
        target: The new set point.
        start: The process value at the change.
        band: Half the width of the band, in the unit of the values.

    Returns:
        The attributes of `StepResponse` from `rise_begin_s` to `steady_deviation`.
    """
    way = (target - start) or 1.0
    beyond = np.sign(way) * (values - target)
    peak = int(np.argmax(beyond))
    outside = np.flatnonzero(np.abs(values - target) > band)
    tail = values[times_s >= (1.0 - TAIL) * times_s[-1]]
    steady = tail.max() - tail.min() <= 2.0 * band
    return {
        "rise_begin_s": _first_s(times_s, (values - start) / way, RISE[0]),
        "rise_end_s": _first_s(times_s, (values - start) / way, RISE[1]),
        "overshoot": max(0.0, float(beyond[peak])),
        "peak_s": float(times_s[peak]) if beyond[peak] > 0.0 else None,
        "band": band,
        "settled_s": _settled_s(times_s, np.abs(values - target), band, outside),
        "steady_deviation": float(tail.mean() - target) if steady else None,
    }


def _first_s(times_s: Any, parts: Any, level: float) -> float | None:
    """Return when `parts` first reaches `level`, between two rows by a straight line."""
    at = np.flatnonzero(parts >= level)
    if not len(at):
        return None
    return _crossing_s(times_s, parts, int(at[0]), level)


def _settled_s(times_s: Any, distances: Any, band: float, outside: Any) -> float | None:
    if not len(outside):
        return 0.0
    last = int(outside[-1])
    if last == len(times_s) - 1:
        return None
    return _crossing_s(times_s, distances, last + 1, band)


def _crossing_s(times_s: Any, values: Any, at: int, level: float) -> float:
    """Return when a straight line from row `at` - 1 to row `at` is at `level`."""
    if at == 0:
        return float(times_s[0])
    before, after = float(values[at - 1]), float(values[at])
    part = (level - before) / (after - before)
    return float(times_s[at - 1] + part * (times_s[at] - times_s[at - 1]))
