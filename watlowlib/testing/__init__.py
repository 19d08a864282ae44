"""Test programs without a controller: simulated lines, faults, and what was written.

    with watlowlib.testing.bus() as bus:
        preheat(bus.port, 250.0)
        bus.assert_written("setpoint", 250.0, times=1)

With pytest there are the fixtures `watlow_bus`, `watlow_controller` and `watlow_rig`.
"""

from watlowlib.testing.faults import Faults
from watlowlib.testing.rigs import TestRig, rig
from watlowlib.testing.simulated import TestBus, bus
from watlowlib.testing.writes import BusWrite

__all__ = ["BusWrite", "Faults", "TestBus", "TestRig", "bus", "rig"]
