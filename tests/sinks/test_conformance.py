"""One suite over every sink that writes a file: what was written reads back equal, in order."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sinks.samples import EVERY_KIND, FIRST, many
from watlowlib import CsvSink, JsonlSink, SqliteSink, WatlowSinkError, sample_to_row
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.rows import COLUMNS

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

Row = dict[str, object]


def from_csv(path: Path) -> list[Row]:
    numbers = {"address": int, "parameter_id": int, "instance": int, "latency_s": float}
    with path.open(encoding="utf-8", newline="") as file:
        rows = []
        for row in csv.DictReader(file):
            typed: Row = {name: text or None for name, text in row.items()}
            typed |= {name: number(row[name]) for name, number in numbers.items()}
            rows.append(typed)
        return rows


def from_jsonl(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


def from_sqlite(path: Path) -> list[Row]:
    with closing(sqlite3.connect(path)) as database:
        if not database.execute("SELECT * FROM sqlite_master").fetchall():
            return []
        cursor = database.execute("SELECT * FROM samples ORDER BY rowid")
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def expected(csv_file: bool) -> list[Row]:
    rows: list[Row] = [dict(sample_to_row(sample)) for sample in EVERY_KIND]
    if csv_file:
        # A CSV cell is text: the shortest that reads back as the same number.
        rows = [
            {**row, "value": None if row["value"] is None else str(row["value"])} for row in rows
        ]
    return rows


@dataclass
class Kind:
    sink: type[FileSink]
    read: Callable[[Path], list[Row]]


KINDS = [Kind(CsvSink, from_csv), Kind(JsonlSink, from_jsonl), Kind(SqliteSink, from_sqlite)]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.sink.__name__)
def kind(request: pytest.FixtureRequest) -> Kind:
    made: Kind = request.param
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.file"


def test_what_was_written_reads_back_equal(kind: Kind, path: Path) -> None:
    with kind.sink(path) as sink:
        sink.write_many(EVERY_KIND)
    rows = kind.read(path)
    assert rows == expected(kind.sink is CsvSink)
    assert list(rows[0]) == list(COLUMNS)


def test_a_row_is_what_the_sample_says() -> None:
    assert sample_to_row(FIRST) == {
        "device": "oven_top",
        "address": 1,
        "protocol": "stdbus",
        "parameter": "process_value",
        "parameter_id": 4001,
        "instance": 1,
        "value": 72.4,
        "unit": "°F",
        "requested_at": "2026-03-01T12:00:00.000000+00:00",
        "received_at": "2026-03-01T12:00:00.020000+00:00",
        "midpoint_at": "2026-03-01T12:00:00.010000+00:00",
        "latency_s": 0.02,
        "status": "ok",
    }


def test_every_write_can_be_read_at_once_by_others(kind: Kind, path: Path) -> None:
    with kind.sink(path) as sink:
        for count in (1, 2, 3):
            sink.write_many(many(1))
            assert len(kind.read(path)) == count


def test_opening_again_goes_on_where_it_ended(kind: Kind, path: Path) -> None:
    for _ in range(2):
        with kind.sink(path) as sink:
            sink.write_many(many(2))
    values = [float(str(row["value"])) for row in kind.read(path)]
    assert values == [0.0, 1.0, 0.0, 1.0]


def test_opening_and_closing_twice_is_once(kind: Kind, path: Path) -> None:
    sink = kind.sink(path)
    sink.open()
    sink.open()
    sink.write_many(many(1))
    sink.close()
    sink.close()
    assert len(kind.read(path)) == 1


def test_no_rows_are_no_rows(kind: Kind, path: Path) -> None:
    with kind.sink(path) as sink:
        sink.write_many([])
    assert kind.read(path) == []


def test_one_that_is_not_open_says_so(kind: Kind, path: Path) -> None:
    sink = kind.sink(path)
    for _ in range(2):
        with pytest.raises(WatlowSinkError, match="is not open; use it in a with statement"):
            sink.write_many(many(1))
        sink.open()
        sink.close()


def test_a_folder_that_is_not_there(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(WatlowSinkError, match="there is no folder .*nowhere.*; make it first"):
        kind.sink(tmp_path / "nowhere/run.file").open()


def test_a_place_that_is_a_folder(kind: Kind, tmp_path: Path) -> None:
    with pytest.raises(WatlowSinkError, match="could not be opened"):
        kind.sink(tmp_path).open()


@pytest.mark.skipif(resource is None, reason="needs a limit on file sizes")
def test_a_disk_that_is_full_keeps_what_was_written(kind: Kind, path: Path) -> None:
    with kind.sink(path) as sink, size_limit(60_000):
        kept = 0
        with pytest.raises(WatlowSinkError, match="could not be written"):
            while True:
                sink.write_many(many(7))
                kept += 7
        with pytest.raises(WatlowSinkError, match="could not be written"):
            sink.write_many(many(700))
    assert kept > 7
    assert len(kind.read(path)) == kept


@contextmanager
def size_limit(size: int) -> Iterator[None]:
    """No file may grow beyond `size`: to the program, the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
