"""Tests of `read_samples`: rows and tables of all file formats."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.model.test_html import Page
from tests.sinks.samples import EVERY_KIND, START, many
from tests.sinks.test_metadata import pipe_into, recording
from watlowlib import SqliteSink, WatlowConfigurationError, WatlowSinkError, open_sink, read_samples
from watlowlib.sinks.reading.query import Query, make_query
from watlowlib.sinks.reading.samples import StoredSamples

SUFFIXES = ["csv", "jsonl", "sqlite", "parquet"]


@pytest.fixture(params=SUFFIXES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / f"run.{request.param}"
    with open_sink(made) as sink:
        sink.write_many(EVERY_KIND)
    return made


def test_rows_can_be_read_repeatedly(path: Path) -> None:
    stored = read_samples(path)
    assert list(stored) == list(stored)
    assert [row["device"] for row in stored] == [sample.device for sample in EVERY_KIND]
    assert [row["requested_at"] for row in stored] == [each.requested_at for each in EVERY_KIND]


def test_to_arrow_splits_numbers_and_text(path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    table = read_samples(path).to_arrow()
    assert table.num_rows == len(EVERY_KIND)
    assert table.column("requested_at").type == pa.timestamp("us", "UTC")
    numbers = [v.value if isinstance(v.value, (int, float)) else None for v in EVERY_KIND]
    assert table.column("value").to_pylist() == numbers
    assert table.column("value_text").to_pylist()[3:5] == ["71", "PM3R1CA-AAAAAAA"]


def test_to_pandas(path: Path) -> None:
    pytest.importorskip("pandas")
    frame = read_samples(path).to_pandas()
    assert list(frame["device"]) == [sample.device for sample in EVERY_KIND]
    assert frame["value"][0] == 72.4
    assert str(frame["requested_at"].dt.tz) == "UTC"


def test_to_polars(path: Path) -> None:
    pytest.importorskip("polars")
    # In a separate process: polars keeps threads that cannot be stopped.
    code = "import sys, watlowlib as w; f = w.read_samples(sys.argv[1]).to_polars()"
    command = [sys.executable, "-c", f"{code}; print(*f['value'][:2], f.height)", str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    assert shown.stdout.split() == ["72.4", "72.0", str(len(EVERY_KIND))]


def test_empty_file_reads_as_empty_table(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with open_sink(tmp_path / "run.csv"):
        pass
    table = read_samples(tmp_path / "run.csv").to_arrow()
    assert (table.num_rows, table.column_names[0]) == (0, "device")


def store(path: Path, *rows: dict[str, Any]) -> None:
    with open_sink(path) as sink:
        sink.write_many(rows)


def test_a_folder_is_read_in_time_order(tmp_path: Path) -> None:
    for name, hour in (("run-10.csv", 2), ("run-2.csv", 1), ("a.csv", 3)):
        store(tmp_path / name, {"device": name, "requested_at": START + timedelta(hours=hour)})
    (tmp_path / "run-2.csv.torn").write_text("torn")
    (tmp_path / "_old.csv").write_text("not read")
    assert [row["device"] for row in read_samples(tmp_path)] == ["run-2.csv", "run-10.csv", "a.csv"]
    pattern = read_samples(str(tmp_path / "run-*"))
    assert [row["device"] for row in pattern] == ["run-2.csv", "run-10.csv"]


def test_files_of_several_formats_are_refused(tmp_path: Path) -> None:
    for name in ("run.csv", "run.sqlite"):
        store(tmp_path / name, {"device": "a"})
    for source in (tmp_path, tmp_path / "run.*"):
        with pytest.raises(WatlowConfigurationError, match="several formats.*give a pattern"):
            read_samples(source)


def test_a_pattern_finds_unfinished_parquet_files(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with open_sink(tmp_path / "run-1.parquet") as sink:
        sink.write_many(many(3))
        assert len(list(read_samples(tmp_path / "run-*.parquet"))) == 3
        assert read_samples(tmp_path / "run-*.parquet").to_arrow().num_rows == 3
    with pytest.raises(WatlowSinkError, match="no file matches"):
        read_samples(tmp_path / "other-*.parquet")


def test_a_column_that_an_older_file_lacks_is_missing_there(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    store(tmp_path / "1.csv", {"device": "a", "requested_at": START})
    store(tmp_path / "2.csv", {"device": "b", "requested_at": START, "value": 1.5, "tick": 7})
    stored = read_samples(tmp_path)
    assert stored.to_arrow().column("tick").to_pylist() == [None, 7]
    frame = stored.to_pandas()
    assert (list(frame["device"]), frame["tick"][1]) == (["a", "b"], 7)
    assert frame["value"].isna().tolist() == [True, False]
    old = read_samples(tmp_path / "1.csv", columns=["tick", "device"])
    assert list(old) == old.to_arrow().to_pylist() == [{"tick": None, "device": "a"}]


def test_columns_and_filters_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    store(tmp_path / "run.csv", {"gas": "N2"})
    with pytest.raises(WatlowSinkError, match="has no column 'flow'; known are device,.* gas"):
        list(read_samples(tmp_path / "run.csv", columns="flow"))
    with pytest.raises(WatlowSinkError, match="cannot be filtered: it has no column device"):
        list(read_samples(tmp_path / "run.csv", device="a"))
    for wrong in (datetime(2026, 1, 1), "yesterday", 5):
        with pytest.raises(WatlowConfigurationError, match=r"since=.*give a datetime with a time"):
            read_samples(tmp_path / "run.csv", since=wrong)  # type: ignore[arg-type]
    for wrong in ([], [None], 1.5):
        with pytest.raises(WatlowConfigurationError, match="device=.*: give one or several names"):
            read_samples(tmp_path / "run.csv", device=wrong)  # type: ignore[arg-type]


def test_metadata_is_that_of_each_file(tmp_path: Path) -> None:
    infos = []
    for name in ("run-1.csv", "run-2.csv"):
        with open_sink(tmp_path / name) as sink:
            infos.append(pipe_into(sink, recording(file=name)))
    assert read_samples(tmp_path).metadata == infos
    assert [info["metadata"]["file"] for info in infos] == ["run-1.csv", "run-2.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on memory")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_iterating_needs_little_memory(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run.{suffix}"
    with open_sink(path) as sink:
        for _ in range(3):
            sink.write_many(many(10_000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_samples(path)) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 20_000_000  # 1,000 bytes a row would be 30
    finally:
        tracemalloc.stop()


def test_missing_file_is_refused(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        with pytest.raises(WatlowSinkError, match="there is no file"):
            read_samples(tmp_path / f"no.{suffix}")


def test_unknown_extension_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WatlowConfigurationError, match=r"known are \.csv, \.jsonl, \.sqlite"):
        read_samples(tmp_path / "run.xls")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_file_of_another_format_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"run.{suffix}"
    path.write_bytes(b'"not what it says' * 100 + b"\n\xff\xfe\n")
    with pytest.raises(WatlowSinkError):
        assert list(read_samples(path)) == []
        raise WatlowSinkError("no complete row")


def test_sqlite_table_is_selected_by_name(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path, table="ovens") as sink:
        sink.write_many(many(3))
    assert len(list(read_samples(path, table="ovens"))) == 3
    with pytest.raises(WatlowSinkError, match="has no table 'samples'; there is 'ovens'"):
        list(read_samples(path))
    with pytest.raises(WatlowConfigurationError, match="allowed are letters"):
        read_samples(path, table="x; y")


def test_reading_does_not_change_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE samples (device, value)")
        database.execute("INSERT INTO samples VALUES ('a', 1)")
        database.commit()
    before = path.read_bytes()
    assert list(read_samples(path)) == [{"device": "a", "value": 1}]
    assert path.read_bytes() == before


def test_reading_a_closed_recording_leaves_no_files_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with open_sink(path) as sink:
        sink.write_many(many(3))
    before = path.read_bytes(), path.stat().st_mtime_ns
    rows = iter(read_samples(path))
    assert len(list(rows)) == 3
    assert len(list(zip(range(1), read_samples(path)))) == 1
    assert read_samples(path).metadata == []
    assert list(tmp_path.iterdir()) == [path]
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_sink_can_write_while_rows_are_read(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with open_sink(path) as sink:
        sink.write_many(many(3))
    rows = iter(read_samples(path))
    next(rows)
    with open_sink(path) as sink:
        sink.write_many(many(2))
    assert len(list(rows)) == 2
    assert len(list(read_samples(path))) == 5
    assert list(tmp_path.iterdir()) == [path]


def test_reading_after_a_crash_changes_no_file(tmp_path: Path) -> None:
    path, crashed = tmp_path / "run.sqlite", tmp_path / "crashed"
    crashed.mkdir()
    with open_sink(path) as sink:
        sink.write_many(many(3))
        for each in (path, path.with_name("run.sqlite-wal")):
            shutil.copy(each, crashed)
    before = {each: each.read_bytes() for each in crashed.iterdir()}
    assert len(list(read_samples(crashed / path.name))) == 3
    assert {each: each.read_bytes() for each in before} == before


def test_a_notebook_shows_the_filters_and_the_first_rows(path: Path) -> None:
    page = Page(read_samples(path, columns=["parameter", "value", "requested_at"]))
    assert (
        page.fields(f"read_samples({str(path)!r})")["columns"] == "parameter, value, requested_at"
    )
    head, *rows = page.tables[f"the first rows of {path}"]
    assert head == ["parameter", "value", "requested_at"]
    assert [row[:2] for row in rows] == [
        ["process_value", "72.4"],
        ["process_value", "72"],
        ["process_value", ""],
        ["heat_algorithm", "71"],
        ["part_number", "PM3R1CA-AAAAAAA"],
    ]
    assert rows[0][2] == "2026-03-01 12:00:00.000 UTC"


def test_a_notebook_shows_that_no_such_row_is_near_the_beginning(path: Path) -> None:
    assert Page(read_samples(path, device="dryer")).texts == [
        f"no such row among the first 1000 of {path}"
    ]


def test_a_notebook_shows_why_a_file_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.touch()
    stored = read_samples(path)
    path.unlink()
    (text,) = Page(stored).texts
    assert text.startswith(f"{path} could not be read")


class EndlessFile:
    """A reader of more rows than can be read."""

    source = "endless.csv"

    def rows(self, query: Query) -> Iterator[dict[str, Any]]:
        for count in range(2000):
            yield {"device": "oven", "value": count}
        pytest.fail("all rows are read")


@pytest.mark.parametrize("device", [None, "dryer"])
def test_a_notebook_does_not_read_all_rows(device: str | None) -> None:
    query = make_query(device, None, None, None, None)
    html = StoredSamples([EndlessFile()], query, "endless.csv")._repr_html_()  # type: ignore[list-item]
    assert ("the first rows" in html) is (device is None)


def test_a_notebook_reads_no_rows_of_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EndlessFile, "source", "postgresql://user@host/database")
    monkeypatch.setattr(EndlessFile, "rows", pytest.fail)
    query = make_query("oven", None, None, None, None)
    page = Page(StoredSamples([EndlessFile()], query, "database"))  # type: ignore[list-item]
    assert page.fields("read_samples(database)") == {"files": "1", "devices": "oven"}
