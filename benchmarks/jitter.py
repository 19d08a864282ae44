"""The delay of a recording's ticks, and what a main thread that computes does to them.

A recording at 10 Hz reads two parameters of two controllers on a simulated bus (38400
baud, 2 to 10 ms turnaround), and `pipe` writes every tick's rows at once to a CSV file
and a SQLite file. A tick's delay is the start of its poll minus its slot. The bare loop
waits on an Event for the same slots and does nothing else. The bus and the bare loop each
have their own process. The bare loop runs at the same time as the recording, so that
disturbances affect both.

Then a recording reads two parameters at 45 Hz, which leaves 2 ms of each period on a line at
38400 baud without turnaround. The main thread waits, or computes in pure Python with the
default `switch_interval` and with None. Before each of these it computes without a recording,
to measure how much the recording slows it down. Short rounds alternate. The speed of the
computation is the upper quartile of quarters of a second: what else runs on the machine slows
down most of the others.

    python benchmarks/jitter.py [SECONDS]      default: 10 seconds
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from harness import in_another_process, percentile, print_ratios, print_table, serve_bus
from in_step import serve_lines

from watlowlib import CsvSink, Poll, PollSource, Sample, SqliteSink, WatlowManager, pipe, record
from watlowlib._internal.clock import SystemClock
from watlowlib.devices.poll import Parameters

RATE_HZ = 10
PERIOD_NS = 1_000_000_000 // RATE_HZ
ADDRESSES = [1, 2]
PARAMETERS = ["process_value", "setpoint"]
BUSY_HZ, BUSY_S, BUSY_ROUNDS = 45.0, 2.0, 7
SLICE_S = 0.25
IDLE, BUSY, BUSY_NONE = "idle", "busy", "busy, switch_interval=None"


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


def bare_loop(pipe: Connection, ticks: int, period_ns: int = PERIOD_NS) -> None:
    """Wait for the same slots with Event.wait alone, and send the delays."""
    event = threading.Event()
    pipe.send("ready")
    pipe.recv()
    start_ns = time.monotonic_ns()
    delays_ns = []
    for tick in range(ticks):
        due_ns = start_ns + tick * period_ns
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


def compute(ended: Callable[[], bool]) -> list[float]:
    """Compute in pure Python until `ended()`; return the rounds per second of each slice."""
    rates = []
    while not ended():
        rounds, began_s = 0, time.perf_counter()
        while (took_s := time.perf_counter() - began_s) < SLICE_S:
            total = 0
            for number in range(5_000):
                total += number * number
            rounds += 1
        rates.append(rounds / took_s)
    return rates


def compute_alone() -> list[float]:
    """Return the rounds per second of each slice without a recording."""
    end_s = time.perf_counter() + BUSY_S
    return compute(lambda: time.perf_counter() >= end_s)


def record_beside(manager: WatlowManager, name: str) -> tuple[int, list[float]]:
    """Return the ticks of a recording, and what `compute` returned in the main thread."""
    options: dict[str, Any] = {"switch_interval": None} if name == BUSY_NONE else {}
    options |= {"parameters": PARAMETERS, "rate_hz": BUSY_HZ, "duration": BUSY_S}
    recording = record(manager, buffer_size=1000, **options)
    ended = recording.watch(1)
    with recording:
        rates = [] if name == IDLE else compute(lambda: ended.is_shutdown)
        ticks = sum(1 for _ in recording)
    return ticks, rates


def measure_busy() -> None:
    """Print the ticks beside an idle and a busy main thread, and what the latter loses."""
    names = (IDLE, BUSY, BUSY_NONE)
    ticks: dict[str, list[int]] = {name: [] for name in names}
    rates: dict[str, list[float]] = {name: [] for name in names}
    alone: list[float] = []
    with in_another_process(serve_lines, 1) as (port,), WatlowManager() as manager:
        manager.add("oven", port)
        for _ in range(BUSY_ROUNDS):
            for name in names:
                alone += compute_alone()
                count, computed = record_beside(manager, name)
                ticks[name].append(count)
                rates[name] += computed
    shares = {name: percentile(rates[name], 75) / percentile(alone, 75) for name in names[1:]}
    print_table(
        (f"main thread, {BUSY_S:g} s at {BUSY_HZ:g} Hz", "ticks", "computes less"),
        [
            (name, f"{median(ticks[name]):.0f}", f"{1 - shares.get(name, 1.0):.1%}")
            for name in names
        ],
    )
    idle = median(ticks[IDLE])
    print_ratios(
        ("ticks, busy / idle", median(ticks[BUSY]) / idle, ">=", 0.9),
        ("ticks, busy with None / idle", median(ticks[BUSY_NONE]) / idle, ">=", 0.0),
        ("computing, with a recording / alone", shares[BUSY], ">=", 0.97),
    )


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
    measure_busy()


if __name__ == "__main__":
    main()
