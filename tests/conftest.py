"""What every test has: no thread and no open port may outlive it."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator

import pytest

from watlowlib._internal.threads import PREFIX
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.protocol import port_pool
from watlowlib.simulator import SimulatedBus

PATIENCE_S = 10.0


def ours() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name.startswith(PREFIX)]


def descriptors() -> int:
    """How many are open; 0 where that cannot be seen."""
    folder = "/proc/self/fd"
    return len(os.listdir(folder)) if os.path.isdir(folder) else 0  # noqa: PTH208, PTH112


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Fails the test that leaves one of our threads, a shared port or a descriptor open."""
    before = descriptors()
    yield
    for thread in ours():
        thread.join(PATIENCE_S)
    assert ours() == []
    assert port_pool._ports == []
    if descriptors() > before:
        gc.collect()  # which takes longer than most tests
    assert descriptors() <= before


@pytest.fixture
def bus() -> Iterator[SimulatedBus]:
    """Controllers 1 and 2 on a wire that takes no time and answers at once."""
    with SimulatedBus([1, 2], baudrate=None, turnaround_s=(0.0, 0.0)) as running:
        yield running


@pytest.fixture
def ctl(bus: SimulatedBus) -> Iterator[Controller]:
    """Controller 1 on `bus`, with little patience."""
    with open_device(bus.port, timeout_s=0.25) as opened:
        yield opened
