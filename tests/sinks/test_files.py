"""Tests of single sinks: memory, CSV, JSON Lines, SQLite, and `open_sink`."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sinks.samples import EVERY_KIND, FIRST, many
from watlowlib import (
    CsvSink,
    InMemorySink,
    JsonlSink,
    ParquetSink,
    PostgresSink,
    SqliteSink,
    WatlowConfigurationError,
    WatlowSinkError,
    open_sink,
    read_samples,
    sample_to_row,
)
from watlowlib.sinks import files
from watlowlib.sinks.csv import csv_cell, csv_row
from watlowlib.sinks.rows import ColumnLayout, columns_of


def test_memory_keeps_the_samples_unchanged() -> None:
    with InMemorySink() as sink:
        sink.write_many(EVERY_KIND)
    assert sink.samples == EVERY_KIND
    with pytest.raises(WatlowSinkError, match="not open"):
        sink.write_many(EVERY_KIND)


def test_csv_file_with_another_header_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("time,temperature\n1,2\n")
    with pytest.raises(WatlowSinkError, match=r"another header .'time,temperature'.; give a new"):
        CsvSink(path).open()
    assert path.read_text() == "time,temperature\n1,2\n"


FOREIGN = {"no line": b"remember the milk", "a line": b"remember the milk\nand", "empty": b"\n"}


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("sink_type", [CsvSink, JsonlSink])
def test_foreign_file_is_not_changed(
    tmp_path: Path, sink_type: type[CsvSink | JsonlSink], text: bytes
) -> None:
    path = tmp_path / "notes"
    path.write_bytes(text)
    with pytest.raises(WatlowSinkError, match="give a new name"):
        sink_type(path).open()
    assert path.read_bytes() == text


@pytest.mark.parametrize("sink_type", [CsvSink, JsonlSink])
def test_torn_last_line_of_any_length_is_set_aside(
    tmp_path: Path, sink_type: type[CsvSink | JsonlSink], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ("run.csv" if sink_type is CsvSink else "run.jsonl")
    beside = path.with_name(path.name + ".torn")
    odd = replace(FIRST, device='a "quoted", name', value=1.0)
    with sink_type(path) as sink:
        sink.write_many([odd])
        whole = path.stat().st_size
        sink.write_many([odd])
    data = path.read_bytes()
    complete = len(data.rstrip()) if sink_type is JsonlSink else len(data) - 1
    for torn in range(whole + 1, complete):
        path.write_bytes(data[:torn])
        before = list(read_samples(path))
        with sink_type(path) as sink:
            assert path.read_bytes() == data[:whole]
            assert beside.read_bytes() == data[whole:torn]
            sink.write_many([odd])
        assert path.read_bytes() == data
        assert not beside.exists()
        assert len(before) == 1
    message = f"a torn last line of {complete - 1 - whole} bytes was moved to {beside}"
    assert message in caplog.text


@pytest.mark.parametrize("sink_type", [CsvSink, JsonlSink])
def test_torn_first_line_is_rewritten(tmp_path: Path, sink_type: type[CsvSink | JsonlSink]) -> None:
    path = tmp_path / "run.csv"
    with sink_type(path) as sink:
        sink.write_many(many(1))
    data = path.read_bytes()
    for torn in range(data.index(b"\n")):
        path.write_bytes(data[:torn])
        with sink_type(path) as sink:
            sink.write_many(many(1))
        assert path.read_bytes() == data


def test_standard_csv_and_json_readers_read_the_files(tmp_path: Path) -> None:
    with CsvSink(tmp_path / "run.csv") as csv_sink, JsonlSink(tmp_path / "run.jsonl") as jsonl:
        csv_sink.write_many(EVERY_KIND)
        jsonl.write_many(EVERY_KIND)
    with (tmp_path / "run.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = (tmp_path / "run.jsonl").read_text("utf-8").split("\n")
    objects = [json.loads(line) for line in lines[:-1]]
    expected = [sample_to_row(sample) for sample in EVERY_KIND]
    assert lines[-1] == ""
    assert objects == expected
    assert [list(each.items()) for each in objects] == [list(each.items()) for each in expected]
    texts = [{k: "" if v is None else str(v) for k, v in row.items()} for row in expected]
    assert rows == texts


def test_sample_to_row() -> None:
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
        "tick": None,
        "scheduled_at": None,
    }


@given(
    st.lists(
        st.none()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(st.characters(exclude_categories=["Cs"]))
        | st.from_regex(r"[ +-]?[0-9.einf_]+", fullmatch=True),
        min_size=1,
    )
)
def test_any_cell_reads_back_from_csv(cells: list[Any]) -> None:
    back = csv_row(",".join(map(csv_cell, cells)) + "\r\n")
    assert [(type(cell), cell) for cell in back] == [(type(cell), cell) for cell in cells]


def test_nan_is_refused_in_json(tmp_path: Path) -> None:
    with JsonlSink(tmp_path / "run.jsonl") as sink:
        sink.write_many(many(1))
        with pytest.raises(WatlowSinkError, match="nan cannot be written"):
            sink.write_many([*many(1), replace(FIRST, value=float("nan"))])
        sink.write_many(many(1))
    assert len(list(read_samples(tmp_path / "run.jsonl"))) == 2


def test_fsync_is_called_per_write_if_requested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_for: list[int] = []
    monkeypatch.setattr("os.fsync", lambda number: waited_for.append(number))
    for fsync in (False, True):
        with CsvSink(tmp_path / "run.csv", fsync=fsync) as sink:
            sink.write_many(many(1))
            sink.write_many(many(1))
    assert len(waited_for) == 2


def test_sqlite_index_serves_device_and_time_range_queries(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path, table="ovens") as sink:
        sink.write_many(EVERY_KIND)
    with closing(sqlite3.connect(path)) as database:
        plan = database.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM ovens WHERE device = 'oven_top' "
            "AND requested_at BETWEEN '2026-03-01T12' AND '2026-03-01T13'"
        ).fetchall()
    assert "USING INDEX ovens_device_requested_at (device=? AND requested_at>?" in plan[0][3]


def test_another_process_reads_each_flush_from_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    code = (
        "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone())"
    )
    command = [sys.executable, "-c", code, str(path), "SELECT count(*), max(value) FROM samples"]
    with SqliteSink(path) as sink:
        for start in (0, 3):
            sink.write_many([replace(FIRST, value=float(start + n)) for n in range(3)])
            seen = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
            assert seen.stdout.split() == [str(start + 3), str(start + 2.0)]


def test_table_name_may_be_an_sql_keyword(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path, table="order") as sink:
        sink.write_many(many(2))
    assert [row["value"] for row in read_samples(path, table="order")] == [0.0, 1.0]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "sqlite", "parquet"])
def test_invalid_rows_are_refused(tmp_path: Path, suffix: str) -> None:
    with open_sink(tmp_path / f"run.{suffix}") as sink:
        for rows in ([{}], [{1: 2.0}], [{"a": "\ud800"}]):
            with pytest.raises(WatlowSinkError):
                sink.write_many(rows)  # type: ignore[arg-type]
        sink.write_many([{"a": "b"}])
    assert list(read_samples(tmp_path / f"run.{suffix}")) == [{"a": "b"}]


def test_reserved_name_of_a_text_column_is_refused() -> None:
    for value in (1.5, "x"):
        layout = ColumnLayout.infer([{"v": value, "v_text": "a"}, {"v": 1.5}])
        with pytest.raises(WatlowSinkError, match=r"'v_text' needs another name"):
            columns_of(layout)
    assert list(columns_of(ColumnLayout.infer([{"v": "x", "v_text": "a"}]))) == ["v", "v_text"]


def test_byte_order_mark_is_not_part_of_a_column_name(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    with CsvSink(path) as sink:
        sink.write_many(many(1))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    with CsvSink(path) as sink:
        sink.write_many(many(1))
    assert [row["device"] for row in read_samples(path)] == ["oven_top", "oven_top"]


def test_missing_table_is_refused_without_create_table(tmp_path: Path) -> None:
    with pytest.raises(WatlowSinkError, match='has no table "samples"; create it, or give create'):
        SqliteSink(tmp_path / "run.sqlite", create_table=False).open()


def test_file_that_is_not_a_database_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "notes.sqlite"
    path.write_text("these are notes, and long enough to be looked at " * 100)
    before = path.read_bytes()
    with pytest.raises(WatlowSinkError, match="not a database"):
        SqliteSink(path).open()
    assert path.read_bytes() == before


def test_table_with_other_columns_is_refused_at_open(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE samples (device, value)")
    with pytest.raises(WatlowSinkError, match="another header .*; give a new name"):
        SqliteSink(path).open()


def test_sqlite_writes_a_whole_batch_or_nothing(tmp_path: Path) -> None:
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


def test_sqlite_write_waits_for_another_writer(tmp_path: Path) -> None:
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


def test_sqlite_open_waits_for_another_writer(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE notes (text)")
    other.execute("BEGIN IMMEDIATE")
    commit = threading.Timer(0.2, lambda: other.execute("COMMIT"))
    commit.start()
    with SqliteSink(path, busy_timeout_ms=20_000) as sink:
        sink.write_many(many(1))
    commit.join()
    other.close()
    assert len(list(read_samples(path))) == 1


def test_sqlite_write_fails_after_the_busy_timeout(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path, busy_timeout_ms=10) as sink, closing(sqlite3.connect(path)) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(WatlowSinkError, match="locked"):
            sink.write_many(many(1))
        other.execute("COMMIT")
        sink.write_many(many(1))


def test_sqlite_default_modes(tmp_path: Path) -> None:
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
def test_invalid_sqlite_options_are_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(WatlowConfigurationError, match="allowed are"):
        SqliteSink(tmp_path / "run.sqlite", **wrong)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "sink_type"),
    [
        ("a.csv", CsvSink),
        ("a.JSONL", JsonlSink),
        ("a.b.sqlite", SqliteSink),
        ("a.db", SqliteSink),
        ("a.parquet", ParquetSink),
    ],
)
def test_extension_selects_the_sink(tmp_path: Path, name: str, sink_type: type) -> None:
    assert type(open_sink(tmp_path / name)) is sink_type


def test_url_selects_the_postgres_sink() -> None:
    sink = open_sink("postgresql://ann:secret@db.example/lab")
    assert isinstance(sink, PostgresSink)
    assert repr(sink) == "PostgresSink('db.example:5432/lab.public.samples')"


@pytest.mark.parametrize(
    ("name", "module", "requirement"),
    [
        ("run.parquet", "pyarrow", "pyarrow"),
        ("postgresql://ann@db.example/lab", "psycopg", r"'psycopg\[binary\]'"),
        ("postgresql://ann@db.example/lab", "psycopg_pool", "psycopg_pool"),
    ],
)
def test_missing_library_error_has_the_install_command(
    name: str, module: str, requirement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    sink = open_sink(name)
    with pytest.raises(WatlowSinkError, match=f"pip install {requirement}$"):
        sink.open()
    assert list(tmp_path.iterdir()) == []


def test_import_loads_no_optional_library() -> None:
    code = "import sys, watlowlib; print({'pyarrow', 'psycopg', 'rich', 'pandas'} & {*sys.modules})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert shown.stdout == "set()\n"


@pytest.mark.parametrize("name", ["a", "a.xls", "csv", ""])
def test_unknown_extension_is_refused(name: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=r"known are \.csv, \.jsonl, \.sqlite"):
        open_sink(name)


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted")
@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_deleted_file_is_an_error(tmp_path: Path, suffix: str) -> None:
    sink = open_sink(tmp_path / f"run.{suffix}")
    with (
        pytest.raises(WatlowSinkError, match="changed by another program"),
        sink,
    ):
        sink.write_many(many(2))
        (written,) = tmp_path.iterdir()
        written.unlink()
        with pytest.raises(WatlowSinkError, match="changed by another program"):
            sink.write_many(many(2))
        if suffix != "parquet":
            sink.write_many(many(2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced")
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_replaced_file_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run.{suffix}"
    with open_sink(path) as sink:
        sink.write_many(many(2))
        edited = tmp_path / "edited"
        edited.write_bytes(path.read_bytes())
        edited.replace(path)
        with pytest.raises(WatlowSinkError, match="changed by another program"):
            sink.write_many(many(2))


@pytest.mark.skipif(sys.platform == "win32", reason="links need special rights on Windows")
def test_deleted_link_is_no_error_but_a_deleted_database_is(tmp_path: Path) -> None:
    path, link, other = tmp_path / "run.sqlite", tmp_path / "now.sqlite", tmp_path / "other.sqlite"
    link.symlink_to(path)
    other.touch()
    with SqliteSink(link) as sink:
        sink.write_many(many(2))
        link.unlink()
        sink.write_many(many(2))
        assert len(list(read_samples(path))) == 4
        link.symlink_to(other)
        path.unlink()
        with pytest.raises(WatlowSinkError, match="changed by another program"):
            sink.write_many(many(2))


def test_database_in_memory_needs_no_file() -> None:
    with SqliteSink(":memory:") as sink:
        sink.write_many(many(2))
        sink.write_many(many(2))


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs a folder without access rights")
def test_sqlite_writes_on_without_access_to_the_folder(tmp_path: Path) -> None:
    """For example a service that drops its rights after it has opened its files."""
    folder, me = tmp_path / "closed", os.geteuid()
    folder.mkdir()
    with SqliteSink(folder / "run.sqlite") as sink:
        sink.write_many(many(2))
        folder.chmod(0)
        if me == 0:
            os.seteuid(65534)
        try:
            sink.write_many(many(2))
        finally:
            os.seteuid(me)
            folder.chmod(0o700)
    assert len(list(read_samples(folder / "run.sqlite"))) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted")
def test_deleted_database_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path) as sink:
        sink.write_many(many(2))
        path.unlink()
        with pytest.raises(WatlowSinkError, match="changed by another program"):
            sink.write_many(many(2))


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be renamed")
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_renamed_file_is_no_error(tmp_path: Path, suffix: str) -> None:
    with open_sink(tmp_path / f"run.{suffix}") as sink:
        sink.write_many(many(2))
        (tmp_path / f"run.{suffix}").rename(tmp_path / f"moved.{suffix}")
        sink.write_many(many(2))
    assert len(list(read_samples(tmp_path / f"moved.{suffix}"))) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot open a folder")
def test_a_replaced_file_is_on_the_disk_before_and_its_name_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    new.write_text("new rows")
    old.write_text("old rows")
    synced: list[tuple[str, str]] = []

    def fsync(number: int) -> None:
        of = tmp_path if os.path.samestat(os.fstat(number), tmp_path.stat()) else new
        assert os.path.samestat(os.fstat(number), of.stat())
        synced.append((of.name, old.read_text()))

    monkeypatch.setattr("os.fsync", fsync)
    files.replace(new, old)
    assert synced == [("new", "old rows"), (tmp_path.name, "new rows")]
