"""Opens the controllers that the command line or a rig file names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from watlowlib._internal.validation import shown
from watlowlib.cli.options import Line
from watlowlib.devices.controller import Controller
from watlowlib.devices.zones import GATEWAY_OFFSET, make_zone
from watlowlib.errors import WatlowConfigurationError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import ProtocolKind
from watlowlib.model.text import counted
from watlowlib.transport.settings import SerialSettings

if TYPE_CHECKING:
    from watlowlib.rig.values import Rig
    from watlowlib.service.client import ServiceClient

LINE_SETTINGS = (
    "protocol",
    "baudrate",
    "parity",
    "family",
    "word_order",
    "data_map",
    "unit",
    "timeout",
    "retries",
)
"""The options that decide how a controller is opened."""

BAUDRATES = {str(ProtocolKind.STDBUS): 38400, str(ProtocolKind.MODBUS_RTU): 9600}


def load_config(line: Line) -> Rig | None:
    """Return the rig file that the command line names; None for a port.

    Raises:
        UsageError: Both or neither are given.
        WatlowConfigurationError: The file is not valid.
    """
    check_zones(line)
    if line.port is not None and line.config is not None:
        raise click.UsageError(
            f"give a port or --config, not both (port: {shown(line.port)})", _context()
        )
    if line.config is not None:
        from watlowlib.rig import load_rig

        return load_rig(line.config)
    if line.port is None:
        raise click.UsageError(
            "give a port, such as /dev/ttyUSB0, or --config rig.toml", _context()
        )
    return None


def running_service(line: Line, rig: Rig | None) -> ServiceClient | None:
    """Return a client of the service that records the rig file; None if none runs.

    The service has the ports open, so requests go through it. Standard error says so.

    Raises:
        UsageError: An option is given that a request to the service cannot have.
    """
    if rig is None:
        return None
    from watlowlib.service.client import find_service

    client = find_service(rig)
    if client is None:
        return None
    for name in LINE_SETTINGS:
        if getattr(line, name) is not None:
            raise click.UsageError(
                f"a service records {rig.path} and has its ports open: leave out "
                f"--{name.replace('_', '-')}",
                _context(),
            )
    print(f"through the service that records {rig.path}", file=sys.stderr)
    return client


def open_fleet(manager: WatlowManager, line: Line, rig: Rig | None, **capture: str | int) -> None:
    """Open the controllers and add them to `manager`; `capture` has arguments of `add`."""
    if rig is None:
        _open_port(manager, line, capture)
        return
    for name in chosen(rig, line):
        arguments = with_options(line, {**rig.open_arguments(name), **capture})
        manager.add(name, arguments.pop("port"), **arguments)


def chosen(rig: Rig, line: Line) -> list[str]:
    """Return the names of the rig's controllers that the options select.

    Raises:
        WatlowConfigurationError: There is none of this name, or none at these addresses and zones.
    """
    for name in line.name:
        rig.open_arguments(name)  # raises an error for an unknown name
    names = [
        name
        for name, controller in rig.controllers.items()
        if (not line.name or name in line.name)
        and (not line.address or controller.address in line.address)
        and (not line.zone or controller.zone in line.zone)
    ]
    if not names:
        raise WatlowConfigurationError(
            f"{rig.path} has no controller that --name, --address and --zone select"
        )
    return names


def _open_port(manager: WatlowManager, line: Line, capture: dict[str, Any]) -> None:
    port, stations = line.port or "", stations_of(line)
    names = line.name or tuple(f"{each}@{port.removeprefix('/dev/')}" for each in stations)
    if len(names) != len(stations):
        raise WatlowConfigurationError(
            f"--name has {counted(len(names), 'name')} for {len(stations)} "
            f"{'zones' if line.zone else 'addresses'}; give one for each"
        )
    for name, station in zip(names, stations.values()):
        manager.add(name, port, **station, **with_options(line, dict(capture)))


def stations_of(line: Line) -> dict[str, dict[str, Any]]:
    """Return the arguments for `open_device` of each address or zone that the options name.

    The keys are unique names for them.
    """
    given = {"gateway_offset": line.gateway_offset, "offset": line.offset}
    place = {name: value for name, value in given.items() if value is not None}
    addresses = line.address or (1,)
    if line.zone:
        gateway = {"address": addresses[0], **place}
        return {f"zone{each}": {**gateway, "zone": each} for each in line.zone}
    if line.offset is not None:
        return {f"offset{line.offset}": {"address": addresses[0], **place}}
    return {str(each): {"address": each, **place} for each in addresses}


def check_zones(line: Line) -> None:
    """Refuse options of zones that do not fit together, before a port is opened.

    Raises:
        UsageError: They do not.
        WatlowConfigurationError: A zone is out of range.
    """
    offset, size = line.offset, line.gateway_offset
    if line.config is not None and (offset, size) != (None, None):
        problem = "--gateway-offset and --offset: the rig file has those of its zones"
    elif size is not None and not line.zone and offset is None:
        problem = f"--gateway-offset {size}: give the zone too, such as --zone 2"
    elif len(line.zone) > 1 and offset is not None:
        problem = f"--offset {offset} is that of one zone: give one --zone, or --gateway-offset"
    elif (line.zone or offset is not None) and line.config is None and len(line.address) > 1:
        problem = "zones are behind one gateway: give one --address"
    else:
        for zone in () if line.config else line.zone or (None,):
            make_zone(zone, GATEWAY_OFFSET if size is None else size, offset)
        return
    raise click.UsageError(problem, _context())


def with_options(line: Line, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments for `open_device` with the options of the command line."""
    options = {
        "protocol": line.protocol,
        "family": line.family,
        "word_order": line.word_order,
        "data_map": line.data_map and int(line.data_map),
        "temperature_unit": line.unit,
        "timeout_s": line.timeout,
        "retries": line.retries,
    }
    arguments |= {name: value for name, value in options.items() if value is not None}
    serial = {"baudrate": line.baudrate, "parity": line.parity}
    given: dict[str, Any] = {name: value for name, value in serial.items() if value is not None}
    if given:
        baudrate = BAUDRATES.get(str(arguments.get("protocol")), 38400)
        settings = arguments.get("serial_settings") or SerialSettings(baudrate=baudrate)
        arguments["serial_settings"] = replace(settings, **given)
    return arguments


def _context() -> click.Context | None:
    return click.get_current_context(silent=True)


def one_controller(manager: WatlowManager) -> Controller:
    """Return the only controller of `manager`.

    Raises:
        WatlowConfigurationError: It has several.
    """
    return manager.get(single(manager.names))


def single(names: Sequence[str]) -> str:
    """Return the only one of the names of controllers; several are an error."""
    if len(names) != 1:
        # In a message, the text between two URLs looks like a password and is masked.
        each = [name.partition("@")[0] if "://" in name else name for name in names]
        raise WatlowConfigurationError(
            f"select one controller with --name, --address or --zone: {', '.join(each)}"
        )
    return names[0]
