"""The efficiency of polling 1, 4 and 16 ports in parallel, and the processor time per sample.

Each port is a simulated bus of four controllers at 38400 baud, in its own process, so that
the buses take no time from the measure program. Their turnarounds differ, 6 ms and 0.1 ms
more from port to port: with equal turnarounds the buses would compete for the processor.
Each port is time_poll alone, two parameters of each controller, then all together. Both
alternate, so that disturbances affect both. A fleet cannot be faster than its slowest port:
the parallel efficiency is the slowest port's time alone divided by the fleet's time. Both are
medians. The processor time is that of this process, for one sample through `WatlowManager.poll`
and through a recording into memory. A first recording of one tick reads the identities of the
controllers, which are no samples.

    python benchmarks/fleet.py [PORTS ...]      1, 4 and 16 if none are given
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from figures import Figure, Size, figure
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


def time_poll(manager: WatlowManager, names: list[str]) -> float:
    """Return the seconds that a poll of `names` takes."""
    start_s = time.perf_counter()
    manager.poll(PARAMETERS, names=names)
    return time.perf_counter() - start_s


def alternate(
    manager: WatlowManager, by_port: list[list[str]], turns: int
) -> tuple[float, float, float]:
    """Return the seconds of the slowest port alone and of all, and the CPU seconds per sample."""
    all_names = list(manager.names)
    alone_s: list[list[float]] = [[] for _ in by_port]
    together_s, cpu_s = [], 0.0
    for _ in range(turns):
        for times_s, names in zip(alone_s, by_port):
            times_s.append(time_poll(manager, names))
        start_s = time.process_time()
        together_s += [time_poll(manager, all_names) for _ in range(TOGETHER)]
        cpu_s += time.process_time() - start_s
    samples = turns * TOGETHER * len(all_names) * len(PARAMETERS)
    slowest_s = max(percentile(times_s, 50) for times_s in alone_s)
    return slowest_s, percentile(together_s, 50), cpu_s / samples


def measure_recording(manager: WatlowManager, seconds: float) -> tuple[float, str]:
    """Return the processor seconds per row of a recording, and a text with its counts."""
    record = partial(manager.record_to_sink, parameters=PARAMETERS, rate_hz=RECORD_HZ)
    record(duration=1 / RECORD_HZ, sink=InMemorySink())
    cpu_s = time.process_time()
    summary = record(duration=seconds, sink=InMemorySink())
    counts = f"{summary.rows} rows, {summary.gaps} gaps, {summary.ticks_skipped} skipped"
    return (time.process_time() - cpu_s) / summary.rows, counts


def measure(
    ports: int, turns: int = TURNS, record_s: float = RECORD_S
) -> tuple[tuple[str, ...], float]:
    """Return a row of the table, and the efficiency."""
    with ExitStack() as stack:
        buses = [stack.enter_context(bus(number)) for number in range(ports)]
        manager = stack.enter_context(WatlowManager())
        by_port = []
        for number, each in enumerate(buses):
            port, names = each.port, [f"{number}_{address}" for address in ADDRESSES]
            for name, address in zip(names, ADDRESSES):
                manager.add(name, port, address=address)
            by_port.append(names)
        alone_s, together_s, cpu_s = alternate(manager, by_port, turns)
        record_cpu_s, counts = measure_recording(manager, record_s)
    print(f"{ports} ports recorded at {RECORD_HZ:g} Hz: {counts}")
    cells = (
        f"{alone_s * 1e3:.1f}",
        f"{together_s * 1e3:.1f}",
        f"{ports * SAMPLES / together_s:.0f}",
    )
    costs = (f"{cpu_s * 1e6:.0f}", f"{record_cpu_s * 1e6:.0f}")
    return (str(ports), *cells, *costs), alone_s / together_s


def figures(size: Size) -> Iterator[Figure]:
    """Yield the efficiency of a fleet and its processor time for a sample."""
    for ports in size.of((1,), (1, 4, 16), (1, 4, 16, 64)):
        turns, record_s = size.of((1, 0.5), (2, 1.0), (TURNS, RECORD_S))
        (_, alone_ms, together_ms, _, poll_us, record_us), _ = measure(ports, turns, record_s)
        name, target = f"staggered ports: {ports}", "<= 150" if ports >= 16 else ""
        slowest, whole = [1e3 / float(alone_ms)], [1e3 / float(together_ms)]
        yield figure(name, whole, "polls/s", "slowest alone", slowest, ">= 0.95")
        yield figure(f"{name}, poll", [float(poll_us)], "us CPU/sample", target=target)
        yield figure(f"{name}, record", [float(record_us)], "us CPU/sample", target=target)


def main() -> None:
    port_counts = [int(each) for each in sys.argv[1:]] or [1, 4, 16]
    results = {ports: measure(ports) for ports in port_counts}
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
        [row for row, _ in results.values()],
    )
    print_ratios(
        *(
            (f"efficiency, {ports} ports (slowest alone / together)", ratio, ">=", 0.95)
            for ports, (_, ratio) in results.items()
        )
    )


if __name__ == "__main__":
    main()
