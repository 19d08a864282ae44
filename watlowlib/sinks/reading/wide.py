"""A table with a row for each tick and a column for each device, parameter and instance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from watlowlib._internal.log import logger
from watlowlib._internal.optional import import_optional
from watlowlib.sinks.reading.series import Key, Series, microseconds, numbers, numpy, series_of
from watlowlib.sinks.rows import TEXTS

log = logger(__name__)

WIDENED = (
    "device", "parameter", "instance", "value", "unit", "requested_at", "tick", "scheduled_at",
)  # fmt: skip
"""The columns of the rows that `widen` needs."""


def widen(table: Any) -> Any:
    """Return the rows of a pyarrow Table as `StoredSamples.wide` describes.

    Raises:
        WatlowSinkError: A row has no device, parameter or requested_at.
    """
    pd, np = import_optional("pandas"), numpy()
    series = series_of(table)
    names = column_names(series.keys)
    rows, count = _rows(table, series)
    cells = np.full((count, len(names)), np.nan, order="F")
    cells[rows, series.codes] = numbers(table, "value")
    index = pd.DatetimeIndex(_times(table, rows, count), name="time").tz_localize("UTC")
    frame = pd.DataFrame(cells, index, names, copy=False)
    for name, texts in _texts(table, series, rows, names).items():
        frame[name] = frame[name].astype(object)
        frame.isetitem(names.index(name), _filled(frame[name], texts))
    if not index.is_monotonic_increasing:
        frame = frame.sort_index(kind="stable")
    frame.attrs["units"] = _units(table, series, names)
    return frame


def column_names(keys: Sequence[Key]) -> list[str]:
    """Return `oven_top process_value`, with the instance if there are several, for each key."""
    instances = Counter((device, parameter) for device, parameter, _ in keys)
    return [
        f"{device} {parameter} {instance}"
        if instances[device, parameter] > 1
        else f"{device} {parameter}"
        for device, parameter, instance in keys
    ]


def _rows(table: Any, series: Series) -> tuple[Any, int]:
    """Return the row of the result for each row of `table`, and the number of rows."""
    np = numpy()
    ticks = numbers(table, "tick").astype(float)
    scheduled = microseconds(table, "scheduled_at")
    old = np.isnan(ticks) & np.isnat(scheduled)
    rows = np.empty(len(old), "int64")
    rows[old], count = _rows_by_repetition(series.codes[old])
    new = ~old
    found, total = _rows_by_tick(ticks[new], scheduled[new], series.codes[new])
    rows[new] = found + count
    return rows, count + total


def _rows_by_tick(ticks: Any, scheduled: Any, codes: Any) -> tuple[Any, int]:
    """Number the rows by tick and time; several recordings differ in the time.

    Where the time is missing, a recording begins when the tick becomes less. A series that is
    there twice, in spite of that, has two rows.
    """
    pd, np = import_optional("pandas"), numpy()
    if not len(ticks):
        return codes, 0
    missing = np.isnat(scheduled)
    restarts = np.zeros(len(ticks), "int64")
    restarts[1:] = missing[1:] & (ticks[1:] < ticks[:-1])
    keys = pd.DataFrame(
        {"time": scheduled, "tick": ticks, "run": np.where(missing, restarts.cumsum(), 0)}
    )
    rows = keys.groupby(list(keys), sort=False, dropna=False).ngroup().to_numpy()
    cells = pd.Series(rows * (codes.max() + 1) + codes)
    if not cells.is_unique:
        again = cells.groupby(cells).cumcount().to_numpy()
        rows = pd.factorize(rows * (again.max() + 1) + again)[0]
    return rows, int(rows.max()) + 1


def _rows_by_repetition(codes: Any) -> tuple[Any, int]:
    """Number the rows so that each one ends before the first series that it would have twice."""
    np = numpy()
    count = len(codes)
    order = np.argsort(codes, kind="stable")
    again = np.full(count + 1, count)  # where the series of a row is next
    same = codes[order[1:]] == codes[order[:-1]]
    again[order[:-1][same]] = order[1:][same]
    ends = np.minimum.accumulate(again[::-1])[::-1].tolist()
    begins = np.zeros(count, "int64")
    at = 0
    while (at := ends[at]) < count:
        begins[at] = 1
    rows = begins.cumsum()
    return rows, int(rows[-1]) + 1 if count else 0


def _times(table: Any, rows: Any, count: int) -> Any:
    """Return the time of each row: when it was due, or else the first request."""
    np = numpy()
    scheduled = microseconds(table, "scheduled_at")
    times = np.where(np.isnat(scheduled), microseconds(table, "requested_at"), scheduled)
    first = np.full(count, np.iinfo("int64").max)
    np.minimum.at(first, rows, times.astype("int64"))
    return first.astype("datetime64[us]")


def _texts(table: Any, series: Series, rows: Any, names: list[str]) -> dict[str, Any]:
    """Return the texts of each column that has any, by their rows."""
    np, compute = numpy(), import_optional("pyarrow.compute")
    texts = table.column("value" + TEXTS)
    is_text = compute.and_(compute.is_valid(texts), compute.is_null(table.column("value")))
    at = np.flatnonzero(is_text.to_numpy())
    found: dict[str, Any] = {}
    for row, code, text in zip(rows[at], series.codes[at], texts.take(at).to_pylist()):
        found.setdefault(names[code], {})[int(row)] = text
    return found


def _filled(column: Any, texts: dict[int, str]) -> Any:
    cells = column.to_numpy(copy=True)
    cells[list(texts)] = list(texts.values())
    return cells


def _units(table: Any, series: Series, names: list[str]) -> dict[str, str]:
    """Return the unit of each column; not of one whose rows have different units."""
    np, pc = numpy(), import_optional("pyarrow.compute")
    encoded = table.column("unit").dictionary_encode().combine_chunks()
    known = pc.is_valid(encoded).to_numpy(zero_copy_only=False)
    units = encoded.dictionary.to_pylist()
    codes = encoded.indices.fill_null(0).to_numpy()[known]
    pairs = np.unique(np.stack([series.codes[known], codes], axis=1), axis=0).tolist()
    several = {name for name, n in Counter(name for name, _ in pairs).items() if n > 1}
    for at in several:
        log.warning("%s has values in several units; select a part of the time", names[at])
    return {names[at]: units[unit] for at, unit in pairs if at not in several}
