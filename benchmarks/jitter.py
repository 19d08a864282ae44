"""The delay of a recording's ticks, compared with a bare `threading.Event.wait` loop.

A recording at 10 Hz reads two parameters of two controllers on a simulated bus (38400
baud, 2 to 10 ms turnaround), and `pipe` writes every tick's rows at once to a CSV file
and a SQLite file. A tick's delay is the start of its poll minus its slot. The bare loop
waits on an Event for the same slots and does nothing else. The bus and the bare loop each
have their own process. The bare loop runs at the same time as the recording, so that
disturbances affect both.

    python benchmarks/jitter.py [SECONDS]      default: 10 seconds
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from harness import in_another_process, percentile, print_ratios, print_table, serve_bus

from watlowlib import CsvSink, Poll, PollSource, Sample, SqliteSink, WatlowManager, pipe, record
from watlowlib._internal.clock import SystemClock
from watlowlib.devices.poll import Parameters

RATE_HZ = 10
PERIOD_NS = 1_000_000_000 // RATE_HZ
ADDRESSES = [1, 2]
PARAMETERS = ["process_value", "setpoint"]


class DelayMeter(SystemClock):
    """A clock and source that measures the time from a tick's slot to its poll."""

    def __init__(self, source: PollSource) -> None:
        self.delays_ns: list[int] = []
        self._source = source
        self._due_ns = 0

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        self._due_ns = due_ns
        return super().wait_until(due_ns, stop)

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: Sequence[int] = (1,),
        names: Sequence[str] | None = None,
    ) -> Poll:
        poll = self._source.prepare(parameters, instances=instances, names=names)

        def timed_poll(stop: threading.Event | None = None) -> list[Sample]:
            self.delays_ns.append(time.monotonic_ns() - self._due_ns)
            return poll(stop)

        return timed_poll


def bare_loop(pipe: Connection, ticks: int) -> None:
    """Wait for the same slots with Event.wait alone, and send the delays."""
    event = threading.Event()
    pipe.send("ready")
    pipe.recv()
    start_ns = time.monotonic_ns()
    delays_ns = []
    for tick in range(ticks):
        due_ns = start_ns + tick * PERIOD_NS
        while (left_ns := due_ns - time.monotonic_ns()) > 0:
            event.wait(left_ns / 1e9)
        delays_ns.append(time.monotonic_ns() - due_ns)
    pipe.send(delays_ns)


def measure_recording(port: str, folder: Path, seconds: float) -> list[int]:
    with WatlowManager() as manager:
        for address in ADDRESSES:
            manager.add(f"oven_{address}", port, address=address)
        meter = DelayMeter(manager)
        with (
            SqliteSink(folder / "run.sqlite") as database,
            CsvSink(folder / "run.csv") as table,
            record(
                meter, parameters=PARAMETERS, rate_hz=RATE_HZ, duration=seconds, clock=meter
            ) as stream,
        ):
            summary = pipe(stream, database, table, batch_size=1)
    print(f"{summary.rows} rows, {summary.gaps} gaps, {summary.samples_late} late ticks")
    return meter.delays_ns


def measure_both(seconds: float) -> tuple[list[int], list[int]]:
    """Return the delays in nanoseconds of the bare loop and of the recording."""
    context = multiprocessing.get_context("spawn")
    pipe, child_pipe = context.Pipe()
    ticks = round(seconds * RATE_HZ)
    loop = context.Process(target=bare_loop, args=(child_pipe, ticks), daemon=True)
    loop.start()
    pipe.recv()
    with (
        tempfile.TemporaryDirectory() as folder,
        in_another_process(serve_bus, ADDRESSES, (0.002, 0.01)) as port,
    ):
        pipe.send("start")
        delays_ns = measure_recording(port, Path(folder), seconds)
        return pipe.recv(), delays_ns


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    bare, recording = ([ns / 1e6 for ns in each] for each in measure_both(seconds))
    rows = [
        (name, str(len(ms)), *(f"{percentile(ms, p):.3f}" for p in (50, 99, 100)))
        for name, ms in (("bare Event.wait loop", bare), ("record with CSV and SQLite", recording))
    ]
    print_table(("", "ticks", "p50 ms", "p99 ms", "max ms"), rows)
    allowed_ms = percentile(bare, 99) + 1
    print_ratios(
        ("p99, record / (bare loop + 1 ms)", percentile(recording, 99) / allowed_ms, "<=", 1.0)
    )


if __name__ == "__main__":
    main()
