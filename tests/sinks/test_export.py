"""`export`: any sources into one new file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.samples import EVERY_KIND, FIRST, START
from watlowlib import Sample, WatlowConfigurationError, WatlowSinkError, open_sink, read_samples
from watlowlib.sinks import export as module
from watlowlib.sinks.export import export
from watlowlib.sinks.reading.csv import CsvFile

FORMATS = ["csv", "jsonl", "sqlite", "parquet"]


@pytest.fixture(autouse=True)
def needs_pyarrow() -> None:
    pytest.importorskip("pyarrow")
    pytest.importorskip("pandas")


def store(path: Path, samples: list[Any]) -> Path:
    with open_sink(path) as sink:
        sink.write_many(samples)
    return path


def hours(first: int, count: int) -> list[Sample]:
    return [
        replace(FIRST, value=float(n), requested_at=START + timedelta(hours=n))
        for n in range(first, first + count)
    ]


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_an_exported_file_has_the_same_rows(tmp_path: Path, source: str, target: str) -> None:
    path = store(tmp_path / f"run.{source}", EVERY_KIND)
    new = tmp_path / f"new.{target}"
    assert export([path], new) == len(EVERY_KIND)
    assert list(read_samples(new)) == list(read_samples(path))
    assert [each.name for each in tmp_path.iterdir() if "new" in each.name] == [new.name]


@pytest.mark.parametrize("target", FORMATS)
def test_parts_are_merged_in_time_order(tmp_path: Path, target: str) -> None:
    store(tmp_path / "ovens-10.csv", hours(20, 2))
    store(tmp_path / "ovens-2.csv", hours(10, 2))
    store(tmp_path / "ovens-1.csv", hours(30, 2))
    store(tmp_path / "other.parquet", hours(0, 2))
    new = tmp_path / f"all.{target}"
    sources = [str(tmp_path / "ovens-*.csv"), tmp_path / "other.parquet"]
    assert export(sources, new, since=START + timedelta(hours=1)) == 7
    expected = [1.0, 10.0, 11.0, 20.0, 21.0, 30.0, 31.0]
    assert [row["value"] for row in read_samples(new)] == expected


@pytest.mark.parametrize("target", FORMATS)
def test_columns_of_all_sources_are_there(tmp_path: Path, target: str) -> None:
    times = [START, START + timedelta(seconds=1)]
    store(tmp_path / "1.csv", [{"gas": "N2", "requested_at": times[0]}])
    store(tmp_path / "2.csv", [{"gas": "Ar", "flow": 1.5, "requested_at": times[1]}])
    new = tmp_path / f"all.{target}"
    assert export([tmp_path / "1.csv", tmp_path / "2.csv"], new) == 2
    assert [(row["gas"], row["flow"]) for row in read_samples(new)] == [("N2", None), ("Ar", 1.5)]


def test_xlsx_has_texts_numbers_and_times(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("xlsxwriter")
    samples = [replace(FIRST, device="=1+2"), replace(FIRST, value=None), replace(FIRST, value="7")]
    path = store(tmp_path / "run.sqlite", samples)
    columns = ["device", "value", "requested_at"]
    assert export([path], tmp_path / "run.xlsx", columns=columns) == 3
    book = openpyxl.load_workbook(tmp_path / "run.xlsx")
    when = START.replace(tzinfo=None)
    assert [[cell.value for cell in row] for row in book.active] == [
        columns,
        ["=1+2", 72.4, when],
        ["oven_top", None, when],
        ["oven_top", "7", when],
    ]
    assert book.active["A2"].data_type == "s"
    book.close()


@pytest.mark.parametrize("target", FORMATS)
def test_wide_has_a_row_for_each_tick(tmp_path: Path, target: str) -> None:
    path = store(tmp_path / "run.csv", [*hours(0, 2), replace(hours(2, 1)[0], value=None)])
    new = tmp_path / f"wide.{target}"
    assert export(path, new, wide=True) == 3
    rows = list(read_samples(new))
    assert [row["oven_top process_value"] for row in rows] == [0.0, 1.0, None]
    times = [row["time"] for row in rows]
    assert [datetime.fromisoformat(str(each)) for each in times] == [
        START + timedelta(hours=n) for n in range(3)
    ]


def test_an_existing_file_is_replaced_only_on_request(tmp_path: Path) -> None:
    path = store(tmp_path / "run.csv", hours(0, 3))
    new = tmp_path / "new.csv"
    new.write_text("precious")
    with pytest.raises(WatlowSinkError, match="exists already; give another name, or overwrite"):
        export([path], new)
    assert new.read_text() == "precious"
    assert export([path], new, overwrite=True) == 3
    with pytest.raises(WatlowSinkError, match="is one of the sources"):
        export([tmp_path / "*.csv"], new, overwrite=True)


@pytest.mark.parametrize("target", [*FORMATS, "xlsx"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("no space")])
def test_an_interrupted_export_leaves_no_file(
    tmp_path: Path, target: str, error: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if target == "xlsx":
        pytest.importorskip("xlsxwriter")
    path = store(tmp_path / "run.csv", hours(0, 3))

    def interrupted(read: Callable[..., Any]) -> Callable[..., Any]:
        def broken(self: CsvFile, query: Any) -> Any:
            yield from list(read(self, query))[:2]
            if query.columns is None:
                raise error

        return broken

    monkeypatch.setattr(CsvFile, "rows", interrupted(CsvFile.rows))
    monkeypatch.setattr(CsvFile, "tables", interrupted(CsvFile.tables))
    with pytest.raises((KeyboardInterrupt, WatlowSinkError)):
        export([path], tmp_path / f"new.{target}")
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    path = store(tmp_path / "run.csv", hours(0, 3))
    with pytest.raises(WatlowConfigurationError, match=r"known are \.csv.*\.xlsx"):
        export([path], tmp_path / "run.txt")
    with pytest.raises(WatlowConfigurationError, match="not both"):
        export([path], tmp_path / "new.csv", wide=True, columns="value")
    with pytest.raises(WatlowSinkError, match="there is no folder"):
        export([path], tmp_path / "nowhere" / "run.csv")
    (tmp_path / "_new.parquet.journal").touch()
    with pytest.raises(WatlowSinkError, match="is in use"):
        export([path], tmp_path / "new.parquet")


def test_progress_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 2)
    path = store(tmp_path / "run.csv", hours(0, 5))
    reported: list[int] = []
    export([path], tmp_path / "new.csv", report=reported.append)
    assert reported == [2, 4, 5]
