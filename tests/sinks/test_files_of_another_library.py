"""Files with the columns of the library that `watlowlib.sync` is for are continued and read."""

from __future__ import annotations

import csv
import json
import logging
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.sinks.samples import FIRST
from watlowlib import CsvSink, JsonlSink, ParquetSink, SqliteSink, Unit, read_samples
from watlowlib.sinks.choose import open_sink

# The columns and types of version 0.8.1. Times are ISO 8601 text in all formats, a unit is "F",
# "C" or "%", and the type of `value` is that of the values in the first batch.
TYPES = {
    "device": "TEXT",
    "address": "INTEGER",
    "protocol": "TEXT",
    "parameter": "TEXT",
    "parameter_id": "INTEGER",
    "instance": "INTEGER",
    "value": "REAL",
    "unit": "TEXT",
    "t_mono_ns": "INTEGER",
    "t_utc": "TEXT",
    "requested_at": "TEXT",
    "received_at": "TEXT",
    "latency_s": "REAL",
}
ARROW = {"TEXT": pa.string(), "INTEGER": pa.int64(), "REAL": pa.float64()}
FORMATS = ["csv", "jsonl", "sqlite", "parquet"]
START = datetime(2026, 2, 28, 12, tzinfo=timezone.utc)


def old_row(seconds: float, parameter: str, number: int, value: Any, unit: str | None) -> list[Any]:
    times = [START + timedelta(seconds=seconds + step) for step in (0.008, 0.0, 0.016)]
    texts = [when.isoformat() for when in times]  # the first request has no microseconds
    return ["oven_top", 1, "stdbus", parameter, number, 1, value, unit, 10**9, *texts, 0.016]


TEMPERATURES = [
    old_row(0.0, "process_value", 4001, 72.5, "F"),
    old_row(0.0, "output_power", 8033, 12.5, "%"),
    old_row(0.25, "process_value", 4001, 73.25, "F"),
    old_row(0.25, "ramp_rate", 7017, 1.5, None),
]
CODES = [old_row(0.0, "control_mode", 8001, 10, None)]
TEXTS = [old_row(0.0, "model", 1009, "PM3R1CA-AAAAAAA", None)]


def write_old(path: Path, rows: list[list[Any]], value: str = "REAL") -> Path:
    types = {**TYPES, "value": value}
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([list(types), *rows])
    elif path.suffix == ".jsonl":
        lines = [json.dumps(dict(zip(types, row, strict=True))) + "\n" for row in rows]
        path.write_text("".join(lines), encoding="utf-8")
    elif path.suffix == ".sqlite":
        columns = ", ".join(f'"{name}" {type_}' for name, type_ in types.items())
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f'CREATE TABLE "samples" ({columns})')
            marks = ", ".join("?" * len(types))
            database.executemany(f"INSERT INTO samples VALUES ({marks})", rows)
    else:
        schema = pa.schema([(name, ARROW[type_]) for name, type_ in types.items()])
        cells = dict(zip(types, map(list, zip(*rows, strict=True)), strict=True))
        pq.write_table(pa.table(cells, schema=schema), path, compression="zstd")
    return path


@pytest.fixture(params=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"old.{request.param}"


def test_such_a_file_is_read(path: Path) -> None:
    rows = list(read_samples(write_old(path, TEMPERATURES)))
    assert [row["value"] for row in rows] == [72.5, 12.5, 73.25, 1.5]
    assert [row["unit"] for row in rows] == ["F", "%", "F", None]
    assert rows[0]["requested_at"] == START
    assert rows[2]["received_at"] == START + timedelta(seconds=0.266)
    found = read_samples(path, parameter="process_value", since=START + timedelta(seconds=0.1))
    assert [row["value"] for row in found] == [73.25]
    assert found.to_arrow().column("value").to_pylist() == [73.25]


def test_tables_of_such_a_file_have_the_usual_types(path: Path) -> None:
    pytest.importorskip("pandas")
    stored = read_samples(write_old(path, TEMPERATURES))
    frame = stored.wide()
    assert list(frame["oven_top process_value"]) == [72.5, 73.25]
    assert frame.attrs["units"]["oven_top process_value"] == "F"
    assert list(frame.index) == [START, START + timedelta(seconds=0.25)]
    assert stored.describe().loc[("oven_top", "process_value", 1), "mean"] == 72.875


def test_such_a_file_is_continued(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_old(path, TEMPERATURES)
    caplog.set_level(logging.WARNING)
    with open_sink(path) as sink:
        for sample in (FIRST, replace(FIRST, value=None, status="timeout"), FIRST):
            sink.write_many([sample])
    rows = list(read_samples(path))
    assert list(rows[0]) == list(rows[-1]) == list(TYPES)
    assert [row["value"] for row in rows] == [72.5, 12.5, 73.25, 1.5, 72.4, None, 72.4]
    assert [row["unit"] for row in rows] == ["F", "%", "F", None, "F", "F", "F"]
    assert datetime.fromisoformat(rows[-1]["t_utc"]) == FIRST.midpoint_at
    assert rows[-1]["requested_at"] == FIRST.requested_at
    assert rows[-1]["t_mono_ns"] is None
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "'midpoint_at', 'status', 'tick', 'scheduled_at'" in warning
    assert "left out" in warning


def test_the_columns_of_such_a_file_keep_their_types(path: Path) -> None:
    write_old(path, TEMPERATURES)
    with open_sink(path) as sink:
        sink.write_many([FIRST])
    if path.suffix == ".parquet":
        schema = pq.read_schema(path)
        assert {field.name: field.type for field in schema} == {
            name: ARROW[type_] for name, type_ in TYPES.items()
        }
    times = {row["requested_at"].tzinfo for row in read_samples(path)}
    assert times == {timezone.utc}


@pytest.mark.parametrize("unit", ["°F", "F"])
def test_a_file_keeps_the_spelling_of_its_units(path: Path, unit: str) -> None:
    write_old(path, [old_row(0.0, "process_value", 4001, 72.5, unit)])
    celsius = replace(FIRST, unit=Unit.CELSIUS)
    with open_sink(path) as sink:
        sink.write_many([FIRST, celsius])
        sink.write_many([{**vars(FIRST), "unit": Unit.CELSIUS, "raw": None}])
    short = {"F": ["F", "F", "C", "C"], "°F": ["°F", "°F", "°C", "°C"]}
    assert [row["unit"] for row in read_samples(path)] == short[unit]


def test_a_file_without_a_temperature_yet_gets_the_spelling_of_the_library(path: Path) -> None:
    write_old(path, CODES, "INTEGER")
    with open_sink(path) as sink:
        sink.write_many([FIRST])
    assert [row["unit"] for row in read_samples(path)] == [None, "F"]


@pytest.mark.parametrize(("rows", "type_"), [(CODES, "INTEGER"), (TEXTS, "TEXT")])
def test_no_value_is_changed_by_the_type_of_the_first_value(
    path: Path, rows: list[list[Any]], type_: str
) -> None:
    write_old(path, rows, type_)
    with open_sink(path) as sink:
        sink.write_many([FIRST])
        sink.write_many([replace(FIRST, value="PM6"), replace(FIRST, value=62)])
    values = [rows[0][6], 72.4, "PM6", 62]
    assert [row["value"] for row in read_samples(path)] == values
    assert [type(row["value"]) for row in read_samples(path)] == list(map(type, values))
    numbers = [float(value) if not isinstance(value, str) else None for value in values]
    assert read_samples(path).to_arrow().column("value").to_pylist() == numbers


def test_a_text_is_added_to_a_file_of_numbers(path: Path) -> None:
    write_old(path, TEMPERATURES)
    with open_sink(path) as sink:
        sink.write_many([replace(FIRST, value="PM3", address="A")])  # type: ignore[arg-type]
    *old, last = read_samples(path)
    assert [row["value"] for row in old] == [72.5, 12.5, 73.25, 1.5]
    assert [row["address"] for row in old] == [1] * 4
    assert (last["value"], last["address"]) == ("PM3", "A")


@pytest.mark.parametrize("sink", [CsvSink, JsonlSink, SqliteSink, ParquetSink])
def test_a_new_file_has_all_columns(sink: Any, tmp_path: Path) -> None:
    suffix = {CsvSink: "csv", JsonlSink: "jsonl", SqliteSink: "sqlite"}.get(sink, "parquet")
    with sink(tmp_path / f"new.{suffix}") as new:
        new.write_many([FIRST])
    (row,) = read_samples(tmp_path / f"new.{suffix}")
    assert (row["unit"], row["status"]) == ("°F", "ok")


@pytest.mark.parametrize(("text", "unit"), [("F", Unit.FAHRENHEIT), ("C", Unit.CELSIUS)])
def test_units_have_the_names_of_the_library(text: str, unit: Unit) -> None:
    assert Unit(text) is unit


@pytest.mark.parametrize("text", ["K", "", "f", None, "°", 1])
def test_other_texts_are_no_units(text: object) -> None:
    with pytest.raises(ValueError, match="is not a valid Unit"):
        Unit(text)
