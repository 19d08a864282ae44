"""`watlowlib simulate`: simulate a line of controllers for other programs."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from functools import partial

from rich.console import Console

from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ControllerFamily, ProtocolKind
from watlowlib.simulator.bus import Simulated, SimulatedBus
from watlowlib.simulator.controller import ORDERS, PROTOCOLS, SimulatedController
from watlowlib.simulator.fleet import simulated_fleet
from watlowlib.simulator.series_sd import SimulatedSD

HELP = "simulate controllers on a port for other programs"
DESCRIPTION = "Simulate controllers on a pty or a TCP port, until Ctrl-C."
USAGE = "watlowlib simulate [N] [--tcp] [--speed X] [options]"
STDBUS_BAUDRATE, MODBUS_BAUDRATE = 38400, 9600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand to `parser`."""
    parser.add_argument(
        "count", nargs="?", type=int, default=3, metavar="N", help="controllers, 1 to 16"
    )
    parser.add_argument("--tcp", action="store_true", help="use a TCP port instead of a pty")
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="speed of the ovens (default: 1)"
    )
    parser.add_argument(
        "--family",
        choices=[str(ControllerFamily.PM), str(ControllerFamily.SD)],
        default=str(ControllerFamily.PM),
        help="of the controllers (default: pm); a Series SD supports only modbus_rtu",
    )
    parser.add_argument("--protocol", choices=list(map(str, PROTOCOLS)), help="default: stdbus")
    parser.add_argument("--data-map", type=int, choices=(1, 2), help="default: 1")
    parser.add_argument("--word-order", choices=list(map(str, ORDERS)), help="default: low_high")


def run(arguments: argparse.Namespace) -> None:
    """Simulate the line until Ctrl-C."""
    fleet = simulated_fleet(arguments.count, _controller_factory(arguments))
    modbus = all(each.speaks is ProtocolKind.MODBUS_RTU for each in fleet)
    bus = SimulatedBus(
        fleet,
        baudrate=MODBUS_BAUDRATE if modbus else STDBUS_BAUDRATE,
        transport="tcp" if arguments.tcp else None,
        speed=arguments.speed,
    )
    with bus:
        addresses = " ".join(map(str, bus.controllers))
        console = Console(highlight=False, soft_wrap=True)
        if modbus:
            console.print(f"{arguments.count} simulated controllers on {bus.port}:")
            console.print(f"  Modbus RTU, {MODBUS_BAUDRATE} baud, slaves {addresses}")
        else:
            console.print(
                f"{arguments.count} simulated controllers on {bus.port}; in another window:"
            )
            console.print(f"  watlowlib read {bus.port} --address {addresses}")
        console.print("Press Ctrl-C to end it.")
        never_set = threading.Event()
        while not never_set.wait(3600.0):
            pass


def _controller_factory(arguments: argparse.Namespace) -> Callable[..., Simulated]:
    """Return a callable that makes a simulated controller with the options given."""
    options = {name: getattr(arguments, name) for name in ("protocol", "data_map", "word_order")}
    given = {name: value for name, value in options.items() if value is not None}
    if arguments.family == ControllerFamily.SD:
        if given.pop("protocol", ProtocolKind.MODBUS_RTU) != ProtocolKind.MODBUS_RTU or given:
            raise WatlowConfigurationError(
                "a Series SD supports only Modbus RTU and has one data map and word order: "
                "leave out --protocol, --data-map and --word-order"
            )
        return SimulatedSD
    return partial(SimulatedController, **given)
