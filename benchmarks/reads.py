"""Reads per second and processor time per read, beside bare pyserial and pywatlow.

First on a pty whose other end answers at once, from another process, with the reply
captured from a PM3: there the time goes into the library. The contestants take turns
for several rounds, and the median round counts. Bare pyserial writes the request's
bytes and reads as many as the reply has, and checks nothing.

Then at 38400 baud, where the wire sets the limit: 37 bytes of 10 bits a read. Once with
the same other end, which holds its reply back for exactly the wire's time, and once on
a simulated bus without turnaround time. That bus is woken by timers and so a little
slower than its wire, for every contestant: bare pyserial shows by how much.
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
from harness import in_another_process, print_ratios, print_table, serve_bus

from watlowlib import open_device

try:
    from pywatlow.watlow import Watlow
except ImportError:
    Watlow = None

REQUEST = bytes.fromhex("55FF0510000006E8010301040101E399")
REPLY = bytes.fromhex("55FF060010000B8802030104010108451E3CD4A728")
WIRE_LIMIT = 38400 / (10 * (len(REQUEST) + len(REPLY)))

ROUNDS = 20
READS = 500
WIRE_ROUNDS = 3
WIRE_READS = 300

Contestant = Callable[[str], AbstractContextManager[Callable[[], object]]]
Turns = dict[str, list[tuple[float, float]]]


def answer(pipe: Connection, wire_s: float) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    pipe.send(os.ttyname(theirs))
    while True:
        missing = len(REQUEST)
        while missing:
            missing -= len(os.read(ours, missing))
        hold_back(time.monotonic() + wire_s)
        os.write(ours, REPLY)


def hold_back(until_s: float) -> None:
    """Sleep, but be awake for the last half millisecond: a sleep ends late."""
    idle_s = until_s - time.monotonic() - 0.0005
    if idle_s > 0:
        time.sleep(idle_s)
    while time.monotonic() < until_s:
        pass


@contextmanager
def bare_pyserial(port: str) -> Iterator[Callable[[], object]]:
    with serial.Serial(port, 38400, timeout=0.5) as line:

        def read() -> object:
            line.write(REQUEST)
            return struct.unpack(">f", line.read(len(REPLY))[-6:-2])[0]

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


def turn(contestant: Contestant, port: str, reads: int) -> tuple[float, float]:
    """Seconds and processor seconds a read took."""
    with contestant(port) as read:
        if not isinstance(read(), float):
            raise SystemExit(f"{contestant.__name__} reads no number")
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        for _ in range(reads):
            read()
        cpu_s = time.process_time() - cpu_s
        return (time.perf_counter() - wall_s) / reads, cpu_s / reads


def take_turns(contestants: Sequence[Contestant], port: str, rounds: int, reads: int) -> Turns:
    turns: Turns = {each.__name__: [] for each in contestants}
    for _ in range(rounds):
        for each in contestants:
            turns[each.__name__].append(turn(each, port, reads))
    return turns


def rates(turns: Turns) -> dict[str, float]:
    return {name: 1 / median(wall_s for wall_s, _ in each) for name, each in turns.items()}


def show(title: str, turns: Turns) -> None:
    print(title)
    per_second = rates(turns)
    rows = [
        (name, f"{per_second[name]:,.0f}", f"{median(cpu_s for _, cpu_s in each) * 1e6:.1f}")
        for name, each in turns.items()
    ]
    print_table(("", "reads/s", "CPU us/read"), rows)


def ratio_to(turns: Turns, other: str, target: float) -> tuple[str, float, str, float]:
    per_second = rates(turns)
    return f"watlowlib / {other}", per_second["watlowlib"] / per_second[other], ">=", target


def at_once() -> None:
    contestants = [bare_pyserial, watlowlib]
    if Watlow is None:
        print("pywatlow is not installed: nothing to compare with (pip install pywatlow)")
    else:
        contestants.append(pywatlow)
    with in_another_process(answer, 0.0) as port:
        turns = take_turns(contestants, port, ROUNDS, READS)
    show(f"a device that answers at once, {ROUNDS} rounds of {READS} reads", turns)
    targets = {"bare_pyserial": 0.5, "pywatlow": 3.0}
    print_ratios(*(ratio_to(turns, each, targets[each]) for each in turns if each in targets))


def at_38400_baud(title: str, serve: Callable[..., None], *args: object) -> None:
    with in_another_process(serve, *args) as port:
        turns = take_turns([bare_pyserial, watlowlib], port, WIRE_ROUNDS, WIRE_READS)
    show(f"38400 baud, {title}, {WIRE_ROUNDS} rounds of {WIRE_READS} reads", turns)
    print_ratios(
        (
            "bare_pyserial / the wire's limit",
            rates(turns)["bare_pyserial"] / WIRE_LIMIT,
            ">=",
            0.98,
        ),
        ("watlowlib / the wire's limit", rates(turns)["watlowlib"] / WIRE_LIMIT, ">=", 0.98),
        ratio_to(turns, "bare_pyserial", 0.98),
    )


if __name__ == "__main__":
    at_once()
    print(f"at 38400 baud the wire's limit is {WIRE_LIMIT:.1f} reads/s")
    at_38400_baud("held back for the wire's time", answer, 1 / WIRE_LIMIT)
    at_38400_baud("a simulated bus", serve_bus, [1], (0.0, 0.0))
