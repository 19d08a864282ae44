"""Manual clocks, and a bus of three controllers whose ovens run on one of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from watlowlib._internal.clock import ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.simulator import SimulatedBus, SimulatedController


class InstantClock(ManualClock):
    """A manual clock on which a wait advances the time and returns at once."""

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        self.advance(max(0, due_ns - self.now_ns()) / 1e9)
        return stop.is_set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """A manual clock that `time.monotonic` shows too."""
    manual = ManualClock(10**12)
    monkeypatch.setattr(time, "monotonic", lambda: manual.now_ns() / 1e9)
    return manual


@pytest.fixture
def instant_clock() -> InstantClock:
    return InstantClock()


@pytest.fixture
def unit() -> SimulatedController:
    """The simulated controller behind `ctl`: one loop, no cooling output."""
    return SimulatedController(1)


@pytest.fixture
def bus(unit: SimulatedController, instant_clock: InstantClock) -> Iterator[SimulatedBus]:
    """Controllers 1 to 3; the third has two loops and a cooling output."""
    units = [unit, 2, SimulatedController(3, loops=2, cooling=True)]
    with SimulatedBus(units, baudrate=None, turnaround_s=0.0, clock=instant_clock) as running:
        yield running


@pytest.fixture
def two_loops(bus: SimulatedBus) -> Iterator[Controller]:
    """Controller 3 on `bus`, which has two loops and a cooling output."""
    with open_device(bus.port, address=3) as opened:
        yield opened
