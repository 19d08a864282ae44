"""The simulated line of the reference scripts; the same for each run of a script."""

from __future__ import annotations

from watlowlib._internal.clock import ManualClock
from watlowlib.simulator import Oven, SimulatedBus, SimulatedController


def reference_line() -> SimulatedBus:
    """Return a line without noise, whose ovens' time stands still."""
    controllers = [
        SimulatedController(1, oven=Oven(noise=0.0)),
        SimulatedController(2, oven=Oven(noise=0.0), setpoint=100.0, loops=2, cooling=True),
        SimulatedController(
            3, oven=Oven(noise=0.0), setpoint=60.0, protocol="modbus_rtu", word_order="high_low"
        ),
    ]
    return SimulatedBus(controllers, baudrate=None, turnaround_s=(0.0, 0.0), clock=ManualClock())
