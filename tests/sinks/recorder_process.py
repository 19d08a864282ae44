"""A program that writes rows until it is killed: `recorder_process.py FILE SPOOL [BATCH]`.

It reads the number of the first row from standard input and prints the next number after
each flush. It also closes and reopens the sink every `BATCHES` batches: the kill may then
come at any stage of a sink.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from tests.sinks.samples import FIRST
from watlowlib import PostgresConfig, PostgresSink, open_sink

BATCH = 7
BATCHES = 12


def main(name: str, spool: str, rows: str = str(BATCH)) -> None:
    batch = int(rows)
    first = int(sys.stdin.readline())
    while True:
        if name.startswith("postgresql://"):
            sink = PostgresSink(PostgresConfig(dsn=name, create_table=True), spool=spool)
        else:
            sink = open_sink(name)  # type: ignore[assignment]
        with sink:
            for _ in range(BATCHES):
                sink.write_many([replace(FIRST, value=float(first + n)) for n in range(batch)])
                first += batch
                print(first, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
