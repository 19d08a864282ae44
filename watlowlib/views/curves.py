"""Reads stored rows into curves and intervals, in little memory however many rows there are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np

from watlowlib.model import Sample
from watlowlib.registry.parameters import PARAMETERS, SD_PARAMETERS, Kind
from watlowlib.sinks.parquet.arrow import arrow
from watlowlib.sinks.reading.samples import StoredSamples
from watlowlib.sinks.reading.tables import conform
from watlowlib.sinks.rows import COLUMN_TYPES, TEXTS
from watlowlib.views.envelope import Envelope
from watlowlib.views.shades import Intervals, Pauses, Runs, Shade

PROCESS_VALUES = ("process_value", "filtered_process_value")
SETPOINTS = ("setpoint", "setpoint_active")
OUTPUTS = ("output_power", "heat_power", "cool_power")
ALARMS: dict[str, dict[int, str]] = {
    "alarm_state": {7: "alarm high", 8: "alarm low", 28: "alarm error"},
    "alarm_low_1_status": {1: "alarm low"},
    "alarm_high_1_status": {1: "alarm high"},
    "alarm_low_2_status": {1: "alarm low 2"},
    "alarm_high_2_status": {1: "alarm high 2"},
    "alarm_low_3_status": {1: "alarm low 3"},
    "alarm_high_3_status": {1: "alarm high 3"},
}
"""The texts of the codes with which an alarm is on: 9009, and the registers of a Series SD."""

DRAWN = (*PROCESS_VALUES, *SETPOINTS, *OUTPUTS)
"""The parameters that are drawn unless others are asked for."""

T = TypeVar("T")

COLUMNS = ("device", "parameter", "instance", "value", "unit", "requested_at", "status")
NO_VALUE, NO_ROWS = "no value", "no rows"

LARGEST_VALUE = 1e100
"""A value that is not smaller, such as infinity, is a gap: axes cannot show it."""

TIMES_US = (0, 253_370_764_800_000_000)
"""The times that are drawn, 1970 to 9998 in microseconds: others have no local time everywhere."""

Key: TypeAlias = "tuple[str, str, int]"
"""A device, a parameter and an instance."""


@dataclass(frozen=True)
class Curve:
    """The values of one parameter of one controller, in one unit.

    Attributes:
        device: The controller.
        parameter: The parameter as it was recorded.
        instance: Its instance, from 1.
        unit: The unit; None if it is not known.
        times: Microseconds since 1970, sorted, as an array of int64.
        values: An array of floats; NaN is a gap.
    """

    device: str
    parameter: str
    instance: int
    unit: str | None
    times: Any
    values: Any

    @property
    def label(self) -> str:
        """The parameter, with the instance if it is not 1."""
        return label_of(self.parameter, self.instance)


@dataclass
class Stored:
    """What was read; times are microseconds since 1970.

    Attributes:
        curves: The curves; a parameter of which all reads failed has none.
        shades: The intervals to shade.
        devices: The devices that have rows.
        parameters: The parameters that have rows.
        begin_us: The first time.
        end_us: The last time.
    """

    curves: list[Curve]
    shades: list[Shade]
    devices: list[str]
    parameters: list[str]
    begin_us: int
    end_us: int

    @property
    def drawable(self) -> bool:
        """Whether there is a parameter besides alarms."""
        return bool(set(self.parameters) - set(ALARMS))


def named(text: str, instance: int) -> str:
    """Return `text`, with the instance if it is not 1."""
    return text if instance == 1 else f"{text} {instance}"


def label_of(parameter: str, instance: int) -> str:
    """Return the text of a curve in the legend."""
    return named(parameter.replace("_", " "), instance)


def kind_of(parameter: str) -> Kind | None:
    """Return the kind of a parameter; None if it is not one of a controller."""
    for registry in (PARAMETERS, SD_PARAMETERS):
        try:
            return registry.resolve(parameter).kind
        except LookupError:
            continue
    return None


@dataclass
class _Track:
    """The state of one device, parameter and instance while its rows are read."""

    by_unit: dict[str | None, Envelope] = field(default_factory=dict)
    gaps: Runs = field(default_factory=Runs)
    alarms: Runs = field(default_factory=Runs)
    pauses: Pauses = field(default_factory=Pauses)


class CurveReader:
    """Collects the curves and shades of tables of rows.

    Args:
        columns: The columns of the picture, in pixels.
    """

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._tracks: dict[Key, _Track] = {}
        self._labels = {"ok": 0}
        self._intervals: dict[tuple[str, str, str | None], Intervals] = {}
        self._range_us: tuple[int, int] | None = None

    def add(self, table: Any) -> None:
        """Add the rows of a pyarrow Table with the columns `COLUMNS`."""
        for key, rows in split(table):
            self.add_rows(key, rows)

    def add_rows(self, key: Key, rows: Rows) -> None:
        """Add rows of one series."""
        track = self._tracks.setdefault(key, _Track())
        parameter = key[1]
        first, last = int(rows.times.min()), int(rows.times.max())
        begin, end = self._range_us or (first, last)
        self._range_us = min(begin, first), max(end, last)
        codes = np.array([self._labels.setdefault(text, len(self._labels)) for text in rows.labels])
        gaps = codes[rows.label_codes]
        self._shade(key, track.gaps.add(rows.times, gaps))
        paused = track.pauses.add(rows.times)
        self._shade(key, [(self._labels.setdefault(NO_ROWS, len(self._labels)), *paused)])
        if parameter in ALARMS:
            on = np.where(
                (gaps == 0) & np.isin(rows.values, list(ALARMS[parameter])), rows.values, 0
            )
            found = track.alarms.add(rows.times, on.astype("int64"))
            self._shade_alarms(key, found)
            return
        values = np.where(gaps == 0, rows.values, np.nan)
        for code in np.unique(rows.unit_codes[gaps == 0]):
            track.by_unit.setdefault(rows.units[code], Envelope(self._columns))
        for unit, envelope in track.by_unit.items():
            same = rows.unit_codes == (rows.units.index(unit) if unit in rows.units else -1)
            envelope.add(rows.times, np.where(same, values, np.nan))
            envelope.add((paused[0] + paused[1]) // 2, np.full(len(paused[0]), np.nan))

    def _shade(self, key: Key, found: Iterable[tuple[int, Any, Any]]) -> None:
        texts = list(self._labels)
        for code, *ends in found:
            self._intervals_of(key[0], texts[code], label_of(*key[1:])).add(*ends)

    def _shade_alarms(self, key: Key, found: Iterable[tuple[int, Any, Any]]) -> None:
        device, parameter, instance = key
        for code, *ends in found:
            label = named(ALARMS[parameter][code], instance)
            self._intervals_of(device, label, None).add(*ends)

    def _intervals_of(self, device: str, label: str, curve: str | None) -> Intervals:
        return self._intervals.setdefault((device, label, curve), Intervals(self._columns))

    def finish(self) -> Stored:
        """Return what was read so far; more may be added."""
        for key, track in self._tracks.items():
            self._shade(key, track.gaps.finish())
            self._shade_alarms(key, track.alarms.finish())
        begin_us, end_us = self._range_us or (0, 0)
        curves = [
            Curve(*key, unit, *envelope.points())
            for key, track in self._tracks.items()
            for unit, envelope in track.by_unit.items()
        ]
        distance_us = (end_us - begin_us) // self._columns
        shades = [
            Shade(label, *intervals.intervals(distance_us), device, curve, curve is None)
            for (device, label, curve), intervals in self._intervals.items()
        ]
        shades = [each for each in shades if len(each.begins)]
        devices = list(dict.fromkeys(device for device, _, _ in self._tracks))
        parameters = list(dict.fromkeys(parameter for _, parameter, _ in self._tracks))
        return Stored(curves, shades, devices, parameters, begin_us, end_us)


def read_curves(samples: StoredSamples, columns: int) -> Stored:
    """Return the curves and shades of `samples`, for a picture of `columns` pixels."""
    reader = CurveReader(columns)
    for table in samples.tables():
        reader.add(table)
    return reader.finish()


@dataclass(frozen=True)
class Rows:
    """The rows of one series: times in microseconds, values, and texts with a code for each row."""

    times: Any
    values: Any
    units: list[str | None]
    unit_codes: Any
    labels: list[str]
    label_codes: Any


def rows_of(samples: Iterable[Sample]) -> dict[Key, Rows]:
    """Return the rows of samples for each device, parameter and instance; texts are left out.

    The time is the one when the tick was due: steps of the wall clock do not change it.
    """
    found: dict[Key, list[Sample]] = {}
    for each in samples:
        if not isinstance(each.value, (str, tuple)):
            found.setdefault((each.device, each.parameter, each.instance), []).append(each)
    return {key: _rows(each) for key, each in found.items()}


def _rows(samples: list[Sample]) -> Rows:
    times = [each.scheduled_at or each.requested_at for each in samples]
    values: list[Any] = [math.nan if each.value is None else each.value for each in samples]
    units, unit_codes = _coded([each.unit and str(each.unit) for each in samples])
    statuses = [each.status for each in samples]
    labels, label_codes = _coded(
        [
            NO_VALUE if status == "ok" and math.isnan(value) else status
            for status, value in zip(statuses, values)
        ]
    )
    return Rows(
        np.array([round(each.timestamp() * 1e6) for each in times], "int64"),
        np.array(values, float),
        units,
        unit_codes,
        labels,
        label_codes,
    )


def _coded(cells: list[T]) -> tuple[list[T], Any]:
    """Return the different cells, and the place of each cell among them."""
    places = {cell: place for place, cell in enumerate(dict.fromkeys(cells))}
    return list(places), np.array([places[cell] for cell in cells], "int64")


def split(table: Any) -> list[tuple[Key, Rows]]:
    """Return the rows of a table for each device, parameter and instance.

    Rows without one of these or without a time in `TIMES_US`, and rows with a text, are left
    out. The label of a row without a value, or whose status is not "ok", is the status.
    """
    if not table.num_rows:
        return []
    numbers = conform(table, {name: COLUMN_TYPES[name] for name in ("requested_at", "value")})
    times = numbers.column("requested_at").cast(arrow().timestamp("us")).to_numpy()
    values = numbers.column("value").to_numpy().astype(float)
    values[~(np.abs(values) < LARGEST_VALUE)] = np.nan
    (devices, device), (parameters, parameter), (instances, instance), (units, unit) = (
        _encoded(table, name) for name in ("device", "parameter", "instance", "unit")
    )
    labels, label = _labels(table, values)
    usable = ~np.isnat(times) & numbers.column("value" + TEXTS).is_null().to_numpy()
    usable |= ~np.isnat(times) & ~np.isnan(values)  # an integer is also a text
    usable &= (device < len(devices) - 1) & (parameter < len(parameters) - 1)
    times = times.astype("int64")
    usable &= (times >= TIMES_US[0]) & (times < TIMES_US[1])
    key = (device * len(parameters) + parameter) * len(instances) + instance
    order = np.argsort(key.astype("uint16") if key.max() < 1 << 16 else key, kind="stable")
    order = order[usable[order]]
    parts = np.split(order, np.flatnonzero(np.diff(key[order])) + 1) if len(order) else []
    return [
        (
            (devices[device[at[0]]], parameters[parameter[at[0]]], instances[instance[at[0]]] or 1),
            Rows(times[at], values[at], units, unit[at], labels, label[at]),
        )
        for at in parts
    ]


def _encoded(table: Any, name: str) -> tuple[list[Any], Any]:
    """Return the different cells of a column, None as the last, and the place of each row's."""
    pa = arrow()
    if name not in table.column_names:
        return [None], np.zeros(table.num_rows, "int64")
    column = table.column(name)
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    column = column.unify_dictionaries().combine_chunks()
    cells = [*column.dictionary.to_pylist(), None]
    codes = column.indices.cast(pa.int64()).fill_null(len(cells) - 1)
    return cells, codes.to_numpy(zero_copy_only=False)


def _labels(table: Any, values: Any) -> tuple[list[str], Any]:
    """Return the labels, and the number of each row's: "ok", or why it has no valid value."""
    statuses, codes = _encoded(table, "status")
    labels = [text or "ok" for text in statuses] + [NO_VALUE]
    fine = np.array([text == "ok" for text in labels])
    return labels, np.where(fine[codes] & np.isnan(values), len(labels) - 1, codes)
