"""The delay of ticks at 1 to 200 Hz, while the main thread waits or computes in pure Python.

A recording reads one value on a simulated bus without transmission time. The peer is the bare
loop of `jitter.py`, which waits for the same slots at the same time in a process of its own.

    python benchmarks/jitter_rates.py
"""

from __future__ import annotations

import itertools
import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

from figures import HEADER, Figure, Size, cells, figure
from harness import in_another_process, percentile, print_table
from jitter import DelayMeter, bare_loop

from watlowlib import WatlowManager, record
from watlowlib.simulator import SimulatedBus


def serve_fast_bus(pipe: Connection) -> None:
    """Run a simulated bus until the process is ended."""
    with SimulatedBus([1], baudrate=None, turnaround_s=0.0) as bus:
        pipe.send(bus.port)
        pipe.recv()


def record_delays(port: str, rate_hz: float, seconds: float, busy: bool) -> list[int]:
    """Return the delays of a recording, while the main thread waits or computes."""
    with WatlowManager() as manager:
        manager.add("oven", port)
        manager.poll("process_value")  # the first one also finds out the unit
        meter, options = DelayMeter(manager), {"rate_hz": rate_hz, "duration": seconds}
        with record(
            meter, parameters="process_value", clock=meter, buffer_size=10_000, **options
        ) as stream:
            end_s = time.monotonic() + seconds
            while busy and time.monotonic() < end_s:
                sum(number * number for number in range(10_000))
            for _ in stream:
                pass
    return meter.delays_ns


def figures(size: Size) -> Iterator[Figure]:
    """Yield the 99th percentile of the delays, beside that of a bare loop and 1 ms."""
    context = multiprocessing.get_context("spawn")
    rates = {1: 3.0, 10: 2.0, 50: 1.0, 200: 1.0}
    with in_another_process(serve_fast_bus) as port:
        for rate_hz, busy in itertools.product(rates, (False, True)):
            seconds = rates[rate_hz] * size.of(0.5, 1.0, 10.0)
            pipe, child_pipe = context.Pipe()
            arguments = (child_pipe, round(seconds * rate_hz), round(1e9 / rate_hz))
            loop = context.Process(target=bare_loop, args=arguments, daemon=True)
            loop.start()
            pipe.recv()
            pipe.send("start")
            ours, bare = (
                percentile(each, 99) / 1e6
                for each in (record_delays(port, rate_hz, seconds, busy), pipe.recv())
            )
            name = f"{rate_hz} Hz, main thread {'computes' if busy else 'waits'}, p99"
            target = "" if busy else "<= 1"
            yield figure(name, [ours], "ms", "bare loop + 1 ms", [bare + 1], target)


def main() -> None:
    print_table(HEADER, cells(figures(Size.FULL)))


if __name__ == "__main__":
    main()
