"""Parameter specifications, and their look-up by name, alias, title or number.

Each product family has a table in `tables/`, a text file with one line per parameter. The file
is read at the first look-up; a line is parsed when its parameter is first needed. The other
packages use the `ParameterSpec` that `PARAMETERS.resolve` returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from numbers import Integral

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowUnknownParameterError
from watlowlib.model import ControllerFamily, Unit


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

    @property
    def class_id(self) -> int:
        """The class byte."""
        return self.number // 1000

    @property
    def member_id(self) -> int:
        """The member byte."""
        return self.number % 1000

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


class Registry:
    """The parameters of a product family, by name, alias and number.

    `table` is the name of a file in `watlowlib/registry/tables`, `family` the product family.
    """

    def __init__(self, table: str, family: ControllerFamily) -> None:
        self._table = table
        self.family = family
        self._parsed: dict[str, ParameterSpec] = {}

    def __repr__(self) -> str:
        return f"<Registry of the {len(self)} parameters of family {self.family}>"

    def __iter__(self) -> Iterator[ParameterSpec]:
        return (self._spec(line) for line in self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def resolve(self, parameter: str | int) -> ParameterSpec:
        """Return the parameter with a name, alias, title or number.

        Args:
            parameter: A name or alias (case, blanks and hyphens do not matter), a title in
                Watlow's list such as "Control Loop - Set Point" or the part after the hyphen, or
                a number such as 4001, also as text. A menu prompt may keep its dot: "h.Pb".

        Raises:
            WatlowUnknownParameterError: There is none, and the message suggests the nearest
                ones; or several have this title, and the message lists them.
        """
        if isinstance(parameter, (str, Integral)) and not isinstance(parameter, bool):
            text = str(parameter)
            by_name = self._by_name
            line = by_name.get(text) or by_name.get(normalized(text)) or self._by_title(text)
            if line is not None:
                return self._parsed.get(line) or self._spec(line)
        subject = "a Series SD has" if self.family is ControllerFamily.SD else "there is"
        raise WatlowUnknownParameterError(
            f"{subject} no parameter {shown(parameter)}; {self._hint(str(parameter))}"
        )

    def resolve_for_writing(self, parameter: str | int) -> ParameterSpec:
        """Return the parameter to write; see `resolve`."""
        return self.resolve(parameter)

    def search(self, text: str) -> list[ParameterSpec]:
        """Return the parameters with `text` in name, alias, label or number, in table order."""
        needle = normalized(text)
        return [
            spec
            for spec in self
            if any(
                needle in normalized(part)
                for part in (spec.name, str(spec.number), spec.label, *spec.aliases)
            )
        ]

    def _by_title(self, text: str) -> str | None:
        lines = self._titles.get(_title(text), [])
        if len(lines) > 1:
            found = [line.split("\t", 2) for line in lines]
            raise WatlowUnknownParameterError(
                f"{len(lines)} parameters are called {shown(text)}: "
                f"{', '.join(f'{number} ({name})' for number, name, _ in found)}; "
                "give one of these numbers or names"
            )
        return lines[0] if lines else None

    def _hint(self, text: str) -> str:
        from difflib import get_close_matches

        near = get_close_matches(normalized(text), self._by_name, n=5, cutoff=0.6)
        found = [self._by_name[name].split("\t", 2) for name in near]
        # For a mistyped number, suggest numbers.
        by_number = text[:1].isdigit()
        names = [f"{number} ({name})" if by_number else repr(name) for number, name, _ in found]
        if names:
            return f"did you mean {' or '.join(list(dict.fromkeys(names))[:3])}?"
        example = self.resolve("process_value")
        return f"give a name such as {example.name!r} or a number such as {example.number}"

    @cached_property
    def _lines(self) -> list[str]:
        from importlib import resources

        text = (resources.files(__package__) / "tables" / self._table).read_text("utf-8")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return lines[1:]

    @cached_property
    def _by_name(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self._lines:
            number, name, aliases, _ = line.split("\t", 3)
            for key in (name, number, *aliases.split()):
                if found.setdefault(key, line) is not line:
                    raise ValueError(f"{self._table}: {key!r} is given twice")
        return found

    @cached_property
    def _titles(self) -> dict[str, list[str]]:
        """The lines with each title in Watlow's list: the complete one, or its part after " - "."""
        found: dict[str, list[str]] = {}
        for line in self._lines:
            title = line.split("\t", 4)[3]
            for key in {_title(title), _title(title.split(" - ", 1)[-1])}:
                found.setdefault(key, []).append(line)
        return found

    def _spec(self, line: str) -> ParameterSpec:
        spec = self._parsed.get(line)
        if spec is None:
            # Two threads may parse the same line at once; both then use the first result.
            spec = self._parsed.setdefault(line, _parse_line(line, self.family))
        return spec


def normalized(name: str) -> str:
    """Return `name` as the tables spell names."""
    return re.sub(r"[\s\-_.]+", "_", name.strip().lower())


def _title(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _parse_line(line: str, family: ControllerFamily) -> ParameterSpec:
    (
        number, name, aliases, label, data_type, kind, rwes,
        low_f, high_f, low_c, high_c, default_f, default_c,
        codes, map1, map2, instances, note, *scale,
    ) = line.split("\t")  # fmt: skip
    return ParameterSpec(
        number=int(number),
        name=name,
        recorded_as=name,
        aliases=tuple(aliases.split()),
        label=label,
        data_type=DataType(data_type),
        kind=Kind(kind),
        rwes=rwes,
        limits_f=(_number(low_f), _number(high_f)),
        limits_c=(_number(low_c), _number(high_c)),
        default_f=_number(default_f),
        default_c=_number(default_c),
        codes={
            int(code): text
            for code, text in (pair.split("=", 1) for pair in codes.split(",") if pair)
        },
        instances=int(instances),
        map1=_registers(map1),
        map2=_registers(map2),
        note=note,
        family=family,
        scale=float(scale[0]) if scale else 1.0,
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def _registers(text: str) -> tuple[int | None, ...]:
    return tuple(None if register == "-" else int(register) for register in text.split())


PARAMETERS = Registry("pm.tsv", ControllerFamily.PM)
"""The parameters of the EZ-ZONE PM."""

SD_PARAMETERS = Registry("sd.tsv", ControllerFamily.SD)
"""The parameters of the Series SD, which uses Modbus RTU only."""
