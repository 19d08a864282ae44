"""The live page: the delay of its events, and of the recording's ticks without and with viewers.

A recording at 10 Hz reads two parameters of two controllers on a simulated bus in another
process, while its page is served. 50 viewers in a third process read the events; they connect for
every other part of the run, so that disturbances affect both halves alike. Measured are the delay
of each tick behind its slot, with no and with 50 viewers, the time from the last reply of a
tick to the arrival of its event at each viewer, and the processor time of the recording with its
page. The viewers share the processor with the rest.

    python benchmarks/web.py [SECONDS]      default: 60 seconds
"""

from __future__ import annotations

import http.client
import multiprocessing
import sys
import threading
import time
from multiprocessing.connection import Connection
from selectors import EVENT_READ, DefaultSelector
from typing import NamedTuple
from urllib.parse import urlsplit

from harness import in_another_process, percentile, print_ratios, print_table, serve_bus
from jitter import DelayMeter

from watlowlib import WatlowManager, record
from watlowlib.views.web.live import LiveFeed, live_board
from watlowlib.views.web.page import WebPage

RATE_HZ = 10
ADDRESSES = [1, 2]
PARAMETERS = ["process_value", "setpoint"]
VIEWERS = 50
PART_S = 5.0


def view(pipe: Connection) -> None:
    """Connect the viewers at each URL from the pipe; send when each event arrived, until None."""
    while (url := pipe.recv()) is not None:
        parts = urlsplit(url)
        selector = DefaultSelector()
        connections = []
        for _ in range(VIEWERS):
            connection = http.client.HTTPConnection(parts.hostname, parts.port)
            connection.request("GET", "/events")
            sock = connection.sock
            sock.setblocking(False)
            selector.register(sock, EVENT_READ)
            connections.append(connection)
        pipe.send("connected")
        arrivals: list[tuple[int, bytes]] = []
        while not pipe.poll():
            for key, _ in selector.select(0.05):
                data = key.fileobj.recv(1 << 20)
                arrivals.append((time.monotonic_ns(), data))
        pipe.recv()
        pipe.send([(at, number_of(data)) for at, data in arrivals])
        for connection in connections:
            connection.close()
        selector.close()


def number_of(data: bytes) -> int:
    """Return the number of ticks that a whole event says were emitted, or 0."""
    _, found, rest = data.partition(b'"ticks":')
    return int(rest.partition(b",")[0]) if found else 0


class Run:
    """A recording with a page, and the times of its ticks."""

    def __init__(self, manager: WatlowManager, seconds: float) -> None:
        self.meter = DelayMeter(manager)
        self.stream = record(
            self.meter, parameters=PARAMETERS, rate_hz=RATE_HZ, duration=seconds, clock=self.meter
        )
        self.replied_ns: dict[int, int] = {}

    def consume(self) -> None:
        for tick, batch in enumerate(self.stream, 1):
            self.replied_ns[tick] = max(each.monotonic_ns or 0 for each in batch)


class Measured(NamedTuple):
    """The delays in ns of ticks without and with viewers and of events; processor seconds."""

    without: list[int]
    with_viewers: list[int]
    events: list[int]
    cpu_without_s: float
    cpu_with_s: float


def measure(seconds: float) -> Measured:
    """Return the delays, and the processor time with and without viewers in as many seconds."""
    context = multiprocessing.get_context("spawn")
    pipe, child_pipe = context.Pipe()
    viewers = context.Process(target=view, args=(child_pipe,), daemon=True)
    viewers.start()
    without: list[int] = []
    with_viewers: list[int] = []
    arrivals: list[tuple[int, int]] = []
    cpu_s = [0.0, 0.0]

    def part(delays: list[int], into: list[int]) -> float:
        begin, began_s = len(delays), time.process_time()
        time.sleep(PART_S)
        into += delays[begin:]
        return time.process_time() - began_s

    with (
        in_another_process(serve_bus, ADDRESSES, (0.001, 0.002)) as port,
        WatlowManager() as manager,
        WebPage(live_board("benchmark"), port=0) as page,
    ):
        for address in ADDRESSES:
            manager.add(f"oven_{address}", port, address=address)
        run = Run(manager, seconds)
        delays = run.meter.delays_ns
        with LiveFeed(page, run.stream, lambda summary: []), run.stream:
            consumer = threading.Thread(target=run.consume)
            consumer.start()
            until_s = time.monotonic() + seconds - 2 * PART_S
            while time.monotonic() < until_s:
                cpu_s[0] += part(delays, without)
                pipe.send(page.url)
                pipe.recv()
                time.sleep(0.3)
                cpu_s[1] += part(delays, with_viewers)
                pipe.send("end")
                arrivals += pipe.recv()
                time.sleep(0.3)
            consumer.join()
    pipe.send(None)
    viewers.join()
    events = [at - run.replied_ns[tick] for at, tick in arrivals if tick in run.replied_ns]
    return Measured(without, with_viewers, events, *cpu_s)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    found = measure(seconds)
    measured = [[ns / 1e6 for ns in each] for each in found[:3]]
    names = ("tick, no viewer", f"tick, {VIEWERS} viewers", f"event, {VIEWERS} viewers")
    rows = [
        (name, str(len(ms)), *(f"{percentile(ms, p):.3f}" for p in (50, 99, 100)))
        for name, ms in zip(names, measured)
    ]
    print_table(("delay of a", "count", "p50 ms", "p99 ms", "max ms"), rows)
    without, with_viewers, events = measured
    share = [100 * each / (len(without) / RATE_HZ) for each in found[3:]]
    print(f"processor: {share[0]:.1f} % without, {share[1]:.1f} % with {VIEWERS} viewers\n")
    halves = sorted(percentile(each, 99) for each in (without[::2], without[1::2]))
    noise = max(halves[1] / halves[0], 1 + 1 / halves[0])
    changed = percentile(with_viewers, 99) / percentile(without, 99)
    print("target: the p99 of every second tick without viewers / that of the others, or 1 ms")
    print_ratios(
        (f"p99 of ticks, with {VIEWERS} viewers / without", changed, "<=", noise),
        ("p99 of events / 0.5 s", percentile(events, 99) / 500, "<=", 1.0),
        ("largest delay of an event / 0.5 s", max(events) / 500, "<=", 1.0),
    )


if __name__ == "__main__":
    main()
