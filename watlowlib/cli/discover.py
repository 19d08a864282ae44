"""`watlowlib discover`: search serial ports for controllers, and print why a port has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import groupby
from typing import Any

from watlowlib.cli.base import define, json_option
from watlowlib.cli.output import NO_VALUE, console, print_json, print_table
from watlowlib.cli.search import label_of, none_found, search_options
from watlowlib.devices.discovery import Probe
from watlowlib.transport.urls import is_tcp

HEADINGS = ("port", "protocol", "baud", "address", "family", "serial", "type")


@define(
    "discover",
    short_help="Search serial ports for controllers.",
    help="Search the serial ports PORT, or all of this machine, for controllers at the usual baud "
    "rates, on Standard Bus and Modbus RTU. Only reads are sent. A port without controllers takes "
    "about 20 seconds. With tcp://host the unit ids of a Modbus TCP server are searched; the zones "
    "of a gateway are not, 'watlowlib identify tcp://host --zone 1-13' reads them.",
    examples=(
        "watlowlib discover",
        "watlowlib discover /dev/ttyUSB0 --protocol modbus_rtu --address 1-5 --json",
    ),
)
@search_options
@json_option
def command(probes: Callable[[], list[Probe]], as_json: bool) -> None:
    """Search the ports and print the controllers found; raise `CommandError` if there is none."""
    tried = probes()
    found = [probe for probe in tried if probe.info is not None]
    if as_json:
        print_json(map(_row, found))
    elif found:
        print_table(HEADINGS, map(_cells, found))
    for line in [*failure_lines(tried), *zone_hints(tried)]:
        console(stderr=as_json).print(line)
    if not found:
        raise none_found(tried)


def _row(probe: Probe) -> dict[str, Any]:
    info = probe.info
    assert info is not None
    return {
        "port": probe.port,
        "protocol": probe.protocol,
        "baudrate": probe.baudrate,
        "address": probe.address,
        "family": info.family,
        "serial_number": info.serial_number,
        "part_number": info.part_number and info.part_number.text,
        "data_map": info.data_map,
        "word_order": info.word_order,
    }


def _cells(probe: Probe) -> tuple[str, ...]:
    info = probe.info
    assert info is not None
    details = info.part_number.text if info.part_number else ""
    if probe.protocol.is_modbus:
        details = f"map {info.data_map or 'unknown'}, {info.word_order or 'order unknown'}"
    return (
        probe.port,
        str(probe.protocol),
        str(probe.baudrate or NO_VALUE),
        str(probe.address),
        str(info.family),
        str(info.serial_number or NO_VALUE),
        details,
    )


def zone_hints(probes: list[Probe]) -> list[str]:
    """Return a hint for each Modbus TCP server that may be a gateway: it has no second unit.

    Where a gateway has no zone, it may reply to all unit ids as a controller without a number.
    """
    units: dict[str, set[int]] = {}
    for probe in probes:
        if probe.info and probe.info.serial_number:
            units.setdefault(probe.port, set()).add(probe.info.serial_number)
    servers = dict.fromkeys(
        probe.port for probe in probes if is_tcp(probe.port) and probe.address is not None
    )
    return [
        f"{port}: if it is a gateway, read its zones with 'watlowlib identify {port} --zone 1-13'"
        for port in servers
        if len(units.get(port, ())) <= 1
    ]


def failure_lines(probes: list[Probe]) -> list[str]:
    """Return the most common reason for each port, protocol and baud rate without a controller.

    On a port with controllers, silence at the other settings is normal, and left out.
    """
    lines = []
    answered = {probe.port for probe in probes if probe.info}
    for _, group in groupby(probes, key=lambda each: (each.port, each.protocol, each.baudrate)):
        tried = list(group)
        silent = not any(probe.garbled or probe.address is None for probe in tried)
        if not any(probe.info for probe in tried) and not (silent and tried[0].port in answered):
            reason, _ = Counter(probe.reason for probe in tried).most_common(1)[0]
            # Without an address, the port could not be used with any protocol: name it once.
            failed = all(probe.address is None for probe in tried)
            where = tried[0].port if failed else label_of(tried[0])
            lines.append(f"{where}: {reason}")
    return list(dict.fromkeys(lines))
