"""Many ports whose controllers answer in step, compared with bare threads and the wire's limit.

One other process serves all ports: it answers each request after exactly the time of 37 bytes at
38400 baud, without turnaround. All ports are asked at the same instant and answer at the same
instant, which is the hardest case for one process. The wire's limit is the time on the line of
one port's exchanges.

The contestants poll the same ports in turn, so that disturbances affect all. Bare threads are a
ThreadPoolExecutor with one task for each port, which writes a request, waits with `select`, reads
as many bytes as the reply has, and checks nothing. `poll` is `WatlowManager.poll`; `tick` is what
a recording does for each tick, with its switch interval. `tick on one core` is the same while all
threads of this process may run on one core only, as with `taskset` (Linux). The processor time is
that of this process.

    python benchmarks/in_step.py [PORTS ...]      1, 4, 16 and 64 if none are given
"""

from __future__ import annotations

import heapq
import os
import select
import sys
import time
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from threading import Event

from figures import Figure, Size, figure
from harness import in_another_process, print_ratios, print_table

from watlowlib import WatlowManager
from watlowlib._internal.switch_interval import SWITCH_INTERVAL_S, lowered
from watlowlib.protocol.stdbus.frames import REPLY, Frame, FrameDecoder, encode_frame
from watlowlib.protocol.stdbus.payloads import READ_REPLY, ReadRequest
from watlowlib.protocol.stdbus.requests import frame_read_request

ADDRESSES = [1, 2, 3, 4]
OBJECTS = {"process_value": (4, 1), "setpoint": (7, 1)}
EXCHANGES = len(ADDRESSES) * len(OBJECTS)
LINE_S = 37 * 10 / 38400
ROUNDS, POLLS = 7, 5

REQUESTS = {
    (address, name): frame_read_request(address, ReadRequest(*numbers, 1)).frame
    for address in ADDRESSES
    for name, numbers in OBJECTS.items()
}
REPLY_SIZE = 21


def reply_to(request: bytes) -> bytes:
    """Return the reply to a read: the value 75.0."""
    (frame,) = FrameDecoder().feed(request)
    payload = READ_REPLY + frame.payload[3:] + b"\x08\x42\x96\x00\x00"
    return encode_frame(Frame(REPLY, frame.source, frame.destination, payload))


def serve_lines(pipe: Connection, ports: int) -> None:
    """Answer the requests on all lines, each after the time on the line."""
    replies: dict[bytes, bytes] = {}
    pairs = [os.openpty() for _ in range(ports)]
    for device, port in pairs:
        tty.setraw(port)
        tty.setraw(device)
    pipe.send([os.ttyname(port) for _, port in pairs])
    poller = select.epoll()
    for device, _ in pairs:
        poller.register(device, select.EPOLLIN)
    due: list[tuple[float, int, bytes]] = []
    while True:
        idle_s = due[0][0] - time.monotonic() if due else 1.0
        # A wait of epoll has whole milliseconds: the last one is waited by select.
        if idle_s > 0:
            select.select((poller.fileno(),), (), (), max(0.0, idle_s - 0.00005))
        for device, _ in poller.poll(0):
            request = os.read(device, 64)
            if request not in replies:
                replies[request] = reply_to(request)
            heapq.heappush(due, (time.monotonic() + LINE_S, device, replies[request]))
        while due and due[0][0] <= time.monotonic():
            _, device, reply = heapq.heappop(due)
            os.write(device, reply)


def bare_threads(ports: list[str], stack: ExitStack) -> Callable[[], object]:
    """Return a function that makes all exchanges on all ports with bare threads."""
    lines = [os.open(port, os.O_RDWR | os.O_NOCTTY) for port in ports]
    for line in lines:
        stack.callback(os.close, line)
    pool = stack.enter_context(ThreadPoolExecutor(len(ports)))

    def exchange(line: int) -> None:
        for request in REQUESTS.values():
            os.write(line, request)
            received = b""
            while len(received) < REPLY_SIZE:
                select.select((line,), (), (), 1.0)
                received += os.read(line, 64)

    return lambda: list(pool.map(exchange, lines))


@contextmanager
def on_one_core() -> Iterator[None]:
    """Let all threads of this process run on one core within a `with` block."""
    cores = os.sched_getaffinity(0)
    try:
        set_cores({max(cores)})
        yield
    finally:
        set_cores(cores)


def set_cores(cores: set[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def measure(ports: int) -> tuple[list[tuple[str, ...]], dict[str, float]]:
    """Return the rows of the table, and the share of the wire's limit of each contestant."""
    with ExitStack() as stack:
        names = stack.enter_context(in_another_process(serve_lines, ports))
        contestants = {"bare threads": bare_threads(names, stack)}
        manager = stack.enter_context(WatlowManager())
        for number, port in enumerate(names):
            for address in ADDRESSES:
                manager.add(f"{number}_{address}", port, address=address)
        contestants["poll"] = lambda: manager.poll(list(OBJECTS))
        tick = manager.prepare(list(OBJECTS))

        def read_tick() -> None:
            with lowered(SWITCH_INTERVAL_S):
                tick.read_within(Event(), None)

        def read_on_one_core() -> None:
            with on_one_core():
                read_tick()

        contestants["tick"] = read_tick
        if hasattr(os, "sched_setaffinity"):
            contestants["tick on one core"] = read_on_one_core
        times_s: dict[str, list[float]] = {name: [] for name in contestants}
        cpus_s: dict[str, list[float]] = {name: [] for name in contestants}
        for turn in range(ROUNDS + 1):
            for name, poll in contestants.items():
                cpu_s = time.process_time()
                for _ in range(POLLS):
                    began_s = time.perf_counter()
                    poll()
                    times_s[name].append(time.perf_counter() - began_s)
                cpus_s[name].append((time.process_time() - cpu_s) / (POLLS * ports * EXCHANGES))
                if turn == 0:  # the first round starts threads and fills caches
                    times_s[name].clear()
                    cpus_s[name].clear()
    limit_s = EXCHANGES * LINE_S
    shares = {name: limit_s / median(each) for name, each in times_s.items()}
    rows = [
        (
            f"{ports} {name}",
            f"{median(times_s[name]) * 1e3:.1f}",
            f"{shares[name]:.3f}",
            f"{median(cpus_s[name]) * 1e6:.0f}",
        )
        for name in contestants
    ]
    return rows, shares


def figures(size: Size) -> Iterator[Figure]:
    """Yield the share of the wire's limit that ports in step reach, beside bare threads."""
    for ports in size.of((1,), (1, 16), (1, 4, 16, 64)):
        rows, shares = measure(ports)
        bare = shares.pop("bare threads")
        least, most = target_share(ports, bare), "<= 150" if ports >= 16 else ""
        for name, share in shares.items():
            text = f"ports in step: {ports}, {name}"
            yield figure(text, [share], "of the wire", "bare threads", [bare], least)
        for name, *_, cpu_us in rows[1:]:
            yield figure(f"ports in step: {name}", [float(cpu_us)], "us CPU/sample", target=most)


def target_share(ports: int, bare: float) -> str:
    """Return the target of the ratio to bare threads."""
    if ports < 16:
        return ""
    least = 0.75 if ports > 16 else min(0.9, 0.96 * bare)
    return f">= {least / bare:.2f}"


def main() -> None:
    port_counts = [int(each) for each in sys.argv[1:]] or [1, 4, 16, 64]
    results = {ports: measure(ports) for ports in port_counts}
    print_table(
        ("ports", "all exchanges ms", "of the wire's limit", "CPU us/sample"),
        [row for rows, _ in results.values() for row in rows],
    )
    for ports, (_, shares) in results.items():
        target = min(0.9, 0.96 * shares["bare threads"]) if ports <= 16 else 0.75
        for name in list(shares)[1:]:
            print_ratios(
                (f"{ports} ports, {name}, of the wire's limit", shares[name], ">=", target)
            )


if __name__ == "__main__":
    main()
