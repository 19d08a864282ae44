"""The values that a simulated EZ-ZONE controller holds as shipped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ControllerFamily, Unit, Value
from watlowlib.protocol.stdbus.frames import ADDRESSES
from watlowlib.registry.parameters import DataType, ParameterSpec, Registry
from watlowlib.simulator.registers import ASSEMBLY

POINTER_CLASS = 19
LOOPS = {
    ControllerFamily.PM: (1, 2),
    ControllerFamily.RMC: (4,),
    ControllerFamily.RMH: (16,),
    ControllerFamily.ST: (1,),
}
"""How many control loops the units of each family have, the usual number first."""
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


def instances_of(spec: ParameterSpec, loops: int) -> int:
    """Return the number of instances of `spec` that a unit has."""
    # Instance 2 of an assembly class is the other data direction, not a second loop.
    return spec.instances if loops > 1 or spec.class_id in ASSEMBLY else 1


@cache
def values(
    registry: Registry, scale: Unit, loops: int, data_map: int
) -> Mapping[tuple[int, int], Value]:
    """Return the values of all parameters and instances, without those that identify a unit."""
    found = {
        (spec.number, instance): start_value(spec, scale)
        for spec in registry
        for instance in range(1, instances_of(spec, loops) + 1)
    }
    return found | {(number, n): value for number, n, value in pointers(registry, data_map)}


def loops_of(family: ControllerFamily, loops: int | None) -> int:
    """Return the number of control loops, by default that of the family.

    Raises:
        WatlowConfigurationError: No unit of the family has that many.
    """
    if family not in LOOPS:
        families = ", ".join(each.value for each in LOOPS)
        raise WatlowConfigurationError(f"family={family.value!r}: it must be one of {families}")
    number = LOOPS[family][0] if loops is None else loops
    if isinstance(number, bool) or number not in LOOPS[family]:
        allowed = " or ".join(map(str, LOOPS[family]))
        raise WatlowConfigurationError(
            f"loops={loops!r}: of family {family.value!r} it must be {allowed}"
        )
    return number


def data_map_of(registry: Registry, data_map: int | None) -> int:
    """Return the data map, by default the first of the family.

    Raises:
        WatlowConfigurationError: No register of the family is known in this data map.
    """
    maps = registry.data_maps
    if data_map is not None and (isinstance(data_map, bool) or data_map not in maps):
        allowed = " or ".join(map(str, maps))
        raise WatlowConfigurationError(
            f"data_map={data_map!r}: of family {registry.family.value!r} it must be {allowed}"
        )
    return maps[0] if data_map is None else data_map


def check_address(address: int) -> None:
    """Refuse an address that Standard Bus does not have.

    Raises:
        WatlowConfigurationError: It is not in 1..16.
    """
    if address not in ADDRESSES:
        raise WatlowConfigurationError(f"address={address!r}: it must be 1 to 16")


def identity(address: int, family: ControllerFamily) -> dict[int, Value]:
    """Return the identification values by parameter number; the serial number differs per unit."""
    return {
        1001: 28,
        1002: 1,
        1003: 10,
        1005: 1100,
        1007: 200000 + address,
        1011: f"EZ-ZONE {family.value.upper()}",
    }


def part_number(family: ControllerFamily, loops: int, cooling: bool, modbus: bool) -> str:
    """Return a part number that describes the unit.

    Of an RMC, only the family and position 13 are known, of others only the family.
    """
    if family is not ControllerFamily.PM:
        return f"{family.value.upper():A<12}{'1' if modbus else 'A'}AA"
    case, control = ("6", "U") if loops > 1 else ("3", "R")
    return f"PM{case}{control}1C{'C' if cooling else 'A'}-{'1' if modbus else 'A'}AAAAAA"


def pointers(registry: Registry, data_map: int) -> Iterator[tuple[int, int, int]]:
    """Yield the assembly's pointers: number, instance, and two register numbers as one value."""
    for spec in registry:
        if spec.class_id == POINTER_CLASS:
            for instance, (number, of) in enumerate(_TARGET.findall(spec.note), 1):
                register = registry.resolve(number).register(int(of), data_map)
                if register is not None:
                    yield spec.number, instance, register * 0x10000 + register + 1
