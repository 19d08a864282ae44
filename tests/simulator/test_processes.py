"""A bus in a process of its own: the same bus, asked through a pipe."""

from __future__ import annotations

from functools import partial
from multiprocessing import resource_tracker

import pytest

from watlowlib import open_device
from watlowlib.errors import WatlowClosedError
from watlowlib.simulator import BusProcess, SimulatedBus

# Python's own helper, which stays: not to be counted as a descriptor left open.
resource_tracker.ensure_running()

QUICK = partial(SimulatedBus, [1, 2], baudrate=None, turnaround_s=0.0)


def test_it_answers_and_does_what_it_is_told() -> None:
    with BusProcess(QUICK) as bus, open_device(bus.port, timeout_s=1.0, retries=0) as ctl:
        assert ctl.read_setpoint().value == 75.0
        bus.ask("power_off", 1)
        assert ctl.poll("pv")[0].status == "timeout"
        bus.ask("power_on", 1)
        assert ctl.read_setpoint().value == 75.0
        bus.ask("unplug")
        assert ctl.poll("pv")[0].status == "disconnected"
        before = bus.ask("_device")
        bus.ask("replug", elsewhere=True)
        assert bus.port != before
        with pytest.raises(AttributeError, match="explode"):
            bus.ask("explode")


def test_a_process_that_is_gone_says_so() -> None:
    with BusProcess(QUICK) as bus:
        assert bus.port
        bus._process.kill()
        with pytest.raises(WatlowClosedError, match="does not run"):
            _ = bus.port
