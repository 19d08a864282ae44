"""Rows per second and bytes per row of the file sinks, beside the bare libraries.

The same samples are written to files in a temporary folder in batches of 64, 1000 and
10000, by three contestants that take turns for several rounds; the median round counts.

    watlowlib          the sink's `write_many`
    bare, converting   csv, json or sqlite3 as one would use them: each Sample is turned
                       into its cells on the way, times by `isoformat`
    bare, cells ready  the same calls, with tuples or dicts that were made beforehand

Every batch is flushed to the system, or committed (WAL, synchronous=NORMAL). Opening and
closing the file is not timed; the size is taken after closing.
"""

from __future__ import annotations

import csv
import itertools
import json
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from typing import Any

from harness import print_ratios, print_table

from watlowlib import CsvSink, JsonlSink, ProtocolKind, Sample, SqliteSink
from watlowlib.sinks.rows import COLUMNS

ROWS = 20_000
ROUNDS = 5
BATCHES = {64: 0.5, 1000: 0.7, 10_000: 0.7}
"""Rows a batch, and the share of the bare library's speed that is the target."""

Cells = tuple[Any, ...]
Write = Callable[[Sequence[Any]], object]


def samples() -> list[Sample]:
    """A recording of four controllers, two parameters each, at 10 Hz."""
    chance = random.Random(0)
    start = datetime(2024, 5, 1, 8, 0, tzinfo=timezone.utc)
    return [sample(number, start, chance) for number in range(ROWS)]


def sample(number: int, start: datetime, chance: random.Random) -> Sample:
    device, setpoint = number // 2 % 4, number % 2
    latency_s = chance.uniform(0.012, 0.02)
    asked = start + timedelta(seconds=number // 8 * 0.1 + chance.uniform(0.0, 0.1))
    return Sample(
        device=f"oven_{device}",
        address=device + 1,
        protocol=ProtocolKind.STDBUS,
        parameter="setpoint" if setpoint else "process_value",
        parameter_id=7001 if setpoint else 4001,
        instance=1,
        value=75.0 if setpoint else chance.gauss(75.0, 0.5),
        unit=None,
        requested_at=asked,
        received_at=asked + timedelta(seconds=latency_s),
        midpoint_at=asked + timedelta(seconds=latency_s / 2),
        latency_s=latency_s,
        raw=bytes(21),
    )


def cells(sample: Sample) -> Cells:
    """A row as one would write it down without a library."""
    return (
        sample.device,
        sample.address,
        str(sample.protocol),
        sample.parameter,
        sample.parameter_id,
        sample.instance,
        sample.value,
        None if sample.unit is None else str(sample.unit),
        sample.requested_at.isoformat(),
        sample.received_at.isoformat(),
        sample.midpoint_at.isoformat(),
        sample.latency_s,
        sample.status,
    )


def keyed(sample: Sample) -> dict[str, Any]:
    return dict(zip(COLUMNS, cells(sample)))


@contextmanager
def bare_csv(path: Path, prepare: Callable[[Any], Any] | None) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        rows_to = csv.writer(file)
        rows_to.writerow(COLUMNS)

        def write(batch: Sequence[Any]) -> None:
            rows_to.writerows(map(prepare, batch) if prepare else batch)
            file.flush()

        yield write


@contextmanager
def bare_json(path: Path, prepare: Callable[[Any], Any] | None) -> Iterator[Write]:
    with path.open("w", encoding="utf-8") as file:

        def write(batch: Sequence[Any]) -> None:
            rows = map(prepare, batch) if prepare else batch
            file.write("".join(json.dumps(row) + "\n" for row in rows))
            file.flush()

        yield write


@contextmanager
def bare_sqlite(path: Path, prepare: Callable[[Any], Any] | None) -> Iterator[Write]:
    insert = f"INSERT INTO samples VALUES ({', '.join('?' * len(COLUMNS))})"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute(f"CREATE TABLE samples ({', '.join(COLUMNS)})")
        database.execute("CREATE INDEX by_device ON samples (device, requested_at)")

        def write(batch: Sequence[Any]) -> None:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(insert, map(prepare, batch) if prepare else batch)
            database.execute("COMMIT")

        yield write


KINDS: dict[str, tuple[Any, Any, Callable[[Sample], Any]]] = {
    "csv": (CsvSink, bare_csv, cells),
    "jsonl": (JsonlSink, bare_json, keyed),
    "sqlite": (SqliteSink, bare_sqlite, cells),
}


@contextmanager
def opened(kind: str, contestant: str, path: Path) -> Iterator[Write]:
    sink, bare, prepare = KINDS[kind]
    if contestant == "watlowlib":
        with sink(path) as ours:
            yield ours.write_many
    else:
        with bare(path, prepare if contestant == "bare, converting" else None) as write:
            yield write


def turn(kind: str, contestant: str, rows: Sequence[Any], size: int) -> tuple[float, float]:
    """Rows a second, and bytes a row."""
    batches = [rows[at : at + size] for at in range(0, len(rows), size)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"run.{kind}"
        with opened(kind, contestant, path) as write:
            start_s = time.perf_counter()
            for batch in batches:
                write(batch)
            took_s = time.perf_counter() - start_s
        return len(rows) / took_s, path.stat().st_size / len(rows)


def compare(kind: str, recording: list[Sample], size: int) -> dict[str, tuple[float, float]]:
    """Median rows a second and bytes a row of each contestant."""
    ready = [KINDS[kind][2](each) for each in recording]
    contestants = {
        "watlowlib": recording,
        "bare, converting": recording,
        "bare, cells ready": ready,
    }
    turns: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, rows in contestants.items():
            turns[name].append(turn(kind, name, rows, size))
    return {name: (median(rate for rate, _ in each), each[0][1]) for name, each in turns.items()}


def main() -> None:
    recording = samples()
    print(f"{ROWS} rows, {ROUNDS} rounds")
    rows: list[tuple[str, ...]] = []
    ratios: list[tuple[str, float, str, float]] = []
    for kind, (size, target) in itertools.product(KINDS, BATCHES.items()):
        found = compare(kind, recording, size)
        for name, (rate, bytes_a_row) in found.items():
            rows.append((f"{kind}, {name}", str(size), f"{rate:,.0f}", f"{bytes_a_row:.0f}"))
            if name != "watlowlib":
                ratio = found["watlowlib"][0] / rate
                ratios.append((f"{kind} by {size}, watlowlib / {name}", ratio, ">=", target))
    print_table(("", "batch", "rows/s", "bytes/row"), rows)
    print_ratios(*ratios)


if __name__ == "__main__":
    main()
