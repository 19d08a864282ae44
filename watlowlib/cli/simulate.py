"""`watlowlib simulate`: simulate a line of controllers, or a whole rig, for other programs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import click
from rich.console import Console

from watlowlib._internal.queues import wait_for_event
from watlowlib.cli.base import define, json_option
from watlowlib.cli.options import FAMILIES, PROTOCOLS
from watlowlib.cli.output import console, print_json
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ControllerFamily, ProtocolKind
from watlowlib.model.text import counted
from watlowlib.rig import load_rig
from watlowlib.simulator.bus import Simulated, SimulatedBus
from watlowlib.simulator.controller import ORDERS, SimulatedController
from watlowlib.simulator.fleet import simulated_fleet
from watlowlib.simulator.gateway import SimulatedGateway
from watlowlib.simulator.rig import simulated_ports
from watlowlib.simulator.series_sd import SimulatedSD

Row = dict[str, Any]

STDBUS_BAUDRATE, MODBUS_BAUDRATE = 38400, 9600


@define(
    "simulate",
    short_help="Simulate controllers on a port for other programs.",
    help="Simulate N controllers (1 to 16, default 3) on a pty or a TCP port, or the ports and "
    "controllers of a rig file, until Ctrl-C. A port of the file that is a path, at which there is "
    "nothing, becomes a symbolic link to a pty; socket://localhost:4001 listens there. Other "
    "ports, such as COM3 or an adapter that is plugged in, get a pty whose name is printed.",
    examples=("watlowlib simulate 3 --speed 10", "watlowlib simulate rig.toml"),
)
@click.argument("what", default="3", metavar="[N|FILE]")
@click.option("--tcp", is_flag=True, help="Use a TCP port instead of a pty.")
@click.option("--modbus-tcp", is_flag=True, help="Simulate a Modbus TCP server.")
@click.option(
    "--speed", type=float, default=1.0, metavar="X", help="Speed of the ovens.  [default: 1]"
)
@click.option(
    "--unit", type=click.Choice(["C", "F"]), help="Temperature scale on the wire.  [default: F]"
)
@click.option(
    "--family",
    type=click.Choice(FAMILIES),
    default=FAMILIES[0],
    help="sd supports only modbus_rtu, rm is not simulated.  [default: pm]",
)
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="[default: stdbus]")
@click.option("--data-map", type=click.Choice(["1", "2"]), help="[default: 1]")
@click.option(
    "--word-order", type=click.Choice([str(each) for each in ORDERS]), help="[default: low_high]"
)
@json_option
def command(
    what: str, tcp: bool, modbus_tcp: bool, speed: float, as_json: bool, **options: Any
) -> None:
    """Simulate until Ctrl-C."""
    screen = console(stderr=as_json)
    with ExitStack() as stack:
        if modbus_tcp and (tcp or options["protocol"] or what.endswith(".toml")):
            raise click.UsageError(
                "--modbus-tcp is for a number of controllers, without --tcp and --protocol",
                click.get_current_context(),
            )
        if modbus_tcp and what.isascii() and what.isdecimal():
            ports = _simulate_server(int(what), speed, screen, stack, **options)
        elif what.isascii() and what.isdecimal():
            ports = _simulate_line(int(what), tcp, speed, screen, stack, **options)
        elif what.endswith(".toml"):
            given = [name for name, value in options.items() if value not in (None, FAMILIES[0])]
            if given or tcp:
                raise click.UsageError(
                    "a rig file decides about its controllers; leave out all but --speed",
                    click.get_current_context(),
                )
            ports = _simulate_rig(what, speed, screen, stack)
        else:
            raise click.UsageError(
                f"{what!r}: give a number of controllers or a rig file, such as rig.toml",
                click.get_current_context(),
            )
        if as_json:
            print_json([{"ports": ports}])
        screen.print("Press Ctrl-C to end it.")
        never_set = threading.Event()
        while not wait_for_event(never_set, 3600.0):
            pass


def _simulate_line(
    count: int,
    tcp: bool,
    speed: float,
    screen: Console,
    stack: ExitStack,
    *,
    unit: str | None,
    **options: Any,
) -> list[Row]:
    fleet = simulated_fleet(count, _controller_factory(**options), temperature_unit=unit or "F")
    modbus = all(each.protocol is ProtocolKind.MODBUS_RTU for each in fleet)
    bus = SimulatedBus(
        fleet,
        baudrate=MODBUS_BAUDRATE if modbus else STDBUS_BAUDRATE,
        transport="tcp" if tcp else None,
        speed=speed,
    )
    stack.enter_context(bus)
    if modbus:
        addresses = " ".join(map(str, bus.controllers))
        screen.print(f"{counted(count, 'simulated controller')} on {bus.port}:")
        screen.print(f"  Modbus RTU, {MODBUS_BAUDRATE} baud, slaves {addresses}")
    else:
        screen.print(f"{counted(count, 'simulated controller')} on {bus.port}; in another window:")
        screen.print(f"  watlowlib read {bus.port} --address {','.join(map(str, bus.controllers))}")
    return [_row(bus)]


def _simulate_server(
    count: int,
    speed: float,
    screen: Console,
    stack: ExitStack,
    *,
    unit: str | None,
    **options: Any,
) -> list[Row]:
    options["protocol"] = ProtocolKind.MODBUS_RTU  # whose registers a server has
    fleet = simulated_fleet(count, _controller_factory(**options), temperature_unit=unit or "F")
    gateway = stack.enter_context(SimulatedGateway(fleet, speed=speed))
    screen.print(f"{counted(count, 'simulated controller')} on {gateway.port}; in another window:")
    units = ",".join(map(str, gateway.controllers))
    screen.print(f"  watlowlib read {gateway.port} --address {units}")
    return [_row(gateway)]


def _simulate_rig(file: str, speed: float, screen: Console, stack: ExitStack) -> list[Row]:
    rig = load_rig(file)
    rows = []
    for port in simulated_ports(rig, speed=speed):
        bus = port.bus
        stack.enter_context(bus)
        what = f"{port.name}: {counted(port.count, 'simulated controller')} on {bus.port}"
        screen.print(f"{what}, not on {port.wanted}, {port.reason}" if port.reason else what)
        rows.append(
            {
                "name": port.name,
                "wanted": port.wanted,
                "port": bus.port,
                "addresses": port.addresses,
                "zones": port.zones,
            }
        )
    return rows


def _row(bus: SimulatedBus | SimulatedGateway) -> Row:
    return {"port": bus.port, "addresses": list(bus.controllers)}


def _controller_factory(
    *, family: str, protocol: str | None, data_map: str | None, word_order: str | None
) -> Callable[..., Simulated]:
    """Return a callable that makes a simulated controller with the options given."""
    options = {
        "protocol": protocol,
        "data_map": data_map and int(data_map),
        "word_order": word_order,
    }
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if family == ControllerFamily.SD:
        if given.pop("protocol", ProtocolKind.MODBUS_RTU) != ProtocolKind.MODBUS_RTU or given:
            raise WatlowConfigurationError(
                "a Series SD supports only Modbus RTU and has one data map and word order: "
                "leave out --protocol, --data-map and --word-order"
            )
        return SimulatedSD
    return partial(SimulatedController, family=family, **given)
