"""Finds the largest set point change of each loop in stored rows, and measures the response."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, TypeAlias

import numpy as np

from watlowlib.sinks.reading.samples import StoredSamples
from watlowlib.views.curves import PROCESS_VALUES, SETPOINTS, split
from watlowlib.views.steps import StepResponse, largest_change, measure

BAND = 0.02
Loop: TypeAlias = "tuple[str, int, str | None]"
"""A device, an instance and a unit: rows of two units are never compared."""


def responses_of(samples: StoredSamples, band: float) -> list[StepResponse]:
    """Return the response of each loop whose set point changes.

    All process values and set points are in memory, 32 bytes for each pair.
    """
    found: dict[Loop, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for table in samples.tables():
        for (device, parameter, instance), rows in split(table):
            if parameter in (PROCESS_VALUES[0], *SETPOINTS):
                fine = np.array([text == "ok" for text in rows.labels])[rows.label_codes]
                for code in np.unique(rows.unit_codes[fine]):
                    at = fine & (rows.unit_codes == code)
                    loop = (device, instance, rows.units[code])
                    found[loop][parameter].append((rows.times[at], rows.values[at]))
    responses = (_response(loop, series, band) for loop, series in found.items())
    return [each for each in responses if each is not None]


def _response(loop: Loop, series: dict[str, list[Any]], band: float) -> StepResponse | None:
    setpoint = next((name for name in SETPOINTS if name in series), None)
    if setpoint is None or PROCESS_VALUES[0] not in series:
        return None
    times, setpoints = _sorted(series[setpoint])
    change = largest_change(times, setpoints)
    if change is None:
        return None
    before, changed, end = change
    value_times, values = _sorted(series[PROCESS_VALUES[0]])
    first = max(0, int(np.searchsorted(value_times, times[before], "right")) - 1)
    last = int(np.searchsorted(value_times, times[end], "right"))
    value_times, values = value_times[first:last], values[first:last]
    if not len(values) or value_times[-1] < times[changed]:
        return None
    start = float(values[0])  # the change is between two rows: take the value before it
    target = float(setpoints[changed])
    old = float(setpoints[before])
    figures: dict[str, Any] = measure(
        (value_times - times[changed]) / 1e6,
        values,
        target,
        start,
        band * abs(target - old),
    )
    return StepResponse(
        *loop, int(times[changed]), int(value_times[-1]), old, target, start, **figures
    )


def _sorted(parts: list[Any]) -> tuple[Any, Any]:
    times, values = (np.concatenate(each) for each in zip(*parts))
    order = np.argsort(times, kind="stable")
    return times[order], values[order]
