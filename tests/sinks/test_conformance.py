"""Tests that every sink must pass: rows read back equal, with their types, in order."""

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
UNSTORED = ("raw", "monotonic_ns")
COLUMNS = [field.name for field in dataclasses.fields(Sample) if field.name not in UNSTORED]


@dataclass
class Target:
    """How to create a sink and read its rows."""

    make: Callable[..., Sink]
    read: Callable[[], list[Row]]
    path: Path


def file_target(cls: type[Any], **options: Any) -> Callable[[Path, Any], Target]:
    def target(folder: Path, request: Any) -> Target:
        suffix = {CsvSink: "csv", JsonlSink: "jsonl", SqliteSink: "sqlite"}.get(cls, "parquet")
        path = folder / f"run.{suffix}"

        def make(**more: Any) -> Sink:
            made: Sink = cls(path, **options, **more)
            return made

        return Target(make, lambda: list(read_samples(path)), path)

    return target


def memory_target(folder: Path, request: Any) -> Target:
    sink = InMemorySink()
    return Target(
        lambda **more: sink,
        lambda: [row_of(each) if isinstance(each, Sample) else dict(each) for each in sink.samples],
        folder,
    )


def postgres_target(folder: Path, request: Any, **options: Any) -> Target:
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
        # In the order of the transactions, then of `seq`.
        for cells in server.query(f"SELECT * FROM {table} ORDER BY xmin::text::bigint, seq"):
            row = dict(zip(names, cells, strict=True))
            del row["run_id"], row["seq"]
            for name in [name for name in row if f"{name}_text" in row]:
                text = row.pop(f"{name}_text")
                if text is not None:
                    row[name] = text if row[name] is None else int(text)
            rows.append(row)
        return rows

    return Target(lambda **more: PostgresSink(config, spool=spool, **more), read, spool)


TARGETS = {
    "memory": memory_target,
    "csv": file_target(CsvSink),
    "csv-fsync": file_target(CsvSink, fsync=True),
    "jsonl": file_target(JsonlSink),
    "sqlite": file_target(SqliteSink),
    "parquet": file_target(ParquetSink),
    "parquet-parts": file_target(ParquetSink, rotate_bytes=1),
    "postgres": postgres_target,
    "postgres-insert": lambda folder, request: postgres_target(folder, request, use_copy=False),
}
FILE_TARGETS = [name for name in TARGETS if not name.startswith(("memory", "postgres"))]


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return TARGETS[request.param](tmp_path, request)


@pytest.fixture(params=FILE_TARGETS)
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return TARGETS[request.param](tmp_path, request)


def row_of(sample: Sample) -> Row:
    """Return the expected row of a sample."""
    row = {name: getattr(sample, name) for name in COLUMNS}
    row["protocol"] = "stdbus"
    row["unit"] = None if sample.unit is None else str(sample.unit)
    return row


def with_types(rows: list[Row]) -> list[list[tuple[str, type, Any]]]:
    """Return the cells with their types, because 71 == 71.0."""
    return [[(name, type(cell), cell) for name, cell in row.items()] for row in rows]


def test_rows_read_back_equal(target: Target) -> None:
    with target.make() as sink:
        sink.write_many(EVERY_KIND)
    rows = target.read()
    assert with_types(rows) == with_types([row_of(sample) for sample in EVERY_KIND])


def test_first_batch_of_gaps_does_not_fix_column_types(target: Target) -> None:
    gaps = [replace(FIRST, value=None, unit=None, raw=None, status="timeout")] * 3
    with target.make() as sink:
        sink.write_many(gaps)
        sink.write_many(EVERY_KIND)
    assert with_types(target.read()) == with_types(
        [row_of(sample) for sample in [*gaps, *EVERY_KIND]]
    )


def test_batches_of_all_sizes_keep_their_order(target: Target) -> None:
    rows = many(400)
    with target.make() as sink:
        for start, stop in ((0, 1), (1, 2), (2, 33), (33, 100), (100, 400)):
            sink.write_many(rows[start:stop])
    assert [row["value"] for row in target.read()] == [float(n) for n in range(400)]


def test_reopened_sink_appends(target: Target) -> None:
    for start in (0, 2):
        with target.make() as sink:
            sink.write_many([replace(FIRST, value=float(start + n)) for n in range(2)])
    assert [row["value"] for row in target.read()] == [0.0, 1.0, 2.0, 3.0]


def test_open_and_close_are_idempotent(target: Target) -> None:
    sink = target.make()
    sink.open()
    sink.open()
    sink.write_many(many(1))
    sink.close()
    sink.close()
    assert len(target.read()) == 1


def test_empty_batch_writes_nothing(target: Target) -> None:
    with target.make() as sink:
        sink.write_many([])
    assert target.read() == []


def test_write_to_a_closed_sink_is_refused(target: Target) -> None:
    sink = target.make()
    for _ in range(2):
        with pytest.raises(WatlowSinkError, match="is not open; use it in a with statement"):
            sink.write_many(many(1))
        sink.open()
        sink.close()
    assert target.read() == []


ALICAT_ROWS = [
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


def test_rows_of_other_instruments_read_back_equal(target: Target) -> None:
    for _ in range(2):
        # `columns` is needed to append rows that are not samples.
        with target.make(columns=list(ALICAT_ROWS[0])) as sink:
            sink.write_many(ALICAT_ROWS)
    read = [row for row in target.read() if isinstance(row["requested_at"], datetime)]
    expected = [
        {**ALICAT_ROWS[n], "requested_at": datetime(2026, 3, 1, 12, 0, n, tzinfo=UTC)}
        for n in range(2)
    ]
    if not isinstance(sink, InMemorySink):
        assert with_types(read) == with_types(expected * 2)


UTC = timezone.utc


def test_new_column_is_left_out_with_one_warning(
    target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    row = {**sample_to_row(FIRST), "humidity": 40.0}
    with target.make() as sink:
        sink.write_many([FIRST])
        for _ in range(3):
            sink.write_many([row, FIRST])
    if isinstance(sink, InMemorySink):
        return  # no columns
    assert with_types(target.read()) == with_types([row_of(FIRST)] * 7)
    assert caplog.text.count("column 'humidity' is left out") == 1


def test_a_text_address_is_accepted(file: Target) -> None:
    texts = replace(FIRST, address="A")  # type: ignore[arg-type]
    batches = [[texts], [FIRST], [texts, FIRST]], [[FIRST], [texts], [FIRST]], [[texts]]
    for batch in batches:  # the first, a later and the first batch of a file that is continued
        with file.make() as sink:
            for samples in batch:
                sink.write_many(samples)
    written = [sample for batch in batches for samples in batch for sample in samples]
    assert with_types(file.read()) == with_types([row_of(sample) for sample in written])
    addresses = read_samples(file.path).to_arrow()
    assert addresses.column("address_text").to_pylist() == [str(s.address) for s in written]


def test_a_text_address_is_accepted_after_numbers(file: Target) -> None:
    texts = replace(FIRST, address="A")  # type: ignore[arg-type]
    with file.make() as sink:
        sink.write_many([FIRST])
    with file.make() as sink:
        sink.write_many([texts])
        sink.write_many([FIRST])
    assert [row["address"] for row in file.read()] == [FIRST.address, "A", FIRST.address]
    if isinstance(sink, ParquetSink):  # and while the sink writes
        with file.make() as sink:
            sink.write_many([texts])
            assert len(file.read()) == 4


TICKS = [
    replace(FIRST, tick=number, scheduled_at=FIRST.requested_at + timedelta(seconds=number))
    for number in range(3)
]


def without_ticks(sample: Sample) -> Row:
    """Return the row of `sample` as earlier versions have written it."""
    row = row_of(sample)
    del row["tick"], row["scheduled_at"]
    return row


def test_an_earlier_file_takes_rows_without_ticks(
    target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    with target.make() as sink:
        sink.write_many([without_ticks(FIRST)])
        sink.write_many(TICKS[:1])  # the columns of a file do not change
    if isinstance(sink, InMemorySink):
        return  # no columns
    caplog.clear()
    with target.make() as sink:
        sink.write_many(TICKS[1:2])
        sink.write_many(TICKS[2:])
    rows = [without_ticks(FIRST)] * 4
    assert with_types(target.read()) == with_types(rows)
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "tick" in warning.message
    assert "scheduled_at" in warning.message
    assert "left out" in warning.message


def test_rows_of_a_tick_share_their_tick_and_time(target: Target) -> None:
    stream = record(Source(2), parameters="pv", rate_hz=10.0, duration=0.3, clock=InstantClock())
    with target.make() as sink, stream:
        pipe(stream, sink)
    start = datetime(1970, 1, 1, tzinfo=UTC)
    assert [(row["tick"], row["scheduled_at"]) for row in target.read()] == [
        (number, start + timedelta(milliseconds=100 * number))
        for number in range(3)
        for _ in range(2)
    ]


def test_sample_in_the_first_batch_sets_the_columns(target: Target) -> None:
    with target.make() as sink:
        sink.write_many([{**row_of(FIRST), "humidity": 40.0}, FIRST])
    if not isinstance(sink, InMemorySink):
        assert target.read() == [row_of(FIRST)] * 2


def test_columns_of_samples_keep_their_types_in_mappings(target: Target) -> None:
    rows = [
        {"device": "argon", "gas": "Ar", "value": value, "requested_at": FIRST.requested_at}
        for value in (1, None, 1.5, "off")
    ]
    with target.make() as sink:
        for row in rows:
            sink.write_many([row])
    assert with_types(target.read()) == with_types(rows)


def test_text_column_stays_text(target: Target) -> None:
    row = {"device": "argon", "gas": "Ar", "requested_at": FIRST.requested_at}
    with target.make() as sink:
        sink.write_many([row])
        sink.write_many([{**row, "gas": 5}])
    if not isinstance(sink, InMemorySink):
        assert with_types(target.read()) == with_types([row, {**row, "gas": "5"}])


def test_missing_column_reads_as_none(target: Target) -> None:
    row = {name: cell for name, cell in row_of(FIRST).items() if name != "status"}
    with target.make() as sink:
        sink.write_many([FIRST])
        sink.write_many([row])
    if not isinstance(sink, InMemorySink):
        assert target.read() == [row_of(FIRST), {**row_of(FIRST), "status": None}]


def test_invalid_cell_is_refused_with_its_whole_batch(target: Target) -> None:
    rows = [row_of(FIRST), {**row_of(FIRST), "value": ["a", "list"]}]
    with target.make() as sink:
        sink.write_many([FIRST])
        if isinstance(sink, InMemorySink):
            return
        with pytest.raises(WatlowSinkError, match=r"value=.*'list'.*: a cell must be a number"):
            sink.write_many(rows)
        with pytest.raises(WatlowSinkError, match="give a time with a time zone"):
            sink.write_many([{**rows[0], "requested_at": datetime(2026, 1, 1)}])
        sink.write_many([FIRST])
    assert target.read() == [row_of(FIRST)] * 2


class Source:
    """A source that is polled without delay, for `samples` samples each time."""

    def __init__(self, samples: int = 1) -> None:
        self._samples = samples

    def prepare(self, parameters: object, **options: object) -> Poll:
        return lambda stop=None: [FIRST] * self._samples


class InstantClock(ManualClock):
    """A clock whose waits return at once."""

    def wait_until(self, due_ns: int, stop: Any) -> bool:
        self._now_ns = max(self._now_ns, due_ns)
        return stop.is_set()


def test_recording_is_piped_into_the_sink(target: Target) -> None:
    stream = record(Source(), parameters="pv", rate_hz=1e6, duration=1e-4, clock=InstantClock())
    with target.make() as sink, stream:
        (report,) = pipe(stream, sink, batch_size=7).sinks
    assert (report.rows_written + report.rows_waiting, report.rows_lost) == (100, 0)
    (report,) = stream.summary.sinks
    assert (report.rows_written, report.rows_waiting) == (len(target.read()), 0) == (100, 0)


def test_writer_error_is_raised_and_lost_rows_are_counted(target: Target) -> None:
    sink = target.make()
    stream = record(Source(), parameters="pv", rate_hz=1e6, duration=1e-4, clock=InstantClock())
    with pytest.raises(WatlowSinkError, match=r"did not keep \d+ rows .*is not open"), stream:
        pipe(stream, sink, batch_size=7)
    (report,) = stream.summary.sinks
    assert report.rows_written == 0
    assert report.rows_lost == stream.summary.rows > 0


def test_columns_must_be_a_list_of_names(target: Target) -> None:
    if target.make() is target.make():
        return  # memory: no columns
    for wrong in ("device", []):
        with pytest.raises(WatlowConfigurationError, match="columns=.*: give a list of names"):
            target.make(columns=wrong)


# Tests of the file sinks only.


def test_each_write_can_be_read_immediately(file: Target) -> None:
    with file.make() as sink:
        for count in (1, 2, 3):
            sink.write_many(many(1))
            assert len(file.read()) == count


def test_missing_folder_is_refused(file: Target, tmp_path: Path) -> None:
    sink = file.make()
    sink.path = tmp_path / "nowhere/run.file"  # type: ignore[attr-defined]
    with pytest.raises(WatlowSinkError, match="there is no folder .*nowhere.*; make it first"):
        sink.open()


def test_folder_in_place_of_a_file_is_refused(file: Target, request: pytest.FixtureRequest) -> None:
    if "parts" in request.node.name:
        file.path.write_text("a file, not a folder")
    else:
        file.path.mkdir()
    with pytest.raises(WatlowSinkError, match="could not be opened"):
        file.make().open()


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs permissions")
def test_read_only_folder_is_refused(file: Target) -> None:
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
def test_read_only_database_with_delete_journal_is_refused() -> None:
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
    """Run as a user without rights, also if the tests are run by root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.mark.skipif(resource is None, reason="needs a limit on file sizes")
def test_full_disk_keeps_earlier_rows(file: Target, request: pytest.FixtureRequest) -> None:
    if "parts" in request.node.name:
        return  # each file is small
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
    """Limit the size of files to `size` bytes, to simulate a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_second_sink_on_a_text_or_parquet_file_is_refused(file: Target, request: Any) -> None:
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
