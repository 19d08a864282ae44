"""The specification of a parameter: type, kind, limits and registers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from watlowlib.model import ControllerFamily, Unit
from watlowlib.registry.bases import Base


class DataType(str, Enum):
    """The type of a value on the wire."""

    U8 = "u8"
    U16 = "u16"
    S16 = "s16"
    U32 = "u32"
    S32 = "s32"
    FLOAT = "float"
    STRING = "string"
    ENUM = "enum"
    POINTER = "u16x2"
    ANY = "any"


class Kind(str, Enum):
    """The kind of quantity of a value; it determines the unit."""

    NUMBER = "number"
    TEXT = "text"
    ENUMERATION = "enumeration"
    TEMPERATURE = "temperature"
    TEMPERATURE_DIFFERENCE = "temperature_difference"
    TEMPERATURE_RATE = "temperature_rate"
    PERCENT = "percent"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MINUTES = "minutes"
    HOURS = "hours"
    POINTER = "pointer"
    ANY = "any"


@dataclass(frozen=True, eq=False)
class ParameterSpec:
    """The specification of one parameter.

    Attributes:
        number: class * 1000 + member, as printed in the manuals; for a Series SD the register.
        name: The canonical name.
        recorded_as: The name in readings and samples: the canonical one, except in
            `watlowlib.sync`, where it is the name that the script used.
        aliases: Other names of the parameter.
        label: The name in Watlow's list.
        data_type: The type of the value on the wire.
        kind: The kind of quantity.
        rwes: R readable, W writable, E stored in EEPROM, S stored in a user set.
        limits_f: Smallest and largest value if the wire uses °F; None for no limit.
        limits_c: The same for °C; equal to `limits_f` if the value is not a temperature.
        default_f: The factory setting in °F; None if the list has none.
        default_c: The same in °C.
        codes: For an enumeration, the meaning of each code.
        instances: The largest number of instances of any controller of the family.
        map1: Modbus register of each instance in data map 1; None for no register.
        map2: The same in data map 2.
        note: Differences between instances, in the words of the list.
        family: The product family.
        scale: The value of one count on the wire; differs from 1 on a Series SD only.
        bases: The registers of its class in data map 1 and data map 2; None where no line of
            `tables/bases.tsv` has them.
        unproven: Why its register is not proven, if it has one of its own; else empty.
        modbus_only: Whether no list has the parameter, so that its number is an inference: it is
            not sent on Standard Bus.
    """

    number: int
    name: str
    recorded_as: str
    aliases: tuple[str, ...]
    label: str
    data_type: DataType
    kind: Kind
    rwes: str
    limits_f: tuple[float | None, float | None]
    limits_c: tuple[float | None, float | None]
    default_f: float | None
    default_c: float | None
    codes: dict[int, str]
    instances: int
    map1: tuple[int | None, ...]
    map2: tuple[int | None, ...]
    note: str
    family: ControllerFamily
    scale: float
    bases: tuple[Base | None, Base | None] = (None, None)
    unproven: str = ""
    modbus_only: bool = False

    @property
    def class_id(self) -> int:
        """The class byte."""
        return self.number // 1000

    @property
    def member_id(self) -> int:
        """The member byte."""
        return self.number % 1000

    @cached_property
    def is_cool_side(self) -> bool:
        """Whether it has no meaning on a controller without a cooling output."""
        return self.name.startswith("cool_")

    @property
    def readable(self) -> bool:
        """Whether the parameter can be read."""
        return "R" in self.rwes

    @property
    def writable(self) -> bool:
        """Whether the parameter can be written."""
        return "W" in self.rwes

    @property
    def persistent(self) -> bool:
        """Whether a write wears the controller's EEPROM."""
        return "E" in self.rwes

    def register(self, instance: int, data_map: int) -> int | None:
        """Return the first register of `instance` in `data_map`, as sent on the wire, or None.

        None means that there is no register, or that it is not known.
        """
        registers = self.map1 if data_map == 1 else self.map2
        return registers[instance - 1] if 1 <= instance <= len(registers) else None

    def doubt(self, instance: int, data_map: int) -> str:
        """Return why the register of `instance` in `data_map` is not proven; empty if it is."""
        base = self.bases[data_map - 1]
        return self.unproven or (base.doubt(instance) if base else "")

    def limits(self, scale: Unit | None) -> tuple[float | None, float | None]:
        """Return the smallest and the largest value, for the scale of temperatures on the wire.

        If `scale` is None, the range covers both scales.
        """
        if scale is Unit.FAHRENHEIT:
            return self.limits_f
        if scale is Unit.CELSIUS:
            return self.limits_c
        (low_f, high_f), (low_c, high_c) = self.limits_f, self.limits_c
        low = None if low_f is None or low_c is None else min(low_f, low_c)
        high = None if high_f is None or high_c is None else max(high_f, high_c)
        return low, high
