"""Reads per second and processor time per read, compared with bare pyserial and pywatlow.

The first part uses a pty on which another process replies at once, with the reply captured
from a PM3. It measures the time spent in the library. The contestants alternate for several
rounds, and the median round counts. Bare pyserial writes the request's bytes, reads as many
bytes as the reply has, and checks nothing.

The second part runs at 38400 baud, where the line sets the limit: 37 bytes of 10 bits per
read. It uses the same process, which delays its reply by exactly the time on the line, and
then a simulated bus without turnaround time. Timers wake this bus, which makes it a little
slower than its line for every contestant; bare pyserial shows by how much.
"""

from __future__ import annotations

import os
import struct
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.connection import Connection
from statistics import median

import serial
from figures import Figure, Size, figure
from harness import in_another_process, print_ratios, print_table, serve_bus

from watlowlib import open_device

try:
    from pywatlow.watlow import Watlow
except ImportError:
    Watlow = None

REQUEST = bytes.fromhex("55FF0510000006E8010301040101E399")
REPLY = bytes.fromhex("55FF060010000B8802030104010108451E3CD4A728")
LINE_LIMIT = 38400 / (10 * (len(REQUEST) + len(REPLY)))

ROUNDS = 20
READS = 500
LINE_ROUNDS = 3
LINE_READS = 300
TEN = (8006, 8007, 8008, 8009, 8010, 8011, 8012, 8013, 8014, 8033)

Contestant = Callable[[str], AbstractContextManager[Callable[[], object]]]
Results = dict[str, list[tuple[float, float]]]


def serve_replies(pipe: Connection, line_s: float) -> None:
    device, port = os.openpty()
    tty.setraw(port)
    pipe.send(os.ttyname(port))
    while True:
        missing = len(REQUEST)
        while missing:
            missing -= len(os.read(device, missing))
        wait_until(time.monotonic() + line_s)
        os.write(device, REPLY)


def wait_until(until_s: float) -> None:
    """Sleep, and busy-wait for the last half millisecond, because a sleep ends late."""
    idle_s = until_s - time.monotonic() - 0.0005
    if idle_s > 0:
        time.sleep(idle_s)
    while time.monotonic() < until_s:
        pass


@contextmanager
def bare_pyserial(port: str) -> Iterator[Callable[[], float]]:
    with serial.Serial(port, 38400, timeout=0.5) as line:

        def read() -> float:
            line.write(REQUEST)
            return float(struct.unpack(">f", line.read(len(REPLY))[-6:-2])[0])

        yield read


@contextmanager
def pywatlow(port: str) -> Iterator[Callable[[], object]]:
    device = Watlow(port=port)
    try:
        yield lambda: device.read()["data"]
    finally:
        device.close()


@contextmanager
def watlowlib(port: str) -> Iterator[Callable[[], object]]:
    with open_device(port) as controller:
        yield lambda: controller.read_parameter(4001).value


def time_reads(contestant: Contestant, port: str, reads: int) -> tuple[float, float]:
    """Return the seconds and processor seconds per read."""
    with contestant(port) as read:
        if not isinstance(read(), float):
            raise SystemExit(f"{contestant.__name__} did not read a number")
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        for _ in range(reads):
            read()
        cpu_s = time.process_time() - cpu_s
        return (time.perf_counter() - wall_s) / reads, cpu_s / reads


def alternate(contestants: Sequence[Contestant], port: str, rounds: int, reads: int) -> Results:
    results: Results = {each.__name__: [] for each in contestants}
    for _ in range(rounds):
        for each in contestants:
            results[each.__name__].append(time_reads(each, port, reads))
    return results


def rates(results: Results) -> dict[str, float]:
    return {name: 1 / median(wall_s for wall_s, _ in each) for name, each in results.items()}


def show(title: str, results: Results) -> None:
    print(title)
    per_second = rates(results)
    rows = [
        (name, f"{per_second[name]:,.0f}", f"{median(cpu_s for _, cpu_s in each) * 1e6:.1f}")
        for name, each in results.items()
    ]
    print_table(("", "reads/s", "CPU us/read"), rows)


def ratio_to(results: Results, other: str, target: float) -> tuple[str, float, str, float]:
    per_second = rates(results)
    return f"watlowlib / {other}", per_second["watlowlib"] / per_second[other], ">=", target


def compare_without_line_time() -> None:
    contestants = [bare_pyserial, watlowlib]
    if Watlow is None:
        print("pywatlow is not installed and is left out (pip install pywatlow)")
    else:
        contestants.append(pywatlow)
    with in_another_process(serve_replies, 0.0) as port:
        results = alternate(contestants, port, ROUNDS, READS)
    show(f"a device that replies at once, {ROUNDS} rounds of {READS} reads", results)
    targets = {"bare_pyserial": 0.65, "pywatlow": 3.0}
    cpu_s = {name: median(cpu_s for _, cpu_s in each) for name, each in results.items()}
    print_ratios(
        *(ratio_to(results, each, targets[each]) for each in results if each in targets),
        (
            "processor time, watlowlib / bare_pyserial",
            cpu_s["watlowlib"] / cpu_s["bare_pyserial"],
            "<=",
            1.8,
        ),
    )


def compare_at_38400_baud(title: str, serve: Callable[..., None], *args: object) -> None:
    with in_another_process(serve, *args) as port:
        results = alternate([bare_pyserial, watlowlib], port, LINE_ROUNDS, LINE_READS)
    show(f"38400 baud, {title}, {LINE_ROUNDS} rounds of {LINE_READS} reads", results)
    print_ratios(
        (
            "bare_pyserial / the line's limit",
            rates(results)["bare_pyserial"] / LINE_LIMIT,
            ">=",
            0.98,
        ),
        ("watlowlib / the line's limit", rates(results)["watlowlib"] / LINE_LIMIT, ">=", 0.98),
        ratio_to(results, "bare_pyserial", 0.98),
    )


@contextmanager
def poll_of_ten(port: str) -> Iterator[Callable[[], object]]:
    with open_device(port) as controller:
        yield lambda: controller.poll(TEN)[0].value


@contextmanager
def ten_bare_reads(port: str) -> Iterator[Callable[[], object]]:
    with bare_pyserial(port) as read:
        yield lambda: max(read() for _ in TEN)


def figures(size: Size) -> Iterator[Figure]:
    """Yield reads per second and processor time, without line time and at 38400 baud."""
    contestants = [bare_pyserial, watlowlib, *([pywatlow] if Watlow else [])]
    rounds, line_rounds = size.of(2, 9, ROUNDS), size.of(1, 3, 2 * LINE_ROUNDS)
    with in_another_process(serve_replies, 0.0) as port:
        results = alternate(contestants, port, rounds, size.of(10, 200, READS))
    yield compared(results, "one value", "bare_pyserial", ">= 0.65")
    ours, bare = (cpus_us(results[name]) for name in ("watlowlib", "bare_pyserial"))
    yield figure("one value, processor time", ours, "us/read", "bare pyserial", bare, "<= 1.8")
    if Watlow:
        yield compared(results, "one value", "pywatlow", ">= 3")
    reads = size.of(5, 100, LINE_READS)
    with in_another_process(serve_replies, 1 / LINE_LIMIT) as port:
        results = alternate([bare_pyserial, watlowlib], port, line_rounds, reads)
    yield compared(results, "one value, 38400 baud", "bare_pyserial", ">= 0.98")
    rates_now = [1 / wall_s for wall_s, _ in results["watlowlib"]]
    limits = [LINE_LIMIT] * len(rates_now)
    yield figure("one value, 38400 baud", rates_now, "reads/s", "the wire", limits, ">= 0.96")
    with in_another_process(serve_bus, [1], (0.0, 0.0)) as port:
        results = alternate([ten_bare_reads, poll_of_ten], port, line_rounds, reads // 10)
    yield compared(results, "poll of 10, 38400 baud", "ten_bare_reads", ">= 0.98", "poll_of_ten")


def compared(
    results: Results, name: str, peer: str, target: str, contestant: str = "watlowlib"
) -> Figure:
    ours, theirs = ([1 / wall_s for wall_s, _ in results[each]] for each in (contestant, peer))
    return figure(name, ours, "calls/s", peer.replace("_", " "), theirs, target)


def cpus_us(rounds: Sequence[tuple[float, float]]) -> list[float]:
    return [cpu_s * 1e6 for _, cpu_s in rounds]


if __name__ == "__main__":
    compare_without_line_time()
    print(f"at 38400 baud the line's limit is {LINE_LIMIT:.1f} reads/s")
    compare_at_38400_baud("a reply delayed by the time on the line", serve_replies, 1 / LINE_LIMIT)
    compare_at_38400_baud("a simulated bus", serve_bus, [1], (0.0, 0.0))
