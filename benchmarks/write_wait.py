"""The waiting time of a write on a port that four threads keep busy with reads.

A simulated bus at 38400 baud runs in another process; its controllers have no turnaround
time. First a read and a write of the set point are time_call on the idle line. Then four threads
read without a pause on the same port, and a fifth thread writes alternating set points at
random times. A write takes its own exchange and its wait for the port. The wait should be at
most one exchange; therefore the whole should take no longer than two writes on the idle line.
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
MAX_PAUSE_S = 0.03


def time_call(call: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    call()
    return time.perf_counter() - start_s


def make_writer(controller: Controller) -> Callable[[], object]:
    setpoints = itertools.cycle((75.0, 80.0))
    return lambda: controller.set_setpoint(next(setpoints), confirm=True)


def keep_reading(controller: Controller, reads: list[float], start: threading.Barrier) -> None:
    """Read until the writer breaks the barrier at its end."""
    start.wait()
    while not start.broken:
        reads.append(time_call(controller.read_pv))


def under_load(port: str, write: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Return the durations of writes and reads while `READERS` threads keep the port busy."""
    reads: list[float] = []
    start = threading.Barrier(READERS + 1)
    pause, chance = threading.Event(), random.Random(0)
    writes = []
    with ExitStack() as stack:
        for address in range(1, READERS + 1):
            controller = stack.enter_context(open_device(port, address=address))
            reader = threading.Thread(target=keep_reading, args=(controller, reads, start))
            stack.callback(reader.join)
            reader.start()
        stack.callback(start.abort)
        start.wait()
        for _ in range(WRITES):
            pause.wait(chance.uniform(0.0, MAX_PAUSE_S))
            writes.append(time_call(write))
    return writes, reads


def row(title: str, times_s: list[float]) -> tuple[str, ...]:
    cells = (percentile(times_s, 50), percentile(times_s, 99), max(times_s))
    return title, str(len(times_s)), *(f"{cell * 1000:.2f}" for cell in cells)


def main() -> None:
    addresses = list(range(1, READERS + 1))
    with (
        in_another_process(serve_bus, addresses, (0.0, 0.0)) as port,
        open_device(port) as controller,
    ):
        write = make_writer(controller)
        idle_reads = [time_call(controller.read_pv) for _ in range(IDLE)]
        idle_writes = [time_call(write) for _ in range(IDLE)]
        writes, reads = under_load(port, write)
    rows = {
        "read, idle line": idle_reads,
        "write, idle line": idle_writes,
        f"read, one of {READERS} threads": reads,
        f"write, among {READERS} readers": writes,
    }
    print_table(("", "calls", "p50 ms", "p99 ms", "max ms"), [row(*each) for each in rows.items()])
    idle_s = percentile(idle_writes, 50)
    print_ratios(
        ("write among readers / idle, p50", percentile(writes, 50) / idle_s, "<=", 2.0),
        ("write among readers / idle, p99", percentile(writes, 99) / idle_s, "<=", 2.0),
    )


if __name__ == "__main__":
    main()
