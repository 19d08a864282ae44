"""The search for controllers, which `discover` and `init` share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from watlowlib._internal.validation import masked
from watlowlib.cli.exits import FAILED, SILENT, CommandError
from watlowlib.cli.options import PROTOCOLS
from watlowlib.cli.output import console
from watlowlib.cli.types import Names, Numbers
from watlowlib.devices.discovery import TIMEOUT_S, Probe, find_devices
from watlowlib.errors import WatlowError
from watlowlib.transport.serial_port import port_names

ADDRESS = click.option(
    "--address", type=Numbers(), metavar="N,...", help="Such as 1-3,5.  [default: 1-16]"
)
PROTOCOL = click.option(
    "--protocol",
    type=Names(),
    default=",".join(PROTOCOLS),
    metavar="NAME,...",
    help=f"[default: {','.join(PROTOCOLS)}]",
)
BAUDRATE = click.option(
    "--baudrate",
    type=Numbers(),
    metavar="BAUD,...",
    help="On modbus_rtu; Standard Bus always uses 38400.  [default: 9600,19200,38400]",
)
TIMEOUT = click.option(
    "--timeout",
    type=float,
    default=TIMEOUT_S,
    metavar="S",
    help=f"Seconds per reply.  [default: {TIMEOUT_S:g}]",
)
OPTIONS = (
    click.argument("ports", nargs=-1, metavar="[PORT]..."),
    ADDRESS,
    PROTOCOL,
    BAUDRATE,
    click.option(
        "--parity",
        type=click.Choice(["N", "E", "O"]),
        default="N",
        help="On modbus_rtu.  [default: N]",
    ),
    TIMEOUT,
)


def search_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the arguments of `search` to a command, which gets the function as `search`."""

    @wraps(function)
    def packed(**given: Any) -> None:
        names = ("ports", "address", "protocol", "baudrate", "parity", "timeout")
        options = {name: given.pop(name) for name in names}
        function(probes=lambda: search(**options), **given)

    for option in reversed(OPTIONS):
        packed = option(packed)
    return packed


def search(
    ports: tuple[str, ...],
    address: tuple[int, ...] | None,
    protocol: tuple[str, ...],
    baudrate: tuple[int, ...] | None,
    parity: str,
    timeout: float,
) -> list[Probe]:
    """Search the ports, with progress on standard error.

    Raises:
        WatlowError: This machine has no serial port, or an option is out of range.
    """
    searched = list(ports) or port_names()
    if not searched:
        raise WatlowError("no serial port was found on this machine; is the adapter plugged in?")
    with _progress(console(stderr=True), searched) as note:
        return find_devices(
            searched,
            baudrates=baudrate,
            protocols=protocol,
            addresses=range(1, 17) if address is None else address,
            parity=parity,
            timeout_s=timeout,
            progress=lambda probe: note(label_of(probe)),
        )


def none_found(tried: list[Probe]) -> CommandError:
    """Return the error for a search without a result; nothing answered only on a usable port."""
    usable = any(probe.address is not None for probe in tried)
    return CommandError("no controller was found", SILENT if usable else FAILED)


def label_of(probe: Probe) -> str:
    """Return where a probe was sent."""
    rate = "" if probe.baudrate is None else f" at {probe.baudrate} baud"
    return f"{probe.port}, {probe.protocol}{rate}"


@contextmanager
def _progress(screen: Console, ports: list[str]) -> Iterator[Callable[[str], None]]:
    """Show what is searched: on a terminal as a bar, elsewhere one line for each."""
    where = masked(", ".join(ports))
    if not screen.is_terminal:
        screen.print(f"searching {where}")
        seen: set[str] = set()
        lock = threading.Lock()

        def note(label: str) -> None:
            with lock:
                if label not in seen:
                    seen.add(label)
                    screen.print(f"searching {masked(label)}")

        yield note
        return
    columns = (TextColumn("searching {task.fields[where]}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task("", total=None, where=where)
        yield lambda label: bar.update(task, where=label)
