"""The ports of a rig file with simulated controllers behind them: `simulated_ports`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from watlowlib.devices.zones import Zone, make_zone
from watlowlib.model import ControllerFamily, ProtocolKind, WordOrder
from watlowlib.rig.values import Rig, RigPort
from watlowlib.simulator.bus import Simulated, SimulatedBus, Station
from watlowlib.simulator.controller import SimulatedController
from watlowlib.simulator.fleet import simulated_oven
from watlowlib.simulator.gateway import SimulatedGateway
from watlowlib.simulator.series_sd import SimulatedSD
from watlowlib.simulator.zones import SimulatedZones
from watlowlib.transport.settings import SerialSettings
from watlowlib.transport.urls import is_tcp, server_of

LOCAL = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class SimulatedPort:
    """One port of a rig.

    Attributes:
        name: The port's name in the file.
        wanted: The port of the file.
        bus: The simulated line or gateway, not started. Its `port` is `wanted` if that could be
            made.
        count: The number of controllers, zones of a gateway included.
        addresses: The addresses at which controllers and gateways reply.
        zones: The zones of gateways.
        reason: Why the port of `bus` is not `wanted`; empty if it is.
    """

    name: str
    wanted: str
    bus: SimulatedBus | SimulatedGateway
    count: int
    addresses: tuple[int, ...]
    zones: tuple[int, ...]
    reason: str = ""


def simulated_ports(rig: Rig, *, speed: float = 1.0) -> list[SimulatedPort]:
    """Return a simulated line for each port of `rig` that has controllers.

    A port that is a path at which there is nothing becomes a symbolic link to a pty, and a
    `socket://` port of this machine a TCP port. Other ports get a pty with its own name. A
    `tcp://` port becomes a gateway, at any port number if it is on another machine.
    """
    found = []
    for name, arguments in _arguments_by_port(rig).items():
        port = rig.ports[name]
        where, reason = _place(port.port)
        bus: SimulatedBus | SimulatedGateway
        if port.protocol is ProtocolKind.MODBUS_TCP:
            bus = _gateway(arguments, **where, speed=speed)
        else:
            settings = port.serial_settings or SerialSettings.factory_for(_protocol(port))
            controllers = _stations(arguments, port)
            bus = SimulatedBus(controllers, baudrate=settings.baudrate, speed=speed, **where)
        given = arguments.values()
        addresses = tuple(dict.fromkeys(each["address"] for each in given))
        zones = tuple(each["zone"] for each in given if each["zone"] is not None)
        found.append(SimulatedPort(name, port.port, bus, len(arguments), addresses, zones, reason))
    return found


def simulated_controllers(rig: Rig) -> dict[str, list[Simulated]]:
    """Return the controllers of each serial port of `rig` that has some, by the port's name.

    Zones of gateways are left out.
    """
    return {
        name: _controllers(arguments, rig.ports[name])
        for name, arguments in _arguments_by_port(rig).items()
        if rig.ports[name].protocol is not ProtocolKind.MODBUS_TCP
    }


def _arguments_by_port(rig: Rig) -> dict[str, dict[int, dict[str, Any]]]:
    """Return the arguments of `open_device` by port and by the number of the controller."""
    found: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in rig.ports}
    for number, (name, controller) in enumerate(rig.controllers.items(), 1):
        found[controller.port][number] = rig.open_arguments(name)
    return {name: arguments for name, arguments in found.items() if arguments}


def _controllers(arguments: Mapping[int, Mapping[str, Any]], port: RigPort) -> list[Simulated]:
    return [
        _controller(given, number, _protocol(port))
        for number, given in arguments.items()
        if _zone_in(given) is None
    ]


def _stations(arguments: Mapping[int, dict[str, Any]], port: RigPort) -> list[Station]:
    """Return the controllers of a serial line, and its gateways with their zones."""
    found: list[Station] = [*_controllers(arguments, port)]
    gateways: dict[int, dict[int, dict[str, Any]]] = {}
    for number, given in arguments.items():
        if _zone_in(given) is not None:
            gateways.setdefault(given["address"], {})[number] = given
    for address, zones in gateways.items():
        controllers, offsets = _zones(zones)
        found.append(SimulatedZones(controllers, address=address, offsets=offsets))
    return found


def _zones(arguments: Mapping[int, dict[str, Any]]) -> tuple[list[Simulated], dict[int, int]]:
    """Return the controllers of one gateway, and their offsets by Modbus address."""
    zones = {number: _zone_in(given) for number, given in arguments.items()}
    controllers = [
        _controller({**given, "address": number}, number, ProtocolKind.MODBUS_RTU)
        for number, given in arguments.items()
    ]
    return controllers, {number: zone.offset if zone else 0 for number, zone in zones.items()}


def _zone_in(given: Mapping[str, Any]) -> Zone | None:
    """Return the zone in arguments of `open_device`."""
    return make_zone(given["zone"], given["gateway_offset"], given["offset"])


def _protocol(port: RigPort) -> ProtocolKind:
    """Return the protocol of the simulated controllers on `port`."""
    return ProtocolKind.STDBUS if port.protocol is ProtocolKind.AUTO else port.protocol


def _gateway(arguments: Mapping[int, dict[str, Any]], **options: Any) -> SimulatedGateway:
    """Return a server with the controllers as units, or as zones if one of them is a zone.

    `arguments` has those of `open_device` by the number of the controller.
    """
    if any(map(_zone_in, arguments.values())):
        controllers, options["offsets"] = _zones(arguments)
        return SimulatedGateway(controllers, **options)
    modbus = ProtocolKind.MODBUS_RTU
    units = [_controller(given, number, modbus) for number, given in arguments.items()]
    return SimulatedGateway(units, **options)


def _place(port: str) -> tuple[Mapping[str, Any], str]:
    """Return the arguments of a bus or gateway that make `port`, and why it cannot be made."""
    if is_tcp(port):
        host, number = server_of(port)
        return (
            ({"tcp_number": number}, "") if host in LOCAL else ({}, "which is on another machine")
        )
    if "://" in port:
        url = urlsplit(port)
        if url.scheme == "socket" and url.hostname in LOCAL and url.port:
            return {"transport": "tcp", "tcp_number": url.port}, ""
        return {}, "which is on another machine"
    path = Path(port)
    if path.is_symlink() and not path.exists() and str(path.readlink()).startswith("/dev/pts/"):
        path.unlink()  # left by a simulation that was killed
    if os.path.lexists(path):
        return {}, "which exists"
    if not path.is_absolute() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        return {}, "which cannot be made here"
    return ({"link": port}, "") if hasattr(os, "openpty") else ({}, "which cannot be made here")


def _controller(given: Mapping[str, Any], number: int, protocol: ProtocolKind) -> Simulated:
    """Return the controller for the arguments of `open_device`."""
    unit = str(given["temperature_unit"] or "F")
    if given["family"] is ControllerFamily.SD:
        return simulated_oven(given["address"], number, SimulatedSD, temperature_unit=unit)
    options: dict[str, Any] = {"protocol": protocol}
    if given["family"] is not ControllerFamily.UNKNOWN:
        options["family"] = given["family"]
    if given["data_map"] != "auto":
        options["data_map"] = given["data_map"]
    if given["word_order"] is not WordOrder.AUTO:
        options["word_order"] = given["word_order"]
    make: Callable[..., Simulated] = partial(SimulatedController, **options)
    if protocol is ProtocolKind.MODBUS_RTU:
        make = partial(_at_modbus_address, make)
    return simulated_oven(given["address"], number, make, temperature_unit=unit)


def _at_modbus_address(make: Any, *, address: int, **options: Any) -> Simulated:
    """Return a controller at a Modbus address, which may be above 16."""
    # The serial number is that of the address on Standard Bus.
    controller: Simulated = make(address=min(address, 16), modbus_address=address, **options)
    return controller
