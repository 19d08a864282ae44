"""What is particular to one kind of file."""

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
from watlowlib.sinks.csv import csv_cell, csv_row
from watlowlib.sinks.rows import ColumnLayout, columns_of


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


NOTES = {"no line": b"remember the milk", "a line": b"remember the milk\nand", "empty": b"\n"}


@pytest.mark.parametrize("text", NOTES.values(), ids=NOTES)
@pytest.mark.parametrize("kind", [CsvSink, JsonlSink])
def test_a_file_that_is_not_ours_is_left_alone(
    tmp_path: Path, kind: type[CsvSink | JsonlSink], text: bytes
) -> None:
    path = tmp_path / "notes"
    path.write_bytes(text)
    with pytest.raises(WatlowSinkError, match="give a new name"):
        kind(path).open()
    assert path.read_bytes() == text


@pytest.mark.parametrize("kind", [CsvSink, JsonlSink])
def test_a_torn_last_line_is_cut_off_wherever_it_is_torn(
    tmp_path: Path, kind: type[CsvSink | JsonlSink], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / ("run.csv" if kind is CsvSink else "run.jsonl")
    odd = replace(FIRST, device='a "quoted",\r\n name\n', value=1.0)
    with kind(path) as sink:
        sink.write_many([odd])
        whole = path.stat().st_size
        sink.write_many([odd])
    data = path.read_bytes()
    for torn in range(whole + 1, len(data)):
        path.write_bytes(data[:torn])
        before = list(read_samples(path))
        with kind(path) as sink:
            assert path.read_bytes() == data[:whole]
            sink.write_many([odd])
        assert path.read_bytes() == data
        assert len(before) == 1
    assert f"a torn last line of {len(data) - whole - 1} bytes is cut off" in caplog.text


@pytest.mark.parametrize("kind", [CsvSink, JsonlSink])
def test_a_torn_first_line_is_begun_again(tmp_path: Path, kind: type[CsvSink | JsonlSink]) -> None:
    path = tmp_path / "run.csv"
    with kind(path) as sink:
        sink.write_many(many(1))
    data = path.read_bytes()
    for torn in range(data.index(b"\n")):
        path.write_bytes(data[:torn])
        with kind(path) as sink:
            sink.write_many(many(1))
        assert path.read_bytes() == data


def test_csv_and_json_as_others_read_them(tmp_path: Path) -> None:
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
def test_any_cell_comes_back_from_csv(cells: list[Any]) -> None:
    back = csv_row(",".join(map(csv_cell, cells)) + "\r\n")
    assert [(type(cell), cell) for cell in back] == [(type(cell), cell) for cell in cells]


def test_a_number_json_does_not_have(tmp_path: Path) -> None:
    with JsonlSink(tmp_path / "run.jsonl") as sink:
        sink.write_many(many(1))
        with pytest.raises(WatlowSinkError, match="nan cannot be written"):
            sink.write_many([*many(1), replace(FIRST, value=float("nan"))])
        sink.write_many(many(1))
    assert len(list(read_samples(tmp_path / "run.jsonl"))) == 2


def test_fsync_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited_for: list[int] = []
    monkeypatch.setattr("os.fsync", lambda number: waited_for.append(number))
    for fsync in (False, True):
        with CsvSink(tmp_path / "run.csv", fsync=fsync) as sink:
            sink.write_many(many(1))
            sink.write_many(many(1))
    assert len(waited_for) == 2


def test_sqlite_finds_a_device_and_an_hour_by_an_index(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path, table="ovens") as sink:
        sink.write_many(EVERY_KIND)
    with closing(sqlite3.connect(path)) as database:
        plan = database.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM ovens WHERE device = 'oven_top' "
            "AND requested_at BETWEEN '2026-03-01T12' AND '2026-03-01T13'"
        ).fetchall()
    assert "USING INDEX ovens_device_requested_at (device=? AND requested_at>?" in plan[0][3]


def test_readers_in_other_processes_see_each_flush(tmp_path: Path) -> None:
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


def test_a_table_whose_name_is_a_word_of_sql(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path, table="order") as sink:
        sink.write_many(many(2))
    assert [row["value"] for row in read_samples(path, table="order")] == [0.0, 1.0]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "sqlite", "parquet"])
def test_rows_that_cannot_be_are_said(tmp_path: Path, ending: str) -> None:
    with open_sink(tmp_path / f"run.{ending}") as sink:
        for rows in ([{}], [{1: 2.0}], [{"a": "\ud800"}]):
            with pytest.raises(WatlowSinkError):
                sink.write_many(rows)  # type: ignore[arg-type]
        sink.write_many([{"a": "b"}])
    assert list(read_samples(tmp_path / f"run.{ending}")) == [{"a": "b"}]


def test_a_column_that_takes_the_name_of_anothers_texts() -> None:
    for value in (1.5, "x"):
        layout = ColumnLayout.of([{"v": value, "v_text": "a"}, {"v": 1.5}])
        with pytest.raises(WatlowSinkError, match=r"'v_text' needs another name"):
            columns_of(layout)
    assert list(columns_of(ColumnLayout.of([{"v": "x", "v_text": "a"}]))) == ["v", "v_text"]


def test_a_mark_that_an_editor_has_put_first_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    with CsvSink(path) as sink:
        sink.write_many(many(1))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    with CsvSink(path) as sink:
        sink.write_many(many(1))
    assert [row["device"] for row in read_samples(path)] == ["oven_top", "oven_top"]


def test_a_table_that_is_not_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(WatlowSinkError, match='has no table "samples"; make it, or give create'):
        SqliteSink(tmp_path / "run.sqlite", create_table=False).open()


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


def test_sqlite_waits_for_another_who_opens_the_file_for_the_first_time(tmp_path: Path) -> None:
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
    [
        ("a.csv", CsvSink),
        ("a.JSONL", JsonlSink),
        ("a.b.sqlite", SqliteSink),
        ("a.db", SqliteSink),
        ("a.parquet", ParquetSink),
    ],
)
def test_the_ending_chooses_the_sink(tmp_path: Path, name: str, kind: type) -> None:
    assert type(open_sink(tmp_path / name)) is kind


def test_a_url_is_a_database() -> None:
    sink = open_sink("postgresql://ann:secret@db.example/lab")
    assert isinstance(sink, PostgresSink)
    assert repr(sink) == "PostgresSink('db.example:5432/lab.public.samples')"


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("run.parquet", "pyarrow", "parquet"),
        ("postgresql://ann@db.example/lab", "psycopg", "postgres"),
        ("postgresql://ann@db.example/lab", "psycopg_pool", "postgres"),
    ],
)
def test_a_missing_library_is_named_with_the_line_that_brings_it(
    name: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    sink = open_sink(name)
    with pytest.raises(WatlowSinkError, match=rf"pip install 'watlowlib\[{extra}\]'"):
        sink.open()
    assert list(tmp_path.iterdir()) == []


def test_importing_the_library_loads_none_of_them() -> None:
    code = "import sys, watlowlib; print({'pyarrow', 'psycopg', 'rich', 'pandas'} & {*sys.modules})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert shown.stdout == "set()\n"


@pytest.mark.parametrize("name", ["a", "a.xls", "csv", ""])
def test_an_ending_nobody_knows(name: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=r"known are \.csv, \.jsonl, \.sqlite"):
        open_sink(name)


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be deleted")
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_file_that_was_deleted_under_the_sink_is_an_error(tmp_path: Path, ending: str) -> None:
    sink = open_sink(tmp_path / f"run.{ending}")
    with pytest.raises(WatlowSinkError, match="was deleted or moved while it was written"), sink:
        sink.write_many(many(2))
        (written,) = tmp_path.iterdir()
        written.unlink()
        with pytest.raises(WatlowSinkError, match="was deleted or moved while it was written"):
            sink.write_many(many(2))
        if ending != "parquet":
            sink.write_many(many(2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be replaced")
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_file_in_whose_place_an_editor_has_put_another_is_an_error(
    tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"run.{ending}"
    with open_sink(path) as sink:
        sink.write_many(many(2))
        edited = tmp_path / "edited"
        edited.write_bytes(path.read_bytes())
        edited.replace(path)
        with pytest.raises(WatlowSinkError, match="was deleted or moved while it was written"):
            sink.write_many(many(2))


@pytest.mark.skipif(sys.platform == "win32", reason="a link needs rights there")
def test_a_link_to_a_database_is_not_the_database(tmp_path: Path) -> None:
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
        with pytest.raises(WatlowSinkError, match="was deleted or moved while it was written"):
            sink.write_many(many(2))


def test_a_database_in_memory_has_no_file_that_could_be_deleted() -> None:
    with SqliteSink(":memory:") as sink:
        sink.write_many(many(2))
        sink.write_many(many(2))


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs a folder that nobody may enter")
def test_a_program_that_may_not_look_for_its_database_writes_on(tmp_path: Path) -> None:
    """Such as a service that has given up its rights once all was open."""
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


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be deleted")
def test_a_database_that_was_deleted_under_the_sink_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path) as sink:
        sink.write_many(many(2))
        path.unlink()
        with pytest.raises(WatlowSinkError, match="was deleted or moved while it was written"):
            sink.write_many(many(2))


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open cannot be renamed")
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_one_that_was_renamed_is_none(tmp_path: Path, ending: str) -> None:
    with open_sink(tmp_path / f"run.{ending}") as sink:
        sink.write_many(many(2))
        (tmp_path / f"run.{ending}").rename(tmp_path / f"moved.{ending}")
        sink.write_many(many(2))
    assert len(list(read_samples(tmp_path / f"moved.{ending}"))) == 4
