"""How long a write waits on a port that four threads keep busy with reads.

A simulated bus at 38400 baud, in another process, whose controllers have no turnaround
time. First on the idle line, for comparison: a read, and a write of the set point. Then
four threads read without a pause on the same port, and a fifth writes set points that
differ each time, beginning at random moments. A write lasts as long as its own exchange
and its wait for the port. The wait may be one exchange at the most, so the whole is to
be no longer than two writes on the idle line.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from harness import in_another_process, percentile, print_ratios, print_table, serve_bus

from watlowlib import Controller, open_device

READERS = 4
IDLE = 100
WRITES = 300
LONGEST_PAUSE_S = 0.03


def timed(call: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    call()
    return time.perf_counter() - start_s


def writer(controller: Controller) -> Callable[[], object]:
    setpoints = itertools.cycle((75.0, 80.0))
    return lambda: controller.set_setpoint(next(setpoints), confirm=True)


def read_on(controller: Controller, reads: list[float], begun: threading.Barrier) -> None:
    """Read until the writer is done, which breaks the barrier."""
    begun.wait()
    while not begun.broken:
        reads.append(timed(controller.read_pv))


def under_load(port: str, write: Callable[[], object]) -> tuple[list[float], list[float]]:
    """How long writes took, and reads, while `READERS` threads kept the port busy."""
    reads: list[float] = []
    begun = threading.Barrier(READERS + 1)
    pause, chance = threading.Event(), random.Random(0)
    writes = []
    with ExitStack() as stack:
        for address in range(1, READERS + 1):
            controller = stack.enter_context(open_device(port, address=address))
            reader = threading.Thread(target=read_on, args=(controller, reads, begun))
            stack.callback(reader.join)
            reader.start()
        stack.callback(begun.abort)
        begun.wait()
        for _ in range(WRITES):
            pause.wait(chance.uniform(0.0, LONGEST_PAUSE_S))
            writes.append(timed(write))
    return writes, reads


def row(what: str, times_s: list[float]) -> tuple[str, ...]:
    cells = (percentile(times_s, 50), percentile(times_s, 99), max(times_s))
    return what, str(len(times_s)), *(f"{cell * 1000:.2f}" for cell in cells)


def main() -> None:
    addresses = list(range(1, READERS + 1))
    with (
        in_another_process(serve_bus, addresses, (0.0, 0.0)) as port,
        open_device(port) as controller,
    ):
        write = writer(controller)
        idle_reads = [timed(controller.read_pv) for _ in range(IDLE)]
        idle_writes = [timed(write) for _ in range(IDLE)]
        writes, reads = under_load(port, write)
    rows = {
        "read, idle line": idle_reads,
        "write, idle line": idle_writes,
        f"read, one of {READERS} threads": reads,
        f"write, among {READERS} readers": writes,
    }
    print_table(("", "calls", "p50 ms", "p99 ms", "max ms"), [row(*each) for each in rows.items()])
    own_s = percentile(idle_writes, 50)
    print_ratios(
        ("write among readers / idle, p50", percentile(writes, 50) / own_s, "<=", 2.0),
        ("write among readers / idle, p99", percentile(writes, 99) / own_s, "<=", 2.0),
    )


if __name__ == "__main__":
    main()
