"""`watlowlib simulate`: a simulated line for other programs, until Ctrl-C."""

from __future__ import annotations

import argparse
import threading

from rich.console import Console

from watlowlib.simulator.bus import SimulatedBus
from watlowlib.simulator.fleet import simulated_fleet

HELP = "simulate controllers on a port for other programs"
DESCRIPTION = "Simulate controllers on a pty or a TCP port, until Ctrl-C."
USAGE = "watlowlib simulate [N] [--tcp] [--speed X]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this subcommand."""
    parser.add_argument(
        "count", nargs="?", type=int, default=3, metavar="N", help="controllers, 1 to 16"
    )
    parser.add_argument("--tcp", action="store_true", help="on a TCP port instead of a pty")
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="of the ovens (default: 1)"
    )


def run(arguments: argparse.Namespace) -> None:
    """Serve the line until Ctrl-C."""
    bus = SimulatedBus(
        simulated_fleet(arguments.count),
        transport="tcp" if arguments.tcp else None,
        speed=arguments.speed,
    )
    with bus:
        addresses = " ".join(map(str, bus.controllers))
        console = Console(highlight=False, soft_wrap=True)
        console.print(f"{arguments.count} simulated controllers on {bus.port}; in another window:")
        console.print(f"  watlowlib read {bus.port} --address {addresses}")
        console.print("Ctrl-C ends it.")
        never = threading.Event()
        while not never.wait(3600.0):
            pass
