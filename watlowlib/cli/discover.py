"""`watlowlib discover`: look for controllers, and say why where there are none."""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import suppress
from itertools import groupby

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from watlowlib.cli.options import PROTOCOLS
from watlowlib.devices.discovery import TIMEOUT_S, Probe, find_devices
from watlowlib.errors import WatlowConfigurationError, WatlowError
from watlowlib.model import ProtocolKind
from watlowlib.transport.serial_port import port_names

HELP = "look for controllers on serial ports"
DESCRIPTION = (
    "Look for controllers on serial ports, at the usual speeds, on Standard Bus and Modbus RTU, "
    "with reads alone. A port on which nobody answers takes some 20 seconds."
)
USAGE = "watlowlib discover [PORT ...] [--address N ...] [--protocol NAME ...] [options]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of this subcommand."""
    parser.add_argument("ports", nargs="*", metavar="PORT", help="default: all of this machine")
    parser.add_argument(
        "--address", nargs="+", default=["1-16"], metavar="N", help="1 5 or 1-247 (default: 1-16)"
    )
    parser.add_argument("--protocol", nargs="+", choices=PROTOCOLS, default=PROTOCOLS)
    parser.add_argument(
        "--baudrate",
        type=int,
        nargs="+",
        metavar="BAUD",
        help="on Modbus RTU (default: 9600 19200 38400); Standard Bus has 38400 alone",
    )
    parser.add_argument("--parity", choices=("N", "E", "O"), default="N", help="on Modbus RTU")
    parser.add_argument(
        "--timeout",
        type=float,
        default=TIMEOUT_S,
        metavar="S",
        help=f"for each answer (default: {TIMEOUT_S:g})",
    )


def run(arguments: argparse.Namespace) -> None:
    """Look, show what is found; an error when it is nothing."""
    console = Console(highlight=False)
    ports = arguments.ports or port_names()
    if not ports:
        raise WatlowError("no serial port was found on this machine; is the adapter plugged in?")
    with Progress(
        TextColumn("looking at {task.fields[where]}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None, where=", ".join(ports))
        probes = find_devices(
            ports,
            baudrates=arguments.baudrate,
            protocols=[ProtocolKind(each) for each in arguments.protocol],
            addresses=[n for text in arguments.address for n in _numbers(text)],
            parity=arguments.parity,
            timeout_s=arguments.timeout,
            progress=lambda probe: bar.update(task, where=_place(probe)),
        )
    found = [probe for probe in probes if probe.info is not None]
    if found:
        console.print(table_of(found))
    for line in _silent(probes):
        console.print(line, soft_wrap=True)
    if not found:
        raise WatlowError("no controller was found")


def table_of(found: list[Probe]) -> Table:
    """What was found, a row a controller."""
    table = Table(box=None, pad_edge=False)
    for heading in ("port", "protocol", "baud", "address", "family", "serial", "what it is"):
        table.add_column(heading, overflow="fold")
    for probe in found:
        info = probe.info
        assert info is not None
        what = info.part_number.text if info.part_number else ""
        if probe.protocol is ProtocolKind.MODBUS_RTU:
            what = f"map {info.data_map or 'unknown'}, {info.word_order or 'order unknown'}"
        table.add_row(
            probe.port,
            str(probe.protocol),
            str(probe.baudrate),
            str(probe.address),
            str(info.family),
            str(info.serial_number or "-"),
            what,
        )
    return table


def _silent(probes: list[Probe]) -> list[str]:
    """A line for each way of asking in which nobody answered: the reason that came most often."""
    lines = []
    for _, group in groupby(probes, key=lambda each: (each.port, each.protocol, each.baudrate)):
        tried = list(group)
        if not any(probe.info for probe in tried):
            reason, _ = Counter(probe.reason for probe in tried).most_common(1)[0]
            # What is wrong with the port itself is the same in whatever way it is asked.
            where = tried[0].port if _is_the_ports(tried) else _place(tried[0])
            lines.append(f"{where}: {reason}")
    return list(dict.fromkeys(lines))


def _is_the_ports(tried: list[Probe]) -> bool:
    """Whether nobody could even be asked: there is no such port, or it is in use."""
    return all(probe.address is None for probe in tried)


def _place(probe: Probe) -> str:
    return f"{probe.port}, {probe.protocol} at {probe.baudrate} baud"


def _numbers(text: str) -> range:
    """The addresses that "5" or "1-16" means."""
    first, _, last = text.partition("-")
    with suppress(ValueError):
        if numbers := range(int(first), int(last or first) + 1):
            return numbers
    raise WatlowConfigurationError(f"--address {text}: give numbers, or two with a hyphen: 1-16")
