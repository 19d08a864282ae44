"""A recording of 16 ports with 4 controllers each, with every kind of fault.

Each port is a simulated line in its own process, with realistic timing. During the recording
controllers are switched off and on, adapters are unplugged and replugged under another name,
lines stall, replies are late, corrupt, echoed or missing, and another thread writes set
points. Each value identifies its source and is sent only once; therefore a value of another
source and a stale value are detected.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import threading
import time
from array import array
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from tests.soak_line import SOURCES, TIMEOUT_S, SoakLine, disturb, source_of
from watlowlib import ErrorPolicy, Recording, Sample, WatlowManager, record
from watlowlib._internal.clock import Deadline
from watlowlib.errors import WatlowError
from watlowlib.simulator import BusProcess

ADDRESSES, PARAMETERS = SOURCES
RATE_HZ = 5.0
PATIENCE_S = 60.0
GAPS = {"timeout", "offline", "busy", "crc", "disconnected", "line_not_quiet"}
OTHER_THREADS = 4
"""Threads of a recording outside the pool: the recorder's and those of the test."""
MAX_GROWTH_BYTES = 12_000_000

if sys.platform == "linux":
    # Started here: its descriptor stays open and must not be counted as a leak.
    resource_tracker.ensure_running()


class BatchChecker:
    """Checks each batch when it arrives, and stores each value with its times for later checks."""

    def __init__(self, lines: int, ticks: int) -> None:
        self.expected = [
            (device_name(line, address), parameter)
            for line, address in itertools.product(range(lines), ADDRESSES)
            for parameter in PARAMETERS.values()
        ]
        self.sources = [
            SOURCES.number(line, address, parameter)
            for line, address in itertools.product(range(lines), ADDRESSES)
            for parameter in PARAMETERS
        ]
        outside_pool = sum("-poll-" not in each.name for each in threading.enumerate())
        self.max_threads = outside_pool + OTHER_THREADS + 2 * lines
        self.batches = 0
        self.statuses: Counter[str] = Counter()
        self.successful = [0] * len(self.expected)
        # Allocated at full size, so that the test itself does not increase the memory use.
        self.values = array("d", bytes(3 * 8 * ticks * len(self.expected)))
        self.value_count = 0
        self.open_files: list[int] = []
        self.threads: list[int] = []
        self.memory: list[int] = []

    def check(self, batch: list[Sample]) -> None:
        assert [(each.device, each.parameter) for each in batch] == self.expected
        for number, (sample, source) in enumerate(zip(batch, self.sources)):
            self.statuses[sample.status] += 1
            if sample.status != "ok":
                assert sample.value is None
                continue
            assert isinstance(sample.value, float)
            assert source_of(sample.value) == source, f"a value of another source: {sample}"
            self.successful[number] += 1
            at = 3 * self.value_count
            self.values[at] = sample.value
            self.values[at + 1] = sample.requested_at.timestamp()
            self.values[at + 2] = sample.received_at.timestamp()
            self.value_count += 1
        self.batches += 1
        self.open_files.append(len(list(Path("/proc/self/fd").iterdir())))
        self.threads.append(threading.active_count())
        self.memory.append(resident_bytes())

    def check_no_value_is_stale(self, sent_at_s: dict[float, float], clock_step_s: float) -> None:
        distinct = set(self.values[0 : 3 * self.value_count : 3])
        assert len(distinct) == self.value_count, "a value was recorded twice"
        tolerance_s = 0.002 + clock_step_s
        for at in range(0, 3 * self.value_count, 3):
            value, requested_s, received_s = self.values[at : at + 3]
            sent_s = sent_at_s[value]
            assert requested_s - tolerance_s <= sent_s <= received_s + tolerance_s, (
                f"{value} was sent {sent_s - requested_s} s after the request, "
                f"and received after {received_s - requested_s} s"
            )

    def check_nothing_grows(self) -> None:
        first, last = self.batches // 3, -self.batches // 3
        assert max(self.open_files[last:]) <= max(self.open_files[:first]), self.open_files
        # The pool may start a thread while another one becomes idle: at most two per port.
        assert max(self.threads) <= self.max_threads, self.threads
        growth = max(self.memory[last:]) - max(self.memory[:first])
        assert growth <= MAX_GROWTH_BYTES, f"{growth} bytes more"


def device_name(line: int, address: int) -> str:
    return f"{line}_{address}"


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def write(manager: WatlowManager, stop: threading.Event) -> dict[str, list[float]]:
    """Write set points; return those each controller may hold: the last confirmed and later."""
    chance = random.Random(1)
    possible = {name: [75.0] for name in manager.names}
    for n in itertools.count(100):
        if stop.wait(0.05):
            break
        name, value = chance.choice(manager.names), float(n % 1000)
        possible[name].append(value)
        try:
            held = manager.get(name).set_setpoint(value, confirm=True)
        except WatlowError:
            continue
        assert held.value == value
        possible[name] = [value]
    return possible


def start_thread(call: Callable[[], object], results: list[object]) -> threading.Thread:
    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def wait_until_all_reply(manager: WatlowManager) -> None:
    """Wait until every controller replies."""
    manager.error_policy = ErrorPolicy.RETURN
    deadline = Deadline.after(PATIENCE_S)
    while any(result.error for result in manager.poll("setpoint").values()):
        assert not deadline.passed(), "not all controllers reply"


def record_with_faults(
    manager: WatlowManager, lines: list[BusProcess], duration_s: float
) -> tuple[Recording, BatchChecker, list[object]]:
    """Record while one thread causes faults and one writes; return also what these return."""
    checker = BatchChecker(len(lines), int(duration_s * RATE_HZ))
    stop = threading.Event()
    disturbances: list[object] = []
    written: list[object] = []
    threads = [
        start_thread(lambda: disturb(lines, stop), disturbances),
        start_thread(lambda: write(manager, stop), written),
    ]
    try:
        with record(
            manager, parameters=list(PARAMETERS), rate_hz=RATE_HZ, duration=duration_s
        ) as stream:
            for batch in stream:
                checker.check(batch)
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    return stream, checker, disturbances + written


def run_soak_test(folder: Path, lines: int, duration_s: float) -> None:
    wall_s = time.time() - time.monotonic()
    with ExitStack() as stack:
        links = [str(folder / f"usb-{line}") for line in range(lines)]
        buses = [
            stack.enter_context(BusProcess(partial(SoakLine, line, link)))
            for line, link in enumerate(links)
        ]
        manager = stack.enter_context(WatlowManager())
        for line, bus in enumerate(buses):
            port = bus.port
            for address in ADDRESSES:
                manager.add(device_name(line, address), port, address=address, timeout_s=TIMEOUT_S)
        wait_until_all_reply(manager)
        stream, checker, (disturbances, written) = record_with_faults(manager, buses, duration_s)
        wait_until_all_reply(manager)
        # Every tick has a row for each device and parameter, or is counted as skipped.
        summary = stream.summary
        assert checker.batches + summary.ticks_skipped == duration_s * RATE_HZ
        assert (summary.samples_emitted, summary.ticks_dropped) == (checker.batches, 0)
        assert summary.rows == checker.batches * len(checker.expected)
        assert summary.gaps == summary.rows - checker.statuses["ok"]
        # There is no wrong value, and every gap has a known status.
        assert set(checker.statuses) <= {"ok", *GAPS}, checker.statuses
        clock_step_s = abs(time.time() - time.monotonic() - wall_s)
        sent_at_s: dict[float, float] = {}
        for bus in buses:
            sent = bus.call("sent_values")
            assert isinstance(sent, dict)
            sent_at_s |= sent
        checker.check_no_value_is_stale(sent_at_s, clock_step_s)
        checker.check_nothing_grows()
        # Each set point is the last confirmed one, or a later one that was not confirmed.
        assert isinstance(written, dict), written
        for line, bus in enumerate(buses):
            setpoints = bus.call("setpoints")
            assert isinstance(setpoints, dict)
            for address, held in setpoints.items():
                assert held in written[device_name(line, address)]
        # All kinds of faults have occurred.
        assert isinstance(disturbances, Counter), disturbances
        assert min(disturbances[fault] for fault in ("power", "unplugged", "moved", "stalled")) > 0
        assert summary.disconnects > 0
        assert min(checker.successful) > 0, checker.successful
        faults = sum((Counter(bus.call("fault_counts")) for bus in buses), Counter())
        assert min(faults[fault] for fault in ("late", "corrupt")) > 0
        growth = checker.memory[-1] - checker.memory[len(checker.memory) // 3]
        print(f"{summary}\n{checker.statuses}\n{faults}\n{disturbances}\n{growth} bytes more")


@pytest.mark.skipif(sys.platform != "linux", reason="ptys, links to them and /proc")
@pytest.mark.timeout(170)
def test_a_recording_with_faults_on_every_port(tmp_path: Path) -> None:
    run_soak_test(tmp_path, lines=8, duration_s=12.0)


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="ptys, links to them and /proc")
@pytest.mark.timeout(900)
def test_a_recording_with_faults_on_every_port_for_ten_minutes(tmp_path: Path) -> None:
    run_soak_test(tmp_path, lines=16, duration_s=600.0)
