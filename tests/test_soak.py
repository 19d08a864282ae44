"""16 ports of 4 controllers, recorded while everything goes wrong that goes wrong.

Each port is a simulated line in a process of its own, in the time a real one takes. While
the recording runs, controllers are switched off and on, adapters are pulled out and put
back elsewhere, lines stand still, replies are late, corrupt, echoed or missing, and
another thread writes set points. Every value says whose it is and is given only once, so
that a foreign or stale one is seen.
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from tests.soak_line import ADDRESSES, PARAMETERS, TIMEOUT_S, SoakLine, number_of, owner
from watlowlib import ErrorPolicy, Recording, Sample, WatlowManager, record
from watlowlib._internal.clock import Deadline
from watlowlib.errors import WatlowError
from watlowlib.simulator import BusProcess

RATE_HZ = 5.0
PATIENCE_S = 60.0
GAPS = {"timeout", "offline", "busy", "crc", "disconnected", "line_not_quiet"}
FEW = 4
"""Threads of a recording beside the pool's: recorder, and the test's own."""
MOST_GROWTH_BYTES = 12_000_000

if sys.platform == "linux":
    # Python's own helper, which stays: not to be counted as a descriptor left open.
    resource_tracker.ensure_running()


class Checked:
    """Looks at every batch as it comes, and keeps of each value what is needed to judge it."""

    def __init__(self, lines: int, ticks: int) -> None:
        self.expected = [
            (name_of(line, address), parameter)
            for line, address in itertools.product(range(lines), ADDRESSES)
            for parameter in PARAMETERS.values()
        ]
        self.numbers = [
            number_of(line, address, parameter)
            for line, address in itertools.product(range(lines), ADDRESSES)
            for parameter in PARAMETERS
        ]
        self.lines = lines
        self.others = sum("-poll-" not in each.name for each in threading.enumerate()) + FEW
        self.batches = 0
        self.statuses: Counter[str] = Counter()
        self.answered = [0] * len(self.expected)
        # Made in full size beforehand: what grows now is not ours.
        self.values = array("d", bytes(3 * 8 * ticks * len(self.expected)))
        self.kept = 0
        self.open_files: list[int] = []
        self.threads: list[int] = []
        self.memory: list[int] = []

    def look(self, batch: list[Sample]) -> None:
        assert [(each.device, each.parameter) for each in batch] == self.expected
        for number, (sample, whose) in enumerate(zip(batch, self.numbers)):
            self.statuses[sample.status] += 1
            if sample.status != "ok":
                assert sample.value is None
                continue
            assert isinstance(sample.value, float)
            assert owner(sample.value) == whose, f"a foreign value: {sample}"
            self.answered[number] += 1
            at = 3 * self.kept
            self.values[at] = sample.value
            self.values[at + 1] = sample.requested_at.timestamp()
            self.values[at + 2] = sample.received_at.timestamp()
            self.kept += 1
        self.batches += 1
        self.open_files.append(len(list(Path("/proc/self/fd").iterdir())))
        self.threads.append(threading.active_count())
        self.memory.append(resident_bytes())

    def no_value_is_stale(self, given_at_s: dict[float, float], stepped_s: float) -> None:
        assert len(set(self.values[0 : 3 * self.kept : 3])) == self.kept, "a value came twice"
        for at in range(0, 3 * self.kept, 3):
            value, asked_s, answered_s = self.values[at : at + 3]
            given_s = given_at_s[value]
            assert asked_s - 0.002 - stepped_s <= given_s <= answered_s + 0.002 + stepped_s, (
                f"{value} was given {given_s - asked_s} s after it was asked for, "
                f"and received after {answered_s - asked_s} s"
            )

    def nothing_grows(self) -> None:
        first, last = self.batches // 3, -self.batches // 3
        assert max(self.open_files[last:]) <= max(self.open_files[:first]), self.open_files
        # The pool may take another thread where one is just coming back: two a port at the most.
        assert max(self.threads) <= self.others + 2 * self.lines, self.threads
        growth = max(self.memory[last:]) - max(self.memory[:first])
        assert growth <= MOST_GROWTH_BYTES, f"{growth} bytes more"


def name_of(line: int, address: int) -> str:
    return f"{line}_{address}"


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def disturb(lines: list[BusProcess], stop: threading.Event) -> Counter[str]:
    """Do something bad to a line, and set it right again, until told to stop."""
    chance = random.Random(0)
    done: Counter[str] = Counter()
    ways: Iterator[tuple[str, tuple[str, str]]] = itertools.cycle(
        {
            "power": ("power_off", "power_on"),
            "unplugged": ("unplug", "replug"),
            "moved": ("unplug", "replug"),
            "stalled": ("stall", "resume"),
        }.items()
    )
    while not stop.wait(chance.uniform(0.2, 0.8)):
        what, (wrong, right) = next(ways)
        line = chance.choice(lines)
        arguments = (chance.choice(ADDRESSES),) if what == "power" else ()
        line.ask(wrong, *arguments)
        stop.wait(chance.uniform(0.2, 0.8))
        line.ask(right, *arguments, **({"elsewhere": True} if what == "moved" else {}))
        done[what] += 1
    return done


def write(manager: WatlowManager, stop: threading.Event) -> dict[str, list[float]]:
    """Write set points; by controller what it may hold: the last one confirmed, and later ones."""
    chance = random.Random(1)
    may_hold = {name: [75.0] for name in manager.names}
    for n in itertools.count(100):
        if stop.wait(0.05):
            break
        name, value = chance.choice(manager.names), float(n % 1000)
        may_hold[name].append(value)
        try:
            held = manager.get(name).set_setpoint(value, confirm=True)
        except WatlowError:
            continue
        assert held.value == value
        may_hold[name] = [value]
    return may_hold


def beside(call: Callable[[], object], results: list[object]) -> threading.Thread:
    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def all_answer(manager: WatlowManager) -> None:
    """Wait until every controller is back."""
    manager.error_policy = ErrorPolicy.RETURN
    late = Deadline.after(PATIENCE_S)
    while any(result.error for result in manager.poll("setpoint").values()):
        assert not late.passed(), "not all came back"


def recorded(
    manager: WatlowManager, lines: list[BusProcess], duration_s: float
) -> tuple[Recording, Checked, list[object]]:
    """Record while a thread disturbs and another one writes; what these came to."""
    checked = Checked(len(lines), int(duration_s * RATE_HZ))
    stop = threading.Event()
    disturbed: list[object] = []
    written: list[object] = []
    threads = [
        beside(lambda: disturb(lines, stop), disturbed),
        beside(lambda: write(manager, stop), written),
    ]
    try:
        with record(
            manager, parameters=list(PARAMETERS), rate_hz=RATE_HZ, duration=duration_s
        ) as stream:
            for batch in stream:
                checked.look(batch)
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_S)
    return stream, checked, disturbed + written


def soaked(folder: Path, lines: int, duration_s: float) -> None:
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
                manager.add(name_of(line, address), port, address=address, timeout_s=TIMEOUT_S)
        all_answer(manager)
        stream, checked, (disturbed, written) = recorded(manager, buses, duration_s)
        all_answer(manager)
        # Every tick is there, with a row for each device and parameter, or counted as skipped.
        summary = stream.summary
        assert checked.batches + summary.ticks_skipped == duration_s * RATE_HZ
        assert (summary.samples_emitted, summary.ticks_dropped) == (checked.batches, 0)
        assert summary.rows == checked.batches * len(checked.expected)
        assert summary.gaps == summary.rows - checked.statuses["ok"]
        # No wrong value, and a reason where there is none.
        assert set(checked.statuses) <= {"ok", *GAPS}, checked.statuses
        stepped_s = abs(time.time() - time.monotonic() - wall_s)
        given_at_s: dict[float, float] = {}
        for bus in buses:
            given = bus.ask("given")
            assert isinstance(given, dict)
            given_at_s |= given
        checked.no_value_is_stale(given_at_s, stepped_s)
        checked.nothing_grows()
        # Each set point is the last one that was confirmed, or one whose write was not.
        assert isinstance(written, dict), written
        for line, bus in enumerate(buses):
            setpoints = bus.ask("setpoints")
            assert isinstance(setpoints, dict)
            for address, held in setpoints.items():
                assert held in written[name_of(line, address)]
        # And it was no fair weather.
        assert isinstance(disturbed, Counter), disturbed
        assert min(disturbed[what] for what in ("power", "unplugged", "moved", "stalled")) > 0
        assert summary.disconnects > 0
        assert min(checked.answered) > 0, checked.answered
        faults = sum((Counter(bus.ask("happened")) for bus in buses), Counter())
        assert min(faults[fault] for fault in ("late", "corrupt")) > 0
        growth = checked.memory[-1] - checked.memory[len(checked.memory) // 3]
        print(f"{summary}\n{checked.statuses}\n{faults}\n{disturbed}\n{growth} bytes more")


@pytest.mark.skipif(sys.platform != "linux", reason="ptys, links to them and /proc")
@pytest.mark.timeout(170)
def test_a_fleet_in_foul_weather(tmp_path: Path) -> None:
    soaked(tmp_path, lines=16, duration_s=16.0)


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="ptys, links to them and /proc")
@pytest.mark.timeout(900)
def test_a_fleet_in_foul_weather_for_ten_minutes(tmp_path: Path) -> None:
    soaked(tmp_path, lines=16, duration_s=600.0)
