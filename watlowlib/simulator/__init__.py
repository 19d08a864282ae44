"""A simulated line of controllers with ovens, on a pty or a TCP port, with faults on request."""

from watlowlib.simulator.bus import SimulatedBus
from watlowlib.simulator.controller import SimulatedController
from watlowlib.simulator.faults import Fault, FaultPlan
from watlowlib.simulator.gateway import SimulatedGateway
from watlowlib.simulator.oven import Oven
from watlowlib.simulator.processes import BusProcess
from watlowlib.simulator.registers import Write
from watlowlib.simulator.series_sd import SimulatedSD
from watlowlib.simulator.slave import RegisterWrite
from watlowlib.simulator.zones import SimulatedZones

__all__ = [
    "BusProcess",
    "Fault",
    "FaultPlan",
    "Oven",
    "RegisterWrite",
    "SimulatedBus",
    "SimulatedController",
    "SimulatedGateway",
    "SimulatedSD",
    "SimulatedZones",
    "Write",
]
