"""Functions that the benchmarks share: a device in another process, percentiles, and tables.

A benchmark prints its measurements, then ratios between measurements of the same run, each
beside its target. No run passes or fails because of its speed.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection

from watlowlib.simulator import SimulatedBus


@contextlib.contextmanager
def in_another_process(serve: Callable[..., None], *args: object) -> Iterator[str]:
    """Run `serve(pipe, *args)` in another process; yield the port that it sends when ready."""
    context = multiprocessing.get_context("spawn")
    pipe, child_pipe = context.Pipe()
    process = context.Process(target=serve, args=(child_pipe, *args), daemon=True)
    process.start()
    child_pipe.close()
    try:
        yield pipe.recv()
    finally:
        process.terminate()
        process.join()


def serve_bus(pipe: Connection, addresses: list[int], turnaround_s: tuple[float, float]) -> None:
    """Run a simulated bus at 38400 baud until the process is ended."""
    with SimulatedBus(addresses, baudrate=38400, turnaround_s=turnaround_s) as bus:
        pipe.send(bus.port)
        pipe.recv()


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest of `values` that at least `percent` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table, the first column left-aligned, the others right-aligned, and an empty line."""
    widths = [max(map(len, column)) for column in zip(header, *rows)]
    for row in (header, ["-" * width for width in widths], *rows):
        first, *others = (cell.rjust(width) for cell, width in zip(row, widths))
        print("  ".join([first.strip().ljust(widths[0]), *others]).rstrip())
    print(flush=True)


def print_ratios(*ratios: tuple[str, float, str, float]) -> None:
    """Print a table of (description, measured ratio, ">=" or "<=", target)."""
    print_table(
        ("ratio", "measured", "target", "reached"),
        [
            (text, f"{ratio:.3g}", f"{sign} {target:.3g}", _reached(ratio, sign, target))
            for text, ratio, sign, target in ratios
        ],
    )


def _reached(ratio: float, sign: str, target: float) -> str:
    return "yes" if (ratio >= target if sign == ">=" else ratio <= target) else "no"
