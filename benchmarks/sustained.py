"""Rows per second from an endless recording through `pipe`, for each kind of sink.

The recording is an iterable of ticks of eight samples that never waits. `pipe` counts them, queues
them, and the sink's writer thread stores them in batches of 64. The queue is bounded: the rate is
what the whole can sustain. The peer is `write_many` alone with the same batches, in turn. The time
includes closing the sink.

    python benchmarks/sustained.py
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

from figures import HEADER, Figure, Size, alternate, cells, figure
from harness import print_table
from sinks import READS, SINKS, installed_kinds, measure, samples

from watlowlib import pipe

BATCH = 64


def piped_rows_per_second(
    kind: str, contestant: str, target: Any, recording: Sequence[Any], size: int
) -> float:
    del contestant
    rows = iter(recording)
    ticks = iter(lambda: list(islice(rows, READS)), [])
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(SINKS[kind][0](target))
        start_s = time.perf_counter()
        pipe(ticks, sink, batch_size=size)
        stack.close()
        return len(recording) / (time.perf_counter() - start_s)


def figures(size: Size) -> Iterator[Figure]:
    """Yield the sustained rate of each sink."""
    recording = samples(size.of(64, 10_000, 100_000))
    with contextlib.ExitStack() as resources:
        kinds = ["csv"] if size is Size.TINY else installed_kinds(resources)
        for kind in kinds:
            write = partial(measure, kind, "watlowlib", recording, BATCH)
            contestants = {
                "pipe": partial(write, rate_of=piped_rows_per_second),
                "write_many": write,
            }
            results = alternate(contestants, size.of(2, 5, 9)).values()
            piped, written = ([rate for rate, _ in each] for each in results)
            yield figure(f"{kind}, pipe", piped, "rows/s", "write_many", written)


def main() -> None:
    print_table(HEADER, cells(figures(Size.FULL)))


if __name__ == "__main__":
    main()
