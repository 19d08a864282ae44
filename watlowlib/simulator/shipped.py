"""The values that a simulated EZ-ZONE PM holds as shipped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from watlowlib.model import Unit, Value
from watlowlib.registry.parameters import PARAMETERS, DataType, ParameterSpec

POINTER_CLASS = 19
_TARGET = re.compile(r"(\d+) instance (\d)")
"""The target of a pointer, per instance, in the parameter table's note."""


def start_value(spec: ParameterSpec, scale: Unit = Unit.FAHRENHEIT) -> Value:
    """Return the factory setting, or the value of a unit that has measured nothing yet."""
    whole = spec.data_type not in (DataType.FLOAT, DataType.ANY)
    if spec.data_type is DataType.STRING:
        return ""
    default = spec.default_c if scale is Unit.CELSIUS else spec.default_f
    if default is not None:
        return int(default) if whole else default
    if spec.codes:
        return next(iter(spec.codes)) if whole else float(next(iter(spec.codes)))
    return 0 if whole else 0.0


def identity(address: int) -> dict[int, Value]:
    """Return the identification values by parameter number; the serial number differs per unit."""
    return {
        1001: 28,
        1002: 1,
        1003: 10,
        1005: 1100,
        1007: 200000 + address,
        1011: "EZ-ZONE PM",
    }


def part_number(loops: int, cooling: bool, modbus: bool) -> str:
    """Return a part number that describes the unit."""
    case, control = ("6", "U") if loops > 1 else ("3", "R")
    return f"PM{case}{control}1C{'C' if cooling else 'A'}-{'1' if modbus else 'A'}AAAAAA"


def pointers(data_map: int) -> Iterator[tuple[int, int, int]]:
    """Yield the assembly's pointers: number, instance, and two register numbers as one value."""
    for spec in PARAMETERS:
        if spec.class_id == POINTER_CLASS:
            for instance, (number, of) in enumerate(_TARGET.findall(spec.note), 1):
                register = PARAMETERS.resolve(number).register(int(of), data_map)
                if register is not None:
                    yield spec.number, instance, register * 0x10000 + register + 1
