"""Large recordings in seconds: the first rows go through a sink, the rest are copies.

Each copy is a day later than the one before. The ticks are the same in each copy; the times when
they were due are not.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from sinks import START, samples

from watlowlib import PostgresConfig, PostgresSink, open_sink
from watlowlib.sinks.parquet.finalize import ParquetOptions

BLOCK = 100_000
"""The rows of a copy, half an hour."""

TIMES = ("requested_at", "received_at", "midpoint_at", "scheduled_at")


def write_repeated(kind: str, source: str, rows: int, folder: Path) -> None:
    """Write a recording into a new file, or into a table on a PostgreSQL server.

    Args:
        kind: The format: "csv", "jsonl", "sqlite", "parquet" or "postgres".
        source: The path or the URL.
        rows: How many rows, a multiple of `BLOCK`.
        folder: For the spool of PostgreSQL.
    """
    if kind == "postgres":
        config = PostgresConfig(dsn=source, create_table=True)
        sink: Any = PostgresSink(config, spool=folder / "run.spool", close_timeout_s=600.0)
    else:
        sink = open_sink(source)
    with sink:
        sink.write_many(samples(BLOCK))
    COPIES[kind](source, rows // BLOCK)


def _copy_lines(source: str, blocks: int) -> None:
    path = Path(source)
    lines = path.read_bytes()
    if path.suffix == ".csv":
        lines = lines[lines.index(b"\n") + 1 :]
    day = START.date().isoformat().encode()
    with path.open("ab") as file:
        for days in range(1, blocks):
            later = (START + timedelta(days=days)).date().isoformat().encode()
            file.write(lines.replace(day, later))


def _copy_table(source: str, blocks: int) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(source)
    with pq.ParquetWriter(source, table.schema, **ParquetOptions().arguments(table.schema)) as file:
        for days in range(blocks):
            later = table
            for name in TIMES:
                at = table.column_names.index(name)
                times = pc.add(table.column(name), timedelta(days=days))
                later = later.set_column(at, table.schema.field(at), times)
            file.write_table(later)


def _copy_in_sqlite(source: str, blocks: int) -> None:
    day = START.date().isoformat()
    with contextlib.closing(sqlite3.connect(source)) as database:
        columns = [name for _, name, *_ in database.execute("PRAGMA table_info(samples)")]
        cells = [f"replace({name}, ?1, ?2)" if name in TIMES else name for name in columns]
        for days in range(1, blocks):
            database.execute(
                f"INSERT INTO samples SELECT {', '.join(cells)} FROM samples WHERE rowid <= ?3",
                (day, (START + timedelta(days=days)).date().isoformat(), BLOCK),
            )
        database.commit()


def _copy_on_server(source: str, blocks: int) -> None:
    import psycopg

    with psycopg.connect(source) as connection:
        cursor = connection.execute("SELECT * FROM samples LIMIT 0")
        columns = [each.name for each in cursor.description or ()]
        cells = [
            f"{name} + %(days)s * interval '24 h'" if name in TIMES else name for name in columns
        ]
        cells[columns.index("seq")] = f"seq + %(days)s::bigint * {BLOCK}"
        end = START + timedelta(days=1)
        for days in range(1, blocks):
            connection.execute(
                f"INSERT INTO samples SELECT {', '.join(cells)} FROM samples "
                "WHERE requested_at < %(end)s",
                {"days": days, "end": end},
            )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE samples")


COPIES: dict[str, Callable[[str, int], None]] = {
    "csv": _copy_lines,
    "jsonl": _copy_lines,
    "sqlite": _copy_in_sqlite,
    "parquet": _copy_table,
    "postgres": _copy_on_server,
}
"""The function that adds the copies, by format."""
