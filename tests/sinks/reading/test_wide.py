"""`wide()` and `describe()`: one row a tick, and statistics of each series."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.samples import START
from watlowlib import WatlowSinkError, open_sink, read_samples

pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")

COLUMNS = [
    "device", "parameter", "instance", "value", "unit", "requested_at", "status",
]  # fmt: skip
MS = timedelta(milliseconds=1)


def row(device: str, value: Any, at: datetime, **cells: Any) -> dict[str, Any]:
    status = "timeout" if value is None else "ok"
    basic = dict(zip(COLUMNS, [device, "process_value", 1, value, "C", at, status]))
    return {**basic, **cells}


def store(path: Path, *rows: dict[str, Any]) -> Path:
    with open_sink(path) as sink:
        sink.write_many(rows)
    return path


def recording(start: datetime, ticks: int, **cells: Any) -> Iterator[dict[str, Any]]:
    """Rows of two ovens, with ticks 100 ms apart."""
    for tick in range(ticks):
        at = start + tick * 100 * MS
        for n, device in enumerate(("oven_top", "oven_bot")):
            asked = at + (n + 1) * MS
            yield row(device, tick + n / 2, asked, tick=tick, scheduled_at=at, **cells)


@pytest.fixture(params=["csv", "jsonl", "sqlite", "parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"run.{request.param}"


def test_wide_has_a_row_for_each_tick(path: Path) -> None:
    frame = read_samples(store(path, *recording(START, 3))).wide()
    assert list(frame.columns) == ["oven_top process_value", "oven_bot process_value"]
    assert frame.to_numpy().tolist() == [[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]]
    assert frame.index.name == "time"
    assert list(frame.index) == [START + n * 100 * MS for n in range(3)]
    assert frame.attrs["units"] == dict.fromkeys(frame.columns, "C")


def test_recordings_in_one_file_are_not_merged(path: Path) -> None:
    second = START + timedelta(hours=1)
    rows = [*recording(START, 3), *recording(second, 2)]
    rows.remove(rows[3])  # tick 1 of the first recording lacks oven_bot
    frame = read_samples(store(path, *rows)).wide()
    assert [when.hour for when in frame.index] == [12, 12, 12, 13, 13]
    assert math.isnan(frame["oven_bot process_value"].iloc[1])


def test_recordings_without_times_of_ticks_are_not_merged(tmp_path: Path) -> None:
    rows = [
        row("a", 0.0, START, tick=0, scheduled_at=None),
        row("a", 1.0, START + MS, tick=1, scheduled_at=None),
        row("b", 2.0, START + 2 * MS, tick=0, scheduled_at=None),
        row("b", 3.0, START + 3 * MS, tick=1, scheduled_at=None),
    ]
    frame = read_samples(store(tmp_path / "run.sqlite", *rows)).wide()
    assert len(frame) == 4
    assert list(frame.index) == [START + n * MS for n in range(4)]


def test_the_same_tick_twice_has_two_rows(tmp_path: Path) -> None:
    rows = [*recording(START, 2)] * 2
    assert len(read_samples(store(tmp_path / "run.sqlite", *rows)).wide()) == 4


def test_without_ticks_a_row_ends_where_a_series_repeats(path: Path) -> None:
    values = [("a", 1.0), ("b", 2.0), ("a", 3.0), ("a", 4.0), ("b", 5.0), ("c", 6.0), ("b", 7.0)]
    rows = [row(device, value, START + n * MS) for n, (device, value) in enumerate(values)]
    frame = read_samples(store(path, *rows)).wide().fillna(0.0)
    assert frame.to_numpy().tolist() == [[1, 2, 0], [3, 0, 0], [4, 5, 6], [0, 7, 0]]
    assert list(frame.index) == [START + n * MS for n in (0, 2, 3, 6)]


def test_rows_with_and_without_ticks_are_both_there(tmp_path: Path) -> None:
    store(tmp_path / "run-1.csv", row("oven_top", 9.0, START - timedelta(days=1)))
    store(tmp_path / "run-2.csv", *recording(START, 2))
    frame = read_samples(tmp_path / "run-*.csv").wide()
    assert frame["oven_top process_value"].tolist() == [9.0, 0.0, 1.0]


def test_gaps_are_nan_and_instances_are_named_where_there_are_several(tmp_path: Path) -> None:
    rows = [
        row("a", 1.0, START),
        row("a", None, START, instance=2, unit=None),
        row("b", 3.0, START, instance=2),
    ]
    frame = read_samples(store(tmp_path / "run.csv", *rows)).wide()
    assert list(frame.columns) == ["a process_value 1", "a process_value 2", "b process_value"]
    assert frame.isna().to_numpy().tolist() == [[False, True, False]]
    assert list(frame.attrs["units"]) == ["a process_value 1", "b process_value"]


def test_texts_stay_and_several_units_are_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    rows = [row("a", "PM3", START, unit=None), row("b", 1.0, START), row("b", 2.0, START, unit="F")]
    frame = read_samples(store(tmp_path / "run.csv", *rows)).wide()
    assert frame["a process_value"].iloc[0] == "PM3"
    assert frame["b process_value"].dtype == float
    assert frame.attrs["units"] == {}
    assert "b process_value has values in several units" in caplog.text


def test_an_empty_file_and_rows_without_a_device(tmp_path: Path) -> None:
    with open_sink(tmp_path / "empty.parquet"):
        pass
    assert read_samples(tmp_path / "empty.parquet").wide().empty
    assert read_samples(tmp_path / "empty.parquet").describe().empty
    path = store(tmp_path / "run.csv", {"gas": "N2"})
    with pytest.raises(WatlowSinkError, match="rows without device belong to no series"):
        read_samples(path).wide()


def test_plot_shows_curves(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    rows = list(recording(START, 50))
    rows[10]["value"] = None
    axes = read_samples(store(tmp_path / "run.sqlite", *rows)).wide().plot()
    try:
        lines = axes.get_lines()
        assert [line.get_label() for line in lines] == [
            "oven_top process_value",
            "oven_bot process_value",
        ]
        # Without neighbours that are numbers, a point is not part of a line.
        for line in lines:
            values = pd.Series(line.get_ydata(), dtype=float)
            assert (values.notna() & values.shift().notna()).sum() >= 47
    finally:
        matplotlib.pyplot.close("all")


def test_describe_counts_values_and_gaps(path: Path) -> None:
    second = timedelta(seconds=1)
    values: list[float | None] = [1.0, 2.0, None, None, 6.0, None]
    rows = [row("a", value, START + n * second) for n, value in enumerate(values)]
    rows[5]["status"] = "crc"
    rows.insert(0, row("b", 5.0, START))
    frame = read_samples(store(path, *rows)).describe()
    assert frame.index.names == ["device", "parameter", "instance"]
    found = frame.loc[("a", "process_value", 1)].to_dict()
    assert found == {
        "rows": 6,
        "count": 3,
        "gaps": 3,
        "gaps_timeout": 2,
        "gaps_crc": 1,
        "min": 1.0,
        "mean": 3.0,
        "max": 6.0,
        "longest_gap_s": 3.0,
        "first": pd.Timestamp(START),
        "last": pd.Timestamp(START + 5 * second),
    }
    assert frame.loc[("b", "process_value", 1)]["longest_gap_s"] == 0.0
