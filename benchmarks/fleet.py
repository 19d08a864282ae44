"""How well ports are polled side by side: 1, 4 and 16 of them, and what a sample costs.

Each port is a simulated bus of four controllers at 38400 baud, in a process of its own, so
that the buses take no time from the program that is measured. Their turnarounds differ, 6 ms
and 0.1 ms more from port to port: in step, the buses would wait for each other's processor.
Each port is polled alone, two parameters of each controller, then all together, and so
on in turn, so that both meet the same disturbances. The slowest port's own time is what a
fleet cannot be faster than: the parallel efficiency is that, divided by the fleet's time.
Both are medians. The processor time is that of this process, for one sample through
`WatlowManager.poll` and through a whole recording into memory.

    python benchmarks/fleet.py [PORTS ...]      1, 4 and 16 if none are given
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from functools import partial

from harness import percentile, print_ratios, print_table

from watlowlib import InMemorySink, WatlowManager
from watlowlib.simulator import BusProcess, SimulatedBus

ADDRESSES = [1, 2, 3, 4]
PARAMETERS = ["process_value", "setpoint"]
SAMPLES = len(ADDRESSES) * len(PARAMETERS)
TURNS, TOGETHER = 8, 5
RECORD_HZ, RECORD_S = 5.0, 5.0


def bus(number: int) -> BusProcess:
    turnaround_s = 0.006 + 0.0001 * number
    return BusProcess(partial(SimulatedBus, ADDRESSES, turnaround_s=turnaround_s))


def polled(manager: WatlowManager, names: list[str]) -> float:
    """How many seconds a poll of `names` takes."""
    start_s = time.perf_counter()
    manager.poll(PARAMETERS, names=names)
    return time.perf_counter() - start_s


def in_turns(manager: WatlowManager, by_port: list[list[str]]) -> tuple[float, float, float]:
    """The slowest port's own seconds, those of all, and the processor seconds of a sample."""
    everybody = list(manager.names)
    alone_s: list[list[float]] = [[] for _ in by_port]
    together_s, cpu_s = [], 0.0
    for _ in range(TURNS):
        for times_s, names in zip(alone_s, by_port):
            times_s.append(polled(manager, names))
        start_s = time.process_time()
        together_s += [polled(manager, everybody) for _ in range(TOGETHER)]
        cpu_s += time.process_time() - start_s
    samples = TURNS * TOGETHER * len(everybody) * len(PARAMETERS)
    slowest_s = max(percentile(times_s, 50) for times_s in alone_s)
    return slowest_s, percentile(together_s, 50), cpu_s / samples


def recorded(manager: WatlowManager) -> tuple[float, str]:
    """The processor seconds a row of a recording takes, and how punctual it was."""
    cpu_s = time.process_time()
    summary = manager.record_to_sink(
        parameters=PARAMETERS, rate_hz=RECORD_HZ, duration=RECORD_S, sink=InMemorySink()
    )
    told = f"{summary.rows} rows, {summary.gaps} gaps, {summary.ticks_skipped} skipped"
    return (time.process_time() - cpu_s) / summary.rows, told


def measured(ports: int) -> tuple[tuple[str, ...], float]:
    """A row of the table, and the efficiency."""
    with ExitStack() as stack:
        buses = [stack.enter_context(bus(number)) for number in range(ports)]
        manager = stack.enter_context(WatlowManager())
        by_port = []
        for number, each in enumerate(buses):
            port, names = each.port, [f"{number}_{address}" for address in ADDRESSES]
            for name, address in zip(names, ADDRESSES):
                manager.add(name, port, address=address)
            by_port.append(names)
        alone_s, together_s, cpu_s = in_turns(manager, by_port)
        record_cpu_s, told = recorded(manager)
    print(f"{ports} ports recorded at {RECORD_HZ:g} Hz: {told}")
    cells = (
        f"{alone_s * 1e3:.1f}",
        f"{together_s * 1e3:.1f}",
        f"{ports * SAMPLES / together_s:.0f}",
    )
    costs = (f"{cpu_s * 1e6:.0f}", f"{record_cpu_s * 1e6:.0f}")
    return (str(ports), *cells, *costs), alone_s / together_s


def main() -> None:
    counts = [int(each) for each in sys.argv[1:]] or [1, 4, 16]
    found = {ports: measured(ports) for ports in counts}
    print()
    print_table(
        (
            "ports",
            "slowest alone ms",
            "all together ms",
            "samples/s",
            "CPU us/sample, poll",
            "CPU us/sample, record",
        ),
        [row for row, _ in found.values()],
    )
    print_ratios(
        *(
            (f"efficiency, {ports} ports (slowest alone / together)", ratio, ">=", 0.95)
            for ports, (_, ratio) in found.items()
        )
    )


if __name__ == "__main__":
    main()
