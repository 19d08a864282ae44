"""The metadata of recordings: stored by each sink before the rows, and read back."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.postgres_server import PostgresServer
from tests.sinks.samples import FIRST, many
from tests.sinks.test_conformance import FILE_TARGETS, TARGETS, InstantClock, Source, Target
from watlowlib import (
    CsvSink,
    InMemorySink,
    JsonlSink,
    ParquetSink,
    PostgresConfig,
    PostgresSink,
    Recording,
    RecordingInfo,
    Sample,
    SqliteSink,
    open_sink,
    pipe,
    read_samples,
    record,
)
from watlowlib.cli.progress import WatchedSink
from watlowlib.sinks.base import Sink
from watlowlib.sinks.meta_file import meta_path
from watlowlib.sinks.postgres.spool import Spool
from watlowlib.sync import SyncSinkAdapter


def recording(**metadata: Any) -> Recording:
    return record(
        Source(), parameters="pv", rate_hz=1e6, duration=5e-6, clock=InstantClock(),
        metadata=metadata,
    )  # fmt: skip


def pipe_into(sink: Any, stream: Recording) -> dict[str, Any]:
    """Write a recording and return what its sinks should know about it."""
    with stream:
        pipe(stream, sink, batch_size=2)
    return stream.info.as_dict()


def stored(target: Target, sink: Sink, request: Any) -> list[dict[str, Any]]:
    """Return what a sink has stored about recordings."""
    if isinstance(sink, InMemorySink):
        return [each.as_dict() for each in sink.recordings]
    if isinstance(sink, PostgresSink):
        server = request.getfixturevalue("postgres")
        return read_samples(server.url, table=request.getfixturevalue("table")).metadata
    return read_samples(target.path).metadata


def on_server(server: PostgresServer, table: str) -> list[dict[str, Any]]:
    if server.query("SELECT to_regclass('recordings')") == [(None,)]:
        return []
    query = "SELECT info FROM recordings WHERE table_name = %s ORDER BY xmin::text::bigint"
    return [info for (info,) in server.query(query, table)]


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return TARGETS[request.param](tmp_path, request)


@pytest.fixture(params=FILE_TARGETS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return TARGETS[request.param](tmp_path, request)


NOTES = {"operator": "Jörg", "steps": [1, {"dry": None}], "mark": "watlowlib.crc32=00000000"}


def test_metadata_reads_back_equal(target: Target, request: Any) -> None:
    with target.make() as sink:
        info = pipe_into(sink, recording(**NOTES))
    assert info["metadata"] == NOTES
    assert stored(target, sink, request) == [info]
    assert len(target.read()) == 5


def test_each_recording_in_a_file_has_its_metadata_once(target: Target, request: Any) -> None:
    with target.make() as sink:
        infos = [pipe_into(sink, recording(number=number)) for number in range(2)]
    with target.make() as sink:
        last = recording(number=2)
        infos.append(pipe_into(sink, last))
        sink.write_recording(last.info)
        sink.write_many(many(1))
    assert [info["metadata"]["number"] for info in infos] == [0, 1, 2]
    assert stored(target, sink, request) == infos
    assert len(target.read()) == 16


def test_a_file_without_metadata_has_no_recordings(file: Target) -> None:
    with file.make() as sink:
        sink.write_many(many(1))
        assert read_samples(file.path).metadata == []
    assert read_samples(file.path).metadata == []


def test_metadata_survives_a_kill(file: Target, tmp_path: Path) -> None:
    after_kill = tmp_path / "after kill" / file.path.name
    with file.make() as sink:
        infos = [pipe_into(sink, recording(number=number)) for number in range(2)]
        assert read_samples(file.path).metadata == infos
        ignored = shutil.ignore_patterns(after_kill.parent.name)
        shutil.copytree(file.path.parent, after_kill.parent, ignore=ignored)
    assert read_samples(after_kill).metadata == infos
    sink.path = after_kill  # type: ignore[attr-defined]
    with sink:
        sink.write_many(many(1))
    assert read_samples(after_kill).metadata == infos
    assert len(list(read_samples(after_kill))) == 11


def test_each_file_of_a_parquet_folder_has_the_metadata(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with ParquetSink(tmp_path / "run", rotate_bytes=1) as sink:
        info = pipe_into(sink, recording(**NOTES))
    files = sorted((tmp_path / "run").glob("*.parquet"))
    assert len(files) == 3
    for each in files:
        assert json.loads(parquet.read_metadata(each).metadata[b"watlowlib.recordings"]) == [info]


@pytest.mark.parametrize("cls", [CsvSink, JsonlSink])
@pytest.mark.parametrize("content", ["{", "[]", '{"recordings": 1}', None])
def test_an_invalid_metadata_file_is_kept_and_the_rows_are_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, cls: Callable[[Path], Any], content: Any
) -> None:
    path = tmp_path / "run.file"
    meta = tmp_path / "run.file.meta.json"
    meta.mkdir() if content is None else meta.write_text(content)
    with cls(path) as sink:
        pipe_into(sink, recording(**NOTES))
    assert path.read_text("utf-8").count("ok") == 5
    assert caplog.text.count("the metadata of the recording is not stored") == 1
    assert caplog.text.count("run.file.meta.json") >= 1
    assert meta.is_dir() if content is None else meta.read_text() == content
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, meta.name]


@pytest.mark.parametrize("cls", [CsvSink, JsonlSink, SqliteSink])
@pytest.mark.skipif(os.name == "nt", reason="Windows refuses to move an open file")
def test_a_file_opened_again_gets_the_metadata_of_its_recording(tmp_path: Path, cls: Any) -> None:
    path = tmp_path / f"run.{cls.__name__.removesuffix('Sink').lower()}"
    old = tmp_path / "old"
    old.mkdir()
    with cls(path, on_replaced="reopen") as sink:
        info = pipe_into(sink, recording(**NOTES))
        for each in tmp_path.glob("run.*"):
            each.rename(old / each.name)
        sink.write_many(many(1))
    assert read_samples(path).metadata == read_samples(old / path.name).metadata == [info]
    assert len(list(read_samples(path))) == 1


def test_the_table_of_metadata_can_be_queried(tmp_path: Path) -> None:
    path = tmp_path / "run.sqlite"
    with SqliteSink(path) as one, SqliteSink(path, table="ovens") as other:
        infos = [pipe_into(sink, recording(operator="Kim")) for sink in (one, other)]
    query = "SELECT table_name, started_at, json_extract(info, '$.metadata.operator')"
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute(f"{query} FROM recordings").fetchall()
    assert rows == [
        ("samples", infos[0]["started_at"], "Kim"),
        ("ovens", infos[1]["started_at"], "Kim"),
    ]
    assert read_samples(path, table="ovens").metadata == infos[1:]


@pytest.mark.parametrize("case", ["another table", "own table", "create_table=False"])
def test_metadata_that_sqlite_cannot_store_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    path = tmp_path / "run.sqlite"
    table = "Recordings" if case == "own table" else "samples"
    with closing(sqlite3.connect(path)) as database:
        if case == "another table":
            database.execute("CREATE TABLE recordings (title TEXT)")
        elif case == "create_table=False":
            with SqliteSink(path) as sink:
                sink.write_many([FIRST])
    with SqliteSink(path, table=table, create_table=case != "create_table=False") as sink:
        pipe_into(sink, recording(**NOTES))
    assert len(list(read_samples(path, table=table))) in (5, 6)
    assert caplog.text.count("the metadata of the recording is not stored") == 1
    assert "CREATE TABLE" in caplog.text or case == "own table"
    assert read_samples(path, table=table).metadata == []


class BrokenSink(InMemorySink):
    """A user's sink whose `write_recording` fails."""

    def write_recording(self, info: RecordingInfo) -> None:
        raise ZeroDivisionError("a bug")


def test_a_sink_that_fails_to_store_metadata_keeps_its_rows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with BrokenSink() as sink:
        pipe_into(sink, recording())
    assert len(sink.samples) == 5
    assert caplog.text.count("the metadata of the recording is not stored: a bug") == 1


class SmallSink:
    """A sink with the three methods that every sink needs."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def open(self) -> None:
        pass

    def write_many(self, samples: Sequence[Sample]) -> None:
        self.samples += samples

    def close(self) -> None:
        pass


class NoProgress:
    def add_sink(self, sink: WatchedSink) -> None:
        pass

    def add_written(self, samples: Sequence[Sample]) -> None:
        pass


WRAPPERS = [lambda sink: sink, SyncSinkAdapter, lambda sink: WatchedSink(sink, NoProgress())]


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_sink_needs_no_method_for_metadata(
    wrap: Callable[[Any], Any], caplog: pytest.LogCaptureFixture
) -> None:
    sink = SmallSink()
    pipe_into(wrap(sink), recording())
    assert len(sink.samples) == 5
    assert not caplog.records


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_wrapped_sinks_store_metadata(wrap: Callable[[Any], Any]) -> None:
    with InMemorySink() as sink:
        info = pipe_into(wrap(sink), recording())
    assert [each.as_dict() for each in sink.recordings] == [info]


# PostgreSQL


def test_metadata_waits_in_the_spool_while_the_server_is_down(
    postgres: PostgresServer, config: PostgresConfig, spool: Path
) -> None:
    postgres.stop()
    with PostgresSink(config, spool=spool, close_timeout_s=0.1) as sink:
        info = pipe_into(sink, recording(**NOTES))
    postgres.start()
    assert on_server(postgres, config.table) == []
    with PostgresSink(config, spool=spool):
        pass
    assert on_server(postgres, config.table) == [info]
    rows = postgres.query(
        f"SELECT count(*) FROM {config.table} s JOIN recordings r ON r.run_id = s.run_id"
    )
    assert rows == [(5,)]
    with closing(Spool(spool, 1 << 30, config.table_id())) as left:
        assert left.recordings() == []


def test_metadata_that_the_server_refuses_is_one_warning_and_sent_again(
    postgres: PostgresServer, config: PostgresConfig, spool: Path, caplog: Any
) -> None:
    postgres.query("DROP TABLE IF EXISTS recordings")
    postgres.query("CREATE TABLE recordings (title text)")
    try:
        with PostgresSink(config, spool=spool) as sink:
            info = pipe_into(sink, recording(**NOTES))
        assert read_samples(postgres.url, table=config.table).metadata == []
    finally:
        postgres.query("DROP TABLE recordings")
    assert read_samples(postgres.url, table=config.table).metadata == []
    assert postgres.query(f"SELECT count(*) FROM {config.table}") == [(5,)]
    assert sink.stats.rows_waiting == 0
    assert caplog.text.count("the metadata of recordings waits in the spool") == 1
    with PostgresSink(config, spool=spool):
        pass
    assert on_server(postgres, config.table) == [info]


def test_metadata_beside_a_text_file_is_readable(tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    with open_sink(path) as sink:
        info = pipe_into(sink, recording(**NOTES))
    text = meta_path(path).read_text("utf-8")
    assert "Jörg" in text
    assert json.loads(text) == {"recordings": [info]}
