"""A simulated line: controllers with ovens, on a pty or a TCP port, with faults to order."""

from watlowlib.simulator.bus import SimulatedBus
from watlowlib.simulator.controller import SimulatedController, Write
from watlowlib.simulator.faults import Fault, FaultPlan
from watlowlib.simulator.oven import Oven

__all__ = ["Fault", "FaultPlan", "Oven", "SimulatedBus", "SimulatedController", "Write"]
