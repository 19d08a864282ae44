"""What is particular to one kind of file."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.sinks.samples import EVERY_KIND, many
from watlowlib import (
    CsvSink,
    InMemorySink,
    JsonlSink,
    SqliteSink,
    WatlowConfigurationError,
    WatlowSinkError,
    open_sink,
)


def test_memory_keeps_the_samples_themselves() -> None:
    with InMemorySink() as sink:
        sink.write_many(EVERY_KIND)
    assert sink.samples == EVERY_KIND
    with pytest.raises(WatlowSinkError, match="not open"):
        sink.write_many(EVERY_KIND)


def test_a_csv_file_with_another_header_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("time,temperature\n1,2\n")
    with pytest.raises(WatlowSinkError, match=r"another header .'time,temperature'.; give a new"):
        CsvSink(path).open()
    assert path.read_text() == "time,temperature\n1,2\n"


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    path.write_text("these are notes, and long enough to be looked at " * 100)
    before = path.read_bytes()
    with pytest.raises(WatlowSinkError, match="not a database"):
        SqliteSink(path).open()
    assert path.read_bytes() == before


def test_a_table_with_other_columns_is_said_at_opening(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE samples (device, value)")
    with pytest.raises(WatlowSinkError, match="another header .*; give a new name"):
        SqliteSink(path).open()


def test_sqlite_writes_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path) as sink, closing(sqlite3.connect(path)) as other:
        sink.write_many(many(3))
        other.execute(
            "CREATE TRIGGER no_five BEFORE INSERT ON samples WHEN NEW.value = 5.0 "
            "BEGIN SELECT RAISE(ABORT, 'no fives'); END"
        )
        with pytest.raises(WatlowSinkError, match="no fives"):
            sink.write_many(many(9))
        sink.write_many(many(2))
        values = [value for (value,) in other.execute("SELECT value FROM samples")]
    assert values == [0.0, 1.0, 2.0, 0.0, 1.0]


def test_sqlite_waits_for_another_writer(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path, busy_timeout_ms=20_000) as sink:
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        commit = threading.Timer(0.2, lambda: other.execute("COMMIT"))
        commit.start()
        sink.write_many(many(1))
        commit.join()
        assert other.execute("SELECT count(*) FROM samples").fetchone() == (1,)
        other.close()


def test_but_not_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path, busy_timeout_ms=10) as sink, closing(sqlite3.connect(path)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(WatlowSinkError, match="locked"):
            sink.write_many(many(1))
        other.execute("COMMIT")
        sink.write_many(many(1))


def test_sqlite_is_set_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path) as sink:
        assert sink._database is not None
        assert sink._database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert sink._database.execute("PRAGMA synchronous").fetchone() == (1,)


@pytest.mark.parametrize(
    "wrong",
    [
        {"table": "samples; DROP TABLE samples"},
        {"table": "1st"},
        {"table": ""},
        {"table": "größe"},
        {"journal_mode": "FAST"},
        {"synchronous": "MAYBE"},
        {"busy_timeout_ms": -1},
    ],
)
def test_names_and_modes_that_sqlite_does_not_have(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(WatlowConfigurationError, match="allowed are"):
        SqliteSink(tmp_path / "run.sqlite", **wrong)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv", CsvSink), ("a.JSONL", JsonlSink), ("a.b.sqlite", SqliteSink), ("a.db", SqliteSink)],
)
def test_the_ending_chooses_the_sink(tmp_path: Path, name: str, kind: type) -> None:
    assert type(open_sink(tmp_path / name)) is kind


@pytest.mark.parametrize("name", ["a", "a.xls", "csv", ""])
def test_an_ending_nobody_knows(name: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=r"known are \.csv, \.jsonl, \.sqlite"):
        open_sink(name)
