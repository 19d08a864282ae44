"""`export`: any sources into one new file."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.samples import EVERY_KIND, FIRST, START
from tests.sinks.test_events import EVENTS
from tests.sinks.test_metadata import NOTES, pipe_into, recording
from watlowlib import (
    Sample,
    WatlowConfigurationError,
    WatlowSinkError,
    open_sink,
    read_events,
    read_samples,
)
from watlowlib.model.events import Event
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


def test_xlsx_has_a_sheet_with_the_metadata(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("xlsxwriter")
    path = tmp_path / "run.csv"
    infos = [record_into(path, **NOTES), record_into(path, number=2**60)]
    export(path, tmp_path / "run.xlsx")
    book = openpyxl.load_workbook(tmp_path / "run.xlsx")
    assert book.sheetnames == ["samples", "recordings"]
    header, *rows = book["recordings"].values
    assert header == ("recording", "name", "value")
    cells = {(number, name): value for number, name, value in rows}
    for number, info in enumerate(infos, 1):
        assert cells[number, "id"] == info["id"]
        assert cells[number, "started_at"] == info["started_at"]
    assert cells[1, "metadata.operator"] == "Jörg"
    assert cells[1, "metadata.steps.1"] == 1
    assert cells[1, "metadata.steps.2.dry"] is None
    assert cells[2, "metadata.number"] == "1152921504606846976"
    assert cells[1, "rates.1.parameters.1"] == "pv"
    assert [book[name].freeze_panes for name in book.sheetnames] == ["A2", "A2"]
    book.close()


def test_xlsx_columns_are_as_wide_as_their_cells(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("xlsxwriter")
    path = store(tmp_path / "run.csv", [replace(FIRST, device="oven " * 5, status="x" * 500)])
    export(path, tmp_path / "run.xlsx", columns=["device", "requested_at", "status"])
    book = openpyxl.load_workbook(tmp_path / "run.xlsx")
    widths = [book.active.column_dimensions[letter].width for letter in "ABC"]
    assert widths[0] >= 25
    assert widths[1] >= len("2026-03-01 12:00:00.000")
    assert widths[2] < 60
    book.close()


def test_a_text_too_long_for_xlsx_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("xlsxwriter")
    path = store(tmp_path / "run.csv", [replace(FIRST, value="x" * 32_768)])
    with pytest.raises(WatlowSinkError, match="row 2, column 7 does not fit .* another format"):
        export(path, tmp_path / "run.xlsx")
    assert list(tmp_path.iterdir()) == [path]


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


@pytest.mark.parametrize("target", [*FORMATS, "xlsx"])
def test_a_wide_file_has_the_units_of_its_columns(tmp_path: Path, target: str) -> None:
    pytest.importorskip("xlsxwriter")
    path, new = tmp_path / "run.sqlite", tmp_path / f"wide.{target}"
    record_into(path)
    store(path, [FIRST, replace(FIRST, parameter="heat_power", unit=None)])
    export(path, new, wide=True)
    expected = [("oven_top process_value", "°F")]
    assert units_of(new) == expected
    export(path, new, overwrite=True)
    assert units_of(new) == []


def units_of(path: Path) -> list[tuple[str, str]]:
    """Return the units in a wide file."""
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as database:
            if not list(database.execute("SELECT * FROM sqlite_master WHERE name = 'units'")):
                return []
            return list(database.execute("SELECT name, unit FROM units"))
    if path.suffix == ".parquet":
        metadata = pytest.importorskip("pyarrow.parquet").read_metadata(path).metadata
        return list(json.loads(metadata.get(b"watlowlib.units", b"{}")).items())
    if path.suffix == ".xlsx":
        book = pytest.importorskip("openpyxl").load_workbook(path)
        if "units" not in book.sheetnames:
            return []
        head, *rows = book["units"].values
        assert head == ("name", "unit")
        return rows
    meta = json.loads(Path(f"{path}.meta.json").read_text("utf-8"))
    return list(meta.get("units", {}).items())


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


@pytest.mark.parametrize("target", ["csv", "jsonl", "parquet"])
def test_an_export_uses_no_file_that_it_has_not_made(tmp_path: Path, target: str) -> None:
    path = store_events(tmp_path / f"_new.{target}", EVENTS)
    remains = tmp_path / f"_new.{target}.new"  # as of an export that was killed
    shutil.copy(path, remains)
    before = {each: each.read_bytes() for each in tmp_path.iterdir()}
    assert export(path, tmp_path / f"new.{target}") == 2
    assert read_events(tmp_path / f"new.{target}") == EVENTS
    assert {each: each.read_bytes() for each in before} == before


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


# Metadata


def record_into(path: Path, **metadata: Any) -> dict[str, Any]:
    with open_sink(path) as sink:
        return pipe_into(sink, recording(**metadata))


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_an_exported_file_has_the_metadata(
    tmp_path: Path, source: str, target: str, wide: bool
) -> None:
    path = tmp_path / f"run.{source}"
    infos = [record_into(path, **NOTES), record_into(path, operator="Kim")]
    new = tmp_path / f"new.{target}"
    export(path, new, wide=wide)
    assert read_samples(new).metadata == read_samples(path).metadata == infos
    beside = [f"{new.name}.meta.json"] if target in ("csv", "jsonl") else []
    assert sorted(each.name for each in tmp_path.iterdir() if "new" in each.name) == [
        new.name,
        *beside,
    ]


@pytest.mark.parametrize("target", FORMATS)
def test_metadata_of_several_sources_is_merged(tmp_path: Path, target: str) -> None:
    sources = [tmp_path / f"run.{source}" for source in FORMATS]
    infos = [record_into(path, source=path.name) for path in sources]
    again = tmp_path / "again.csv"
    export(sources[0], again)
    export([*sources, again], tmp_path / f"all.{target}")
    stored = read_samples(tmp_path / f"all.{target}").metadata
    assert sorted(stored, key=str) == sorted(infos, key=str)


@pytest.mark.parametrize("target", ["csv", "jsonl"])
def test_metadata_beside_a_replaced_file_is_replaced(tmp_path: Path, target: str) -> None:
    path, new = tmp_path / "run.sqlite", tmp_path / f"new.{target}"
    old, bare = record_into(path), store(tmp_path / "bare.csv", hours(0, 2))
    export(path, new)
    new.unlink()
    with pytest.raises(WatlowSinkError, match=r"meta\.json' exists already"):
        export(bare, new)
    export(bare, new, overwrite=True)
    assert read_samples(new).metadata == []
    export(path, new, overwrite=True)
    assert read_samples(new).metadata == [old]


@pytest.mark.parametrize("target", FORMATS)
def test_metadata_that_cannot_be_read_is_a_warning(
    tmp_path: Path, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = store(tmp_path / "run.csv", hours(0, 2))
    (tmp_path / "run.csv.meta.json").write_text("{")
    assert export(path, tmp_path / f"new.{target}") == 2
    assert caplog.text.count("metadata of the recordings is not exported") == 1
    assert read_samples(tmp_path / f"new.{target}").metadata == []


def test_metadata_of_other_programs_needs_no_id(tmp_path: Path) -> None:
    path = store(tmp_path / "run.csv", hours(0, 2))
    found = [{"furnace": 7}, {"furnace": 8}, {"furnace": 7}]
    (tmp_path / "run.csv.meta.json").write_text(json.dumps({"recordings": found}))
    for target in FORMATS:
        export(path, tmp_path / f"new.{target}")
        assert read_samples(tmp_path / f"new.{target}").metadata == found[:2]


@pytest.mark.parametrize("target", FORMATS)
def test_an_export_without_rows_has_the_metadata(tmp_path: Path, target: str) -> None:
    path, new = tmp_path / "run.sqlite", tmp_path / f"new.{target}"
    info = record_into(path)
    assert export(path, new, since="2100-01-01") == 0
    assert read_samples(new).metadata == [info]
    assert list(read_samples(new)) == []


def test_progress_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 2)
    path = store(tmp_path / "run.csv", hours(0, 5))
    reported: list[int] = []
    export([path], tmp_path / "new.csv", report=reported.append)
    assert reported == [2, 4, 5]


def store_events(path: Path, events: list[Event]) -> Path:
    with open_sink(path) as sink:
        sink.write_many(hours(0, 2))
        sink.write_events(events)
    return path


@pytest.mark.parametrize("target", FORMATS)
def test_an_exported_file_has_the_events(tmp_path: Path, target: str) -> None:
    parts = [EVENTS[:2], EVENTS[2:4], EVENTS[1:]]
    sources = [
        store_events(tmp_path / f"run.{source}", part) for source, part in zip(FORMATS, parts)
    ]
    new = tmp_path / f"new.{target}"
    assert export(sources, new) == 6
    assert read_events(new) == EVENTS
    beside = [] if target == "sqlite" else [f"new.events.{target}"]
    assert sorted(each.name for each in tmp_path.iterdir() if "new" in each.name) == sorted(
        [new.name, *beside]
    )
    # Those of a device, and those about none.
    times = {"since": EVENTS[1].time, "until": EVENTS[4].time}
    export(sources, new, overwrite=True, device="oven_bot", **times)
    assert (
        read_events(new)
        == [each for each in EVENTS[1:4] if each.device in (None, "oven_bot")]
        != EVENTS[1:4]
    )
    export(sources[0], new, overwrite=True, since="2100-01-01")
    assert read_events(new) == []


def test_events_beside_are_not_overwritten_unasked(tmp_path: Path) -> None:
    path = store_events(tmp_path / "run.csv", EVENTS)
    export(path, tmp_path / "new.csv")
    (tmp_path / "new.csv").unlink()
    with pytest.raises(WatlowSinkError, match=r"new\.events\.csv' exists already"):
        export(path, tmp_path / "new.csv")


def test_a_file_with_events_is_exported_as_rows(tmp_path: Path) -> None:
    store_events(tmp_path / "run.csv", EVENTS)
    assert export(tmp_path / "run.events.csv", tmp_path / "new.jsonl") == len(EVENTS)
    assert not (tmp_path / "new.events.jsonl").exists()
    # The new file would have its events where the source is.
    with pytest.raises(WatlowSinkError, match=r"run\.events\.csv' is one of the sources"):
        export(tmp_path / "run.events.csv", tmp_path / "run.csv", overwrite=True)
    assert read_events(tmp_path / "run.csv") == EVENTS


def test_xlsx_has_a_sheet_with_the_events(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pytest.importorskip("xlsxwriter")
    export(store_events(tmp_path / "run.csv", EVENTS), tmp_path / "new.xlsx")
    book = openpyxl.load_workbook(tmp_path / "new.xlsx")
    assert book.sheetnames == ["samples", "events"]
    head, *rows = book["events"].values
    assert head == ("time", "tick", "device", "kind", "text", "value")
    assert [row[1:] for row in rows] == [
        (each.tick, each.device, each.kind, each.text, each.value) for each in EVENTS
    ]
    assert abs(rows[0][0] - EVENTS[0].time.replace(tzinfo=None)) < timedelta(milliseconds=1)
