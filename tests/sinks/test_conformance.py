"""One suite over every sink: what was written reads back equal, types included, in order."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.sinks.postgres_server import PostgresServer
from tests.sinks.samples import EVERY_KIND, FIRST, many
from watlowlib import (
    CsvSink,
    InMemorySink,
    JsonlSink,
    ParquetSink,
    PostgresConfig,
    PostgresSink,
    Sample,
    SqliteSink,
    WatlowConfigurationError,
    WatlowSinkError,
    pipe,
    read_samples,
    record,
    sample_to_row,
)
from watlowlib._internal.clock import ManualClock
from watlowlib.devices.poll import Poll
from watlowlib.sinks.base import Sink

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

Row = dict[str, Any]
COLUMNS = [field.name for field in dataclasses.fields(Sample) if field.name != "raw"]


@dataclass
class Place:
    """A sink, and how its rows are read."""

    make: Callable[..., Sink]
    read: Callable[[], list[Row]]
    path: Path


def in_files(kind: type[Any], **options: Any) -> Callable[[Path, Any], Place]:
    def place(folder: Path, request: Any) -> Place:
        ending = {CsvSink: "csv", JsonlSink: "jsonl", SqliteSink: "sqlite"}.get(kind, "parquet")
        path = folder / f"run.{ending}"

        def make(**more: Any) -> Sink:
            made: Sink = kind(path, **options, **more)
            return made

        return Place(make, lambda: list(read_samples(path)), path)

    return place


def in_memory(folder: Path, request: Any) -> Place:
    sink = InMemorySink()
    return Place(
        lambda **more: sink,
        lambda: [plain(each) if isinstance(each, Sample) else dict(each) for each in sink.samples],
        folder,
    )


def in_postgres(folder: Path, request: Any, **options: Any) -> Place:
    server: PostgresServer = request.getfixturevalue("postgres")
    table = request.getfixturevalue("table")
    config = PostgresConfig(dsn=server.url, table=table, create_table=True, **options)
    spool = folder / "run.spool"

    def read() -> list[Row]:
        if not server.query("SELECT to_regclass(%s)", table)[0][0]:
            return []
        names = [
            name
            for (name,) in server.query(
                "SELECT attname FROM pg_attribute WHERE attnum > 0 "
                f"AND attrelid = '{table}'::regclass ORDER BY attnum"
            )
        ]
        rows = []
        # In the order of the runs, whose time of beginning is that of their first row.
        for cells in server.query(f"SELECT * FROM {table} ORDER BY xmin::text::bigint, seq"):
            row = dict(zip(names, cells, strict=True))
            del row["run_id"], row["seq"]
            for name in [name for name in row if f"{name}_text" in row]:
                text = row.pop(f"{name}_text")
                if text is not None:
                    row[name] = text if row[name] is None else int(text)
            rows.append(row)
        return rows

    return Place(lambda **more: PostgresSink(config, spool=spool, **more), read, spool)


PLACES = {
    "memory": in_memory,
    "csv": in_files(CsvSink),
    "csv-fsync": in_files(CsvSink, fsync=True),
    "jsonl": in_files(JsonlSink),
    "sqlite": in_files(SqliteSink),
    "parquet": in_files(ParquetSink),
    "parquet-parts": in_files(ParquetSink, rotate_bytes=1),
    "postgres": in_postgres,
    "postgres-insert": lambda folder, request: in_postgres(folder, request, use_copy=False),
}
FILES = [name for name in PLACES if not name.startswith(("memory", "postgres"))]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return PLACES[request.param](tmp_path, request)


@pytest.fixture(params=FILES)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return PLACES[request.param](tmp_path, request)


def plain(sample: Sample) -> Row:
    """What a row holds, by hand."""
    row = {name: getattr(sample, name) for name in COLUMNS}
    row["protocol"] = "stdbus"
    row["unit"] = None if sample.unit is None else str(sample.unit)
    return row


def typed(rows: list[Row]) -> list[list[tuple[str, type, Any]]]:
    """With the types, since 71 == 71.0."""
    return [[(name, type(cell), cell) for name, cell in row.items()] for row in rows]


def test_what_was_written_reads_back_equal(place: Place) -> None:
    with place.make() as sink:
        sink.write_many(EVERY_KIND)
    rows = place.read()
    assert typed(rows) == typed([plain(sample) for sample in EVERY_KIND])


def test_a_first_batch_of_nothing_but_gaps_fixes_nothing(place: Place) -> None:
    gaps = [replace(FIRST, value=None, unit=None, raw=None, status="timeout")] * 3
    with place.make() as sink:
        sink.write_many(gaps)
        sink.write_many(EVERY_KIND)
    assert typed(place.read()) == typed([plain(sample) for sample in [*gaps, *EVERY_KIND]])


def test_batches_of_all_sizes_are_in_order(place: Place) -> None:
    rows = many(400)
    with place.make() as sink:
        for start, stop in ((0, 1), (1, 2), (2, 33), (33, 100), (100, 400)):
            sink.write_many(rows[start:stop])
    assert [row["value"] for row in place.read()] == [float(n) for n in range(400)]


def test_opening_again_goes_on_where_it_ended(place: Place) -> None:
    for start in (0, 2):
        with place.make() as sink:
            sink.write_many([replace(FIRST, value=float(start + n)) for n in range(2)])
    assert [row["value"] for row in place.read()] == [0.0, 1.0, 2.0, 3.0]


def test_opening_and_closing_twice_is_once(place: Place) -> None:
    sink = place.make()
    sink.open()
    sink.open()
    sink.write_many(many(1))
    sink.close()
    sink.close()
    assert len(place.read()) == 1


def test_no_rows_are_no_rows(place: Place) -> None:
    with place.make() as sink:
        sink.write_many([])
    assert place.read() == []


def test_one_that_is_not_open_says_so(place: Place) -> None:
    sink = place.make()
    for _ in range(2):
        with pytest.raises(WatlowSinkError, match="is not open; use it in a with statement"):
            sink.write_many(many(1))
        sink.open()
        sink.close()
    assert place.read() == []


ALICAT = [
    {
        "device": "argon",
        "address": "A",
        "flow_sccm": 12.5,
        "setpoint": 10,
        "gas": "Ar",
        "note": None,
        "requested_at": datetime(2026, 3, 1, 13, 0, tzinfo=timezone(timedelta(hours=1))),
    },
    {
        "device": "argon",
        "address": "B",
        "flow_sccm": None,
        "setpoint": 11,
        "gas": None,
        "note": None,
        "requested_at": "2026-03-01T12:00:01Z",
    },
]


def test_rows_of_others_read_back_equal(place: Place) -> None:
    for _ in range(2):
        # Names that are there already are given when rows of this kind are added.
        with place.make(columns=list(ALICAT[0])) as sink:
            sink.write_many([{**row, "address": 1} for row in ALICAT])
    read = [row for row in place.read() if isinstance(row["requested_at"], datetime)]
    expected = [
        {**ALICAT[n], "address": 1, "requested_at": datetime(2026, 3, 1, 12, 0, n, tzinfo=UTC)}
        for n in range(2)
    ]
    if not isinstance(sink, InMemorySink):
        assert typed(read) == typed(expected * 2)


UTC = timezone.utc


def test_a_column_that_appears_later_is_left_out_with_one_warning(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    row = {**sample_to_row(FIRST), "humidity": 40.0}
    with place.make() as sink:
        sink.write_many([FIRST])
        for _ in range(3):
            sink.write_many([row, FIRST])
    if isinstance(sink, InMemorySink):
        return  # it has no columns
    assert typed(place.read()) == typed([plain(FIRST)] * 7)
    assert caplog.text.count("column 'humidity' is left out") == 1


def test_a_sample_in_the_first_batch_fixes_the_columns(place: Place) -> None:
    with place.make() as sink:
        sink.write_many([{**plain(FIRST), "humidity": 40.0}, FIRST])
    if not isinstance(sink, InMemorySink):
        assert place.read() == [plain(FIRST)] * 2


def test_columns_that_samples_have_too_hold_what_they_hold_there(place: Place) -> None:
    rows = [
        {"device": "argon", "gas": "Ar", "value": value, "requested_at": FIRST.requested_at}
        for value in (1, None, 1.5, "off")
    ]
    with place.make() as sink:
        for row in rows:
            sink.write_many([row])
    assert typed(place.read()) == typed(rows)


def test_a_column_that_was_text_stays_text(place: Place) -> None:
    row = {"device": "argon", "gas": "Ar", "requested_at": FIRST.requested_at}
    with place.make() as sink:
        sink.write_many([row])
        sink.write_many([{**row, "gas": 5}])
    if not isinstance(sink, InMemorySink):
        assert typed(place.read()) == typed([row, {**row, "gas": "5"}])


def test_a_column_that_is_missing_later_is_none(place: Place) -> None:
    row = {name: cell for name, cell in plain(FIRST).items() if name != "status"}
    with place.make() as sink:
        sink.write_many([FIRST])
        sink.write_many([row])
    if not isinstance(sink, InMemorySink):
        assert place.read() == [plain(FIRST), {**plain(FIRST), "status": None}]


def test_a_cell_that_cannot_be_is_said_and_the_rest_of_the_batch_is_not_kept(place: Place) -> None:
    rows = [plain(FIRST), {**plain(FIRST), "value": ["a", "list"]}]
    with place.make() as sink:
        sink.write_many([FIRST])
        if isinstance(sink, InMemorySink):
            return
        with pytest.raises(WatlowSinkError, match=r"value=.*'list'.*: a cell is a number"):
            sink.write_many(rows)
        with pytest.raises(WatlowSinkError, match="give a time with its zone"):
            sink.write_many([{**rows[0], "requested_at": datetime(2026, 1, 1)}])
        sink.write_many([FIRST])
    assert place.read() == [plain(FIRST)] * 2


class Source:
    """Ticks as fast as they are taken."""

    def prepare(self, parameters: object, **options: object) -> Poll:
        return lambda stop=None: [FIRST]


class Hurrying(ManualClock):
    """A clock on which whoever waits has waited already."""

    def wait_until(self, due_ns: int, stop: Any) -> bool:
        self._now_ns = max(self._now_ns, due_ns)
        return stop.is_set()


def test_a_recording_goes_into_it(place: Place) -> None:
    stream = record(Source(), parameters="pv", rate_hz=1e6, duration=1e-4, clock=Hurrying())
    with place.make() as sink, stream:
        summary = pipe(stream, sink, batch_size=7)
    assert summary.sinks[0].rows_written == len(place.read()) == 100


def test_what_ends_the_writer_reaches_the_caller_with_the_rows_countable(place: Place) -> None:
    sink = place.make()
    stream = record(Source(), parameters="pv", rate_hz=1e6, duration=1e-4, clock=Hurrying())
    with pytest.raises(WatlowSinkError, match=r"did not keep \d+ rows .*is not open"), stream:
        pipe(stream, sink, batch_size=7)
    (report,) = stream.summary.sinks
    assert report.rows_written == 0
    assert report.rows_lost == stream.summary.rows > 0


def test_a_sink_has_no_columns_by_the_name_of_a_text(place: Place) -> None:
    if place.make() is place.make():
        return  # memory: it has no columns
    for wrong in ("device", []):
        with pytest.raises(WatlowConfigurationError, match="columns=.*: give a list of names"):
            place.make(columns=wrong)


# Of those that are files only.


def test_every_write_can_be_read_at_once_by_others(file: Place) -> None:
    with file.make() as sink:
        for count in (1, 2, 3):
            sink.write_many(many(1))
            assert len(file.read()) == count


def test_a_folder_that_is_not_there(file: Place, tmp_path: Path) -> None:
    sink = file.make()
    sink.path = tmp_path / "nowhere/run.file"  # type: ignore[attr-defined]
    with pytest.raises(WatlowSinkError, match="there is no folder .*nowhere.*; make it first"):
        sink.open()


def test_a_place_that_is_of_another_kind(file: Place, request: pytest.FixtureRequest) -> None:
    if "parts" in request.node.name:
        file.path.write_text("a file, not a folder")
    else:
        file.path.mkdir()
    with pytest.raises(WatlowSinkError, match="could not be opened"):
        file.make().open()


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs permissions")
def test_a_folder_that_cannot_be_written_to(file: Place) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file.path = folder / file.path.name
        sink = file.make()
        sink.path = file.path  # type: ignore[attr-defined]
        sink.open()
        sink.write_many(many(3))
        sink.close()
        before = {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()}
        for each in (folder, *folder.rglob("*")):
            each.chmod(0o555 if each.is_dir() else 0o444)
        with as_nobody(), pytest.raises(WatlowSinkError, match="could not be opened"):
            sink.open()
        assert {each: each.read_bytes() for each in folder.rglob("*") if each.is_file()} == before
        folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs permissions")
def test_a_database_without_a_journal_of_its_own_that_cannot_be_written_to() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        sink = SqliteSink(Path(name) / "run.sqlite", journal_mode="DELETE")
        with sink:
            sink.write_many(many(3))
        sink.path.chmod(0o444)
        with as_nobody(), pytest.raises(WatlowSinkError, match="could not be opened"):
            sink.open()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Permissions count, also when the tests are run by root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.skipif(resource is None, reason="needs a limit on file sizes")
def test_a_disk_that_is_full_keeps_what_was_written(
    file: Place, request: pytest.FixtureRequest
) -> None:
    if "parts" in request.node.name:
        return  # each of its files is small
    with file.make() as sink:
        with size_limit(60_000):
            kept = 0
            with pytest.raises(WatlowSinkError, match="could not be (written|finished)"):
                while kept < 10_000:
                    sink.write_many(many(7))
                    kept += 7
            with pytest.raises(WatlowSinkError, match="could not be written"):
                sink.write_many(many(700))
            assert len(file.read()) == kept
            if isinstance(sink, (CsvSink, JsonlSink)):
                assert file.path.read_bytes().endswith(b"\n"), "a torn line is left"
        sink.write_many(many(1))
    assert kept > 7
    assert len(file.read()) == kept + 1


@contextmanager
def size_limit(size: int) -> Iterator[None]:
    """No file may grow beyond `size`: to the program, the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_two_sinks_on_one_text_or_parquet_file(file: Place, request: Any) -> None:
    with file.make() as sink:
        sink.write_many(many(1))
        if isinstance(sink, SqliteSink):
            with file.make() as other:
                other.write_many(many(1))
            return
        with pytest.raises(WatlowSinkError, match="is being written to by another sink"):
            file.make().open()
    with file.make():
        assert len(file.read()) == 1
