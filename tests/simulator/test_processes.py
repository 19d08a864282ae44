"""A bus in its own process, called through a pipe."""

from __future__ import annotations

from functools import partial
from multiprocessing import resource_tracker

import pytest

from watlowlib import open_device
from watlowlib.errors import WatlowClosedError
from watlowlib.simulator import BusProcess, SimulatedBus

# Start Python's own helper now: its descriptor stays open and is not a leak of a test.
resource_tracker.ensure_running()

make_bus = partial(SimulatedBus, [1, 2], baudrate=None, turnaround_s=0.0)


def test_bus_methods_are_called_in_the_process() -> None:
    with BusProcess(make_bus) as bus, open_device(bus.port, timeout_s=1.0, retries=0) as ctl:
        assert ctl.read_setpoint().value == 75.0
        bus.call("power_off", 1)
        assert ctl.poll("pv")[0].status == "timeout"
        bus.call("power_on", 1)
        assert ctl.read_setpoint().value == 75.0
        bus.call("unplug")
        assert ctl.poll("pv")[0].status == "disconnected"
        before = bus.call("_device")
        bus.call("replug", elsewhere=True)
        assert bus.port != before
        with pytest.raises(AttributeError, match="explode"):
            bus.call("explode")


def test_a_killed_process_raises_closed_error() -> None:
    with BusProcess(make_bus) as bus:
        assert bus.port
        bus._process.kill()
        with pytest.raises(WatlowClosedError, match="is not running"):
            _ = bus.port
