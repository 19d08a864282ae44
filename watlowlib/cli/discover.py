"""`watlowlib discover`: search serial ports for controllers, and print why a port has none."""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import suppress
from itertools import groupby

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from watlowlib._internal.validation import masked
from watlowlib.cli.options import PROTOCOLS
from watlowlib.devices.discovery import TIMEOUT_S, Probe, find_devices
from watlowlib.errors import WatlowConfigurationError, WatlowError
from watlowlib.model import ProtocolKind
from watlowlib.transport.serial_port import port_names

HELP = "search serial ports for controllers"
DESCRIPTION = (
    "Search serial ports for controllers, at the usual baud rates, on Standard Bus and Modbus "
    "RTU. Only reads are sent. A port without controllers takes about 20 seconds."
)
USAGE = "watlowlib discover [PORT ...] [--address N ...] [--protocol NAME ...] [options]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this subcommand to `parser`."""
    parser.add_argument("ports", nargs="*", metavar="PORT", help="default: all serial ports")
    parser.add_argument(
        "--address", nargs="+", default=["1-16"], metavar="N", help="1 5 or 1-247 (default: 1-16)"
    )
    parser.add_argument("--protocol", nargs="+", choices=PROTOCOLS, default=PROTOCOLS)
    parser.add_argument(
        "--baudrate",
        type=int,
        nargs="+",
        metavar="BAUD",
        help="on Modbus RTU (default: 9600 19200 38400); Standard Bus always uses 38400",
    )
    parser.add_argument("--parity", choices=("N", "E", "O"), default="N", help="on Modbus RTU")
    parser.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT_S,
        metavar="S",
        help=f"timeout per reply (default: {TIMEOUT_S:g})",
    )


def run(arguments: argparse.Namespace) -> None:
    """Search the ports and print the controllers found; raise `WatlowError` if there is none."""
    console = Console(highlight=False)
    ports = arguments.ports or port_names()
    if not ports:
        raise WatlowError("no serial port was found on this machine; is the adapter plugged in?")
    with Progress(
        TextColumn("searching {task.fields[where]}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None, where=masked(", ".join(ports)))
        probes = find_devices(
            ports,
            baudrates=arguments.baudrate,
            protocols=[ProtocolKind(each) for each in arguments.protocol],
            addresses=[n for text in arguments.address for n in _address_range(text)],
            parity=arguments.parity,
            timeout_s=arguments.timeout,
            progress=lambda probe: bar.update(task, where=_label(probe)),
        )
    found = [probe for probe in probes if probe.info is not None]
    if found:
        console.print(probe_table(found))
    for line in _failure_lines(probes):
        console.print(line, soft_wrap=True)
    if not found:
        raise WatlowError("no controller was found")


def probe_table(found: list[Probe]) -> Table:
    """Return a table with one row per controller found."""
    table = Table(box=None, pad_edge=False)
    for heading in ("port", "protocol", "baud", "address", "family", "serial", "type"):
        table.add_column(heading, overflow="fold")
    for probe in found:
        info = probe.info
        assert info is not None
        details = info.part_number.text if info.part_number else ""
        if probe.protocol is ProtocolKind.MODBUS_RTU:
            details = f"map {info.data_map or 'unknown'}, {info.word_order or 'order unknown'}"
        table.add_row(
            probe.port,
            str(probe.protocol),
            str(probe.baudrate),
            str(probe.address),
            str(info.family),
            str(info.serial_number or "-"),
            details,
        )
    return table


def _failure_lines(probes: list[Probe]) -> list[str]:
    """Return the most common reason for each port, protocol and baud rate without a controller."""
    lines = []
    for _, group in groupby(probes, key=lambda each: (each.port, each.protocol, each.baudrate)):
        tried = list(group)
        if not any(probe.info for probe in tried):
            reason, _ = Counter(probe.reason for probe in tried).most_common(1)[0]
            # Without an address, the port could not be used with any protocol: name it once.
            failed = all(probe.address is None for probe in tried)
            where = tried[0].port if failed else _label(tried[0])
            lines.append(f"{where}: {reason}")
    return list(dict.fromkeys(lines))


def _label(probe: Probe) -> str:
    return f"{probe.port}, {probe.protocol} at {probe.baudrate} baud"


def _address_range(text: str) -> range:
    """Return the addresses in a text such as "5" or "1-16"."""
    first, _, last = text.partition("-")
    with suppress(ValueError):
        if numbers := range(int(first), int(last or first) + 1):
            return numbers
    raise WatlowConfigurationError(
        f"--address {masked(text)}: give a number or a range such as 1-16"
    )
