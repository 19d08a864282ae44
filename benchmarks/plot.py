"""Seconds and memory to draw a large recording, beside reading its file with bare pyarrow.

The time of the processor is less sensitive to other programs; it includes the imports.

The recording is one Parquet file: four controllers with process value and set point, a row of each
in a tenth of a second, and one spike. Each contestant runs in a child process of its own; the
median round counts. The time begins when the libraries are imported. The memory is the largest
resident set of the child.

    python benchmarks/plot.py                   # 10 million rows
    python benchmarks/plot.py --rows 1000000
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from harness import print_ratios, print_table

ROUNDS = 3
ROWS = 10_000_000
BLOCK = 100_000
DEVICES = [f"oven_{n}" for n in range(4)]
PARAMETERS = {"process_value": 4001, "setpoint": 7001}
START_S, PERIOD_US = 1_700_000_000, 100_000
TARGET_CPU, TARGET_MEMORY = 3.0, 1.0
"""The targets for a picture, as multiples of what bare pyarrow takes to read the file."""


def write(path: Path, rows: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    series = [(device, name) for device in DEVICES for name in PARAMETERS]
    random = np.random.default_rng(seed=1)

    def blocks() -> Iterator[Any]:
        for first in range(0, rows, BLOCK):
            number = np.arange(first, min(first + BLOCK, rows))
            which = number % len(series)
            values = np.where(which % 2, 75.0, 75.0 + random.normal(size=len(number)))
            values[number == rows // 2 // len(series) * len(series)] = 900.0
            when = START_S * 1_000_000 + number // len(series) * PERIOD_US
            texts = [pa.array(each).take(pa.array(which)) for each in zip(*series)]
            yield pa.table(
                {
                    "device": texts[0],
                    "parameter": texts[1],
                    "parameter_id": pa.array(list(PARAMETERS.values())).take(pa.array(which % 2)),
                    "instance": np.ones(len(number), "int64"),
                    "value": values,
                    "unit": pa.array(["°F"]).take(pa.array(np.zeros(len(number), "int64"))),
                    "requested_at": pa.array(when, pa.timestamp("us", "UTC")),
                    "status": pa.array(["ok"]).take(pa.array(np.zeros(len(number), "int64"))),
                }
            )

    writer = None
    for block in blocks():
        writer = writer or pq.ParquetWriter(path, block.schema)
        writer.write_table(block)
    if writer is not None:
        writer.close()


def child(contestant: str, source: str) -> None:
    import plotly  # noqa: F401
    import pyarrow.parquet as pq

    from watlowlib.views import plot

    start_s = time.perf_counter()
    if contestant == "bare pyarrow":
        pq.read_table(source)
    else:
        with tempfile.TemporaryDirectory() as folder:
            plot(source, Path(folder) / f"run{contestant}")
    seconds = time.perf_counter() - start_s
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps([seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))


class Measured(NamedTuple):
    seconds: float
    cpu_s: float
    memory_mb: float


def measure(contestant: str, source: Path) -> Measured:
    command = [sys.executable, __file__, "--child", contestant, str(source)]
    rounds = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(ROUNDS)
    ]
    return Measured(*(median(each) for each in zip(*rounds)))


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "run.parquet"
        write(source, rows)
        contestants = ("bare pyarrow", ".png", ".html")
        found = {name: measure(name, source) for name in contestants}
    print_table(
        (f"{rows:,} rows", "seconds", "of the processor", "MB"),
        [
            (name, f"{each.seconds:.2f}", f"{each.cpu_s:.2f}", f"{each.memory_mb:.0f}")
            for name, each in found.items()
        ],
    )
    bare, drawn = found["bare pyarrow"], found[".png"]
    print_ratios(
        ("processor time of .png / bare", drawn.cpu_s / bare.cpu_s, "<=", TARGET_CPU),
        ("memory of .png / bare", drawn.memory_mb / bare.memory_mb, "<=", TARGET_MEMORY),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
    else:
        main(options.rows)
