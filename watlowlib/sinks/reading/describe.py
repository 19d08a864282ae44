"""Statistics of the rows of each device, parameter and instance."""

from __future__ import annotations

from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.sinks.reading.series import KEYS, Series, microseconds, numbers, numpy, series_of
from watlowlib.sinks.rows import TEXTS

DESCRIBED = (*KEYS, "value", "requested_at", "status")
"""The columns of the rows that `describe` needs."""


def describe(table: Any) -> Any:
    """Return the statistics of the rows of a pyarrow Table, as in `StoredSamples.describe`.

    Raises:
        WatlowSinkError: A row has no device, parameter or requested_at.
    """
    pd, np = import_optional("pandas"), numpy()
    pc = import_optional("pyarrow.compute")
    series = series_of(table)
    values = numbers(table, "value").astype(float)
    has_text = pc.is_valid(table.column("value" + TEXTS)).to_numpy()
    gap = np.isnan(values) & ~has_text
    times = microseconds(table, "requested_at")
    value_of = pd.Series(values).groupby(series.codes)
    time_of = pd.Series(times).dt.tz_localize("UTC").groupby(series.codes)
    rows = np.bincount(series.codes, minlength=len(series.keys))
    gaps = np.bincount(series.codes[gap], minlength=len(series.keys))
    frame = pd.DataFrame({"rows": rows, "count": rows - gaps, "gaps": gaps})
    frame = frame.join(_gaps_by_status(table, series, gap))
    for name in ("min", "mean", "max"):
        frame[name] = value_of.agg(name)
    frame["longest_gap_s"] = _longest_gaps(times, series, gap)
    frame["first"], frame["last"] = time_of.min(), time_of.max()
    frame.index = (
        pd.MultiIndex.from_tuples(series.keys, names=KEYS)
        if series.keys
        else (pd.MultiIndex.from_arrays([[]] * len(KEYS), names=KEYS))
    )
    return frame


def _gaps_by_status(table: Any, series: Series, gap: Any) -> Any:
    """Return a table with a column for each status of a gap."""
    pd, np = import_optional("pandas"), numpy()
    status = table.column("status").fill_null("").dictionary_encode().combine_chunks()
    names = status.dictionary.to_pylist()
    codes = status.indices.to_numpy()[gap]
    cells = series.codes[gap] * len(names) + codes
    counts = np.bincount(cells, minlength=len(series.keys) * len(names))
    counts = counts.reshape(len(series.keys), len(names))
    found = pd.DataFrame(counts, columns=names).loc[:, counts.any(axis=0)]
    return found.add_prefix("gaps_")


def _longest_gaps(times: Any, series: Series, gap: Any) -> Any:
    """Return the longest time in seconds between two values of each series.

    The first and the last row of a series count as values: a gap there has a length, too.
    """
    np = numpy()
    longest = np.zeros(len(series.keys))
    order = np.lexsort((times, series.codes))
    codes, times, kept = series.codes[order], times[order], ~gap[order]
    kept[:1] = kept[-1:] = True
    ends = np.flatnonzero(codes[1:] != codes[:-1])
    kept[ends] = kept[ends + 1] = True
    codes, times = codes[kept], times[kept]
    steps = (times[1:] - times[:-1]) / np.timedelta64(1, "s")
    same = codes[1:] == codes[:-1]
    np.maximum.at(longest, codes[1:][same], steps[same])
    return longest
