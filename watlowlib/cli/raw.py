"""`watlowlib raw`: read an object of Standard Bus, or registers of Modbus RTU, by its numbers."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import click

from watlowlib._internal.validation import shown
from watlowlib.cli.base import define, json_option
from watlowlib.cli.decode import name_text, place_text
from watlowlib.cli.exits import FAILED, SILENT, CommandError
from watlowlib.cli.fleet import check_zones, stations_of, with_options
from watlowlib.cli.options import PROTOCOLS, Line, zone_options
from watlowlib.cli.output import print_json, print_table
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.devices.raw import read_object, read_registers
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowError,
    WatlowTimeoutError,
)
from watlowlib.model import ControllerFamily, ProtocolKind, Value, WordOrder
from watlowlib.model.text import counted
from watlowlib.protocol.explanation import Match, text_of
from watlowlib.protocol.modbus.explain import ORDERS, values_at
from watlowlib.protocol.modbus.words import decode_words, register_count
from watlowlib.protocol.stdbus.explain import TAGS, match_of
from watlowlib.registry.parameters import DataType, registry_of
from watlowlib.transport.urls import is_tcp

TYPES = [each.value for each in (DataType.U16, DataType.S16, DataType.U32, DataType.S32)]
COLUMNS = ("what", "parameter", "type", "value", "order", "bytes")


class Object(NamedTuple):
    """A class, member and instance on Standard Bus."""

    class_id: int
    member_id: int
    instance: int

    def __str__(self) -> str:
        return ".".join(map(str, self))


class Registers(NamedTuple):
    """Registers on Modbus RTU."""

    register: int
    number: int

    def __str__(self) -> str:
        return f"{self.register}:{self.number}"


class Row(NamedTuple):
    """A value that was read, and the parameter that it may belong to."""

    what: str
    type: str
    value: Value | None
    data: bytes
    word_order: WordOrder | None = None
    match: Match | None = None

    @property
    def cells(self) -> tuple[str | None, ...]:
        """The cells of the table."""
        match = self.match
        name = name_text(match) if match else None
        if match and (match.data_maps or match.family is ControllerFamily.SD):
            name = f"{name} ({place_text(match)})"
        label = match.label if match else None
        value = None if self.value is None else text_of(self.value, label)
        return self.what, name, self.type, value, self.word_order, self.data.hex(" ")

    @property
    def as_json(self) -> dict[str, Any]:
        """The keys of the JSON object."""
        parameter = None if self.match is None else asdict(self.match)
        return self._asdict() | {"data": self.data.hex(" "), "match": parameter}


class What(click.ParamType):  # type: ignore[type-arg] # in old versions it has none
    """An object such as 4.1.1, or registers such as 360 or 360:2."""

    name = "what"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return an `Object` or `Registers`."""
        if found := re.fullmatch(r"(\d{1,5})\.(\d{1,5})\.(\d{1,5})", value):
            return Object(*map(int, found.groups()))
        if found := re.fullmatch(r"(\d{1,6})(?::(\d{1,6}))?", value):
            return Registers(int(found[1]), int(found[2] or 1))
        raise click.BadParameter(
            f"{shown(value)}: give CLASS.MEMBER.INSTANCE such as 4.1.1, or a register such as 360, "
            "or 360:2 for two"
        )


@define(
    "raw",
    short_help="Read a class.member.instance or a register.",
    help="Read WHAT from a controller on PORT by its numbers, and print the value, its bytes and "
    "the parameter, if one is known. WHAT is CLASS.MEMBER.INSTANCE on Standard Bus, or "
    "REGISTER[:COUNT] on Modbus; its form selects the protocol. Nothing is written.",
    examples=(
        "watlowlib raw /dev/ttyUSB0 4.1.1 7.1.1 --address 2",
        "watlowlib raw /dev/ttyUSB0 360:2 --type float --baudrate 19200",
    ),
)
@click.argument("port")
@click.argument("what", type=What(), nargs=-1, required=True, metavar="WHAT...")
@click.option("--address", type=int, default=1, metavar="N", help="[default: 1]")
@zone_options
@click.option("--protocol", type=click.Choice(PROTOCOLS), help="[default: by WHAT]")
@click.option(
    "--type",
    "data_type",
    type=click.Choice([*TYPES, DataType.FLOAT.value]),
    help="The type of values in registers.  [default: u16, and those of known parameters]",
)
@click.option("--baudrate", type=int, metavar="BAUD", help="[default: 38400; on modbus_rtu 9600]")
@click.option("--parity", type=click.Choice(["N", "E", "O"]), help="[default: N]")
@click.option("--timeout", type=float, metavar="S", help="Seconds per reply.  [default: 0.5]")
@click.option("--retries", type=int, metavar="N", help="Per request.  [default: 1]")
@json_option
def command(
    port: str,
    what: tuple[Object | Registers, ...],
    address: int,
    protocol: str | None,
    data_type: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Read everything and print it; raise `CommandError` if a read failed."""
    wanted = DataType(data_type) if data_type else None
    protocol = _protocol_of(what, protocol, wanted)
    if is_tcp(port) and protocol == ProtocolKind.MODBUS_RTU:
        protocol = None  # that of the port
    line = Line(port=port, config=None, name=(), address=(address,), family=None, unit=None,
                protocol=protocol, **options)  # fmt: skip
    check_zones(line)
    station, *others = stations_of(line).values()
    if others:
        raise click.UsageError("raw reads one controller: give one --zone")
    errors: dict[Object | Registers, WatlowError] = {}
    with open_device(port, **station, **with_options(line, {})) as ctl:
        rows = [row for each in what for row in _read(ctl, each, wanted, errors)]
    if as_json:
        print_json(row.as_json for row in rows)
    elif rows:
        print_table(COLUMNS, [row.cells for row in rows])
    if errors:
        silent = all(isinstance(error, WatlowTimeoutError) for error in errors.values())
        texts = "; ".join(f"{each}: {error}" for each, error in errors.items())
        raise CommandError(texts, SILENT if silent and not rows else FAILED)


def _protocol_of(
    what: Sequence[Object | Registers], given: str | None, data_type: DataType | None
) -> str:
    """Return the protocol that `what` needs.

    Raises:
        UsageError: `what` needs both protocols or another one than the one given; or a type is
            given for an object, whose reply has its type.
    """
    kinds = {ProtocolKind.STDBUS if isinstance(each, Object) else ProtocolKind.MODBUS_RTU
             for each in what}  # fmt: skip
    if len(kinds) > 1:
        raise click.UsageError("give either objects such as 4.1.1 or registers such as 360:2")
    kind = str(kinds.pop())
    if given not in (None, kind):
        form = "REGISTER[:COUNT]" if given == ProtocolKind.MODBUS_RTU else "CLASS.MEMBER.INSTANCE"
        raise click.UsageError(f"--protocol {given} reads {form}")
    if data_type is not None and kind == ProtocolKind.STDBUS:
        raise click.UsageError("--type is for registers; on Standard Bus the reply has the type")
    for each in what:
        if data_type and isinstance(each, Registers) and each.number % register_count(data_type):
            raise click.UsageError(
                f"a {data_type.value} has {counted(register_count(data_type), 'register')}; "
                f"give {each.register}:{register_count(data_type)}"
            )
    return kind


def _read(
    ctl: Controller,
    what: Object | Registers,
    data_type: DataType | None,
    errors: dict[Object | Registers, WatlowError],
) -> list[Row]:
    """Return the rows of one read; add its error to `errors`."""
    try:
        if isinstance(what, Object):
            return [_object_row(ctl, what)]
        return list(_register_rows(read_registers(ctl, *what), what.register, data_type))
    except (WatlowConnectionError, WatlowConfigurationError):
        raise
    except WatlowError as error:
        errors[what] = error
        return []


def _object_row(ctl: Controller, what: Object) -> Row:
    found = read_object(ctl, *what)
    kind = TAGS.get(found.tag, f"unknown ({found.tag:02X})")
    match = match_of(*what, found.value)
    return Row(str(what), kind, found.value, found.data, None, match)


def _register_rows(words: Sequence[int], first: int, data_type: DataType | None) -> Iterator[Row]:
    """Yield each register and the parameters that begin in it, or the values of one type."""
    step = register_count(data_type) if data_type else 1
    for n in range(0, len(words), step):
        what, part = str(first + n), words[n : n + step]
        kind = data_type or DataType.U16
        for order in ORDERS if len(set(part)) > 1 else (None,):
            value = decode_words(kind, part, order or ORDERS[0])
            yield Row(what, kind.value, value, _bytes(part), order)
        for match in () if data_type else values_at(first + n, words[n:]):
            registry = registry_of(match.family)
            kind = registry.resolve(match.parameter_id).data_type
            held = _bytes(words[n : n + register_count(kind)])
            yield Row(what, kind.value, match.value, held, match.word_order, match)


def _bytes(words: Sequence[int]) -> bytes:
    return struct.pack(f">{len(words)}H", *words)
