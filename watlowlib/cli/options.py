"""The options that select controllers: a port with addresses, or a rig file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from typing import Any

import click

from watlowlib.cli.types import Names, Numbers, Parameter
from watlowlib.model import ControllerFamily, ProtocolKind

PROTOCOLS = [str(ProtocolKind.STDBUS), str(ProtocolKind.MODBUS_RTU)]
FAMILIES = [str(each) for each in ControllerFamily if each is not ControllerFamily.UNKNOWN]
DEFAULT_PARAMETERS = ("process_value", "setpoint")


@dataclass(frozen=True)
class Line:
    """The options that select controllers; None or empty for those that were not given."""

    port: str | None
    config: str | None
    name: tuple[str, ...]
    address: tuple[int, ...]
    protocol: str | None
    baudrate: int | None
    parity: str | None
    family: str | None
    unit: str | None
    timeout: float | None
    retries: int | None
    word_order: str | None = None
    data_map: str | None = None
    zone: tuple[int, ...] = ()
    gateway_offset: int | None = None
    offset: int | None = None


ZONE_OPTIONS = (
    click.option(
        "--zone",
        type=Numbers(),
        metavar="N,...",
        help="Over Modbus, zones of a gateway, such as 1-3,5.",
    ),
    click.option(
        "--gateway-offset",
        type=int,
        metavar="N",
        help="With --zone: the registers of a zone.  [default: 5000]",
    ),
    click.option(
        "--offset", type=int, metavar="N", help="The first register of the zone, if it is another."
    ),
)
PORT = click.argument("port", required=False)
LINE_OPTIONS = (
    click.option(
        "--config",
        metavar="FILE",
        type=click.Path(),
        help="A rig file, such as rig.toml, instead of PORT. Other options beat the file.",
    ),
    click.option(
        "--name",
        type=Names(),
        metavar="NAME,...",
        help="With a rig file: which controllers. With PORT: their names in rows.",
    ),
    click.option(
        "--address",
        type=Numbers(),
        metavar="N,...",
        help="Addresses, such as 1-3,5.  [default: 1; with a rig file: all]",
    ),
    *ZONE_OPTIONS,
    click.option("--protocol", type=click.Choice([*PROTOCOLS, "auto"]), help="[default: stdbus]"),
    click.option(
        "--baudrate", type=int, metavar="BAUD", help="[default: 38400; on modbus_rtu 9600]"
    ),
    click.option("--parity", type=click.Choice(["N", "E", "O"]), help="[default: N]"),
    click.option(
        "--family",
        type=click.Choice(FAMILIES),
        help="sd: a Series SD; rmc, rmh, rm, st: of the EZ-ZONE RM or ST.",
    ),
    click.option(
        "--word-order",
        type=click.Choice(["low_high", "high_low"]),
        help="Over Modbus, where the controller does not report it.",
    ),
    click.option(
        "--data-map",
        type=click.Choice(["1", "2"]),
        help="Over Modbus, where it cannot be found out.",
    ),
    click.option(
        "--unit",
        type=click.Choice(["C", "F"]),
        help="The scale of temperatures on the wire. It converts nothing.",
    ),
    click.option("--timeout", type=float, metavar="S", help="Seconds per reply.  [default: 0.5]"),
    click.option("--retries", type=int, metavar="N", help="Per request.  [default: 1]"),
)

PARAMETERS = click.option(
    "--parameter",
    type=Parameter(),
    metavar="NAME,...",
    help="Names, aliases or numbers.  "
    f"[default: {','.join(DEFAULT_PARAMETERS)}; with a rig file: its parameters]",
)
INSTANCES = click.option(
    "--instance", type=Numbers(), metavar="N,...", help="Instances of each.  [default: 1]"
)
SHOW_UNIT = click.option(
    "--show-unit",
    type=click.Choice(["C", "F"]),
    help="Convert temperatures to this scale, from that of --unit.  "
    "[default: that of the wire; with a rig file: its show_unit]",
)


ROTATION_OPTIONS = (
    click.option(
        "--rotate",
        multiple=True,
        metavar="WHEN",
        help='Begin a new file: "1 day", "6 hours", "1 day local", "100 MB"; may be given twice.',
    ),
    click.option(
        "--keep",
        multiple=True,
        metavar="HOW",
        help='Finished files to keep: "90 days", "20 GB"; may be given twice. Of a table with '
        '--partition: "2 years".  [default: all]',
    ),
    click.option("--compress", is_flag=True, help="Compress finished .csv and .jsonl files."),
    click.option(
        "--min-free", metavar="SIZE", help="Warn below this free space.  [default: 500 MB]"
    ),
    click.option(
        "--partition",
        metavar="LENGTH",
        help='For PostgreSQL: a table in parts of "1 day", "1 week" or "1 month".',
    ),
)


def rotation_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a rotation; their values are the argument `rotation` of the command."""

    @wraps(function)
    def packed(**given: Any) -> None:
        names = ("rotate", "keep", "compress", "min_free", "partition")
        rotation = {name: given.pop(name) for name in names}
        for name in ("rotate", "keep"):
            if len(rotation[name]) == 1:
                rotation[name] = rotation[name][0]
        function(rotation={name: each for name, each in rotation.items() if each}, **given)

    for option in reversed(ROTATION_OPTIONS):
        packed = option(packed)
    return packed


def capture_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a capture; their values are the argument `capture` of the command."""

    @wraps(function)
    def packed(capture: str | None, capture_bytes: int | None, **given: Any) -> None:
        if capture is None and capture_bytes is not None:
            raise click.UsageError("--capture-bytes needs --capture FILE")
        options = {"capture": capture, "capture_bytes": capture_bytes}
        function(capture={name: each for name, each in options.items() if each}, **given)

    for option in (
        click.option(
            "--capture-bytes", type=int, metavar="N", help="Of the capture.  [default: 50,000,000]"
        ),
        click.option(
            "--capture", metavar="FILE", help="Write all bytes on the ports to this file."
        ),
    ):
        packed = option(packed)
    return packed


def zone_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a zone of a gateway; `zone` is a tuple, empty without one."""

    @wraps(function)
    def packed(zone: tuple[int, ...] | None, **given: Any) -> None:
        function(zone=zone or (), **given)

    for option in reversed(ZONE_OPTIONS):
        packed = option(packed)
    return packed


def line_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `Line` to a command, which gets them as its argument `line`."""

    @wraps(function)
    def packed(**given: Any) -> None:
        line = {each.name: given.pop(each.name, None) for each in fields(Line)}
        line |= {name: line[name] or () for name in ("name", "address", "zone")}
        function(line=Line(**line), **given)

    for option in reversed(LINE_OPTIONS):
        packed = option(packed)
    return packed
