"""What a parameter is, and how a name, an alias or a number leads to it.

The table is a text file, `tables/pm.tsv`, one line a parameter, read when the first
parameter is looked up. `PARAMETERS` is the one registry; everything above it works
with the `ParameterSpec` that `PARAMETERS.resolve` returns.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from importlib import resources
from numbers import Integral

from watlowlib.errors import WatlowUnknownParameterError


class DataType(str, Enum):
    """How a value goes over the wire."""

    U8 = "u8"
    U16 = "u16"
    U32 = "u32"
    S32 = "s32"
    FLOAT = "float"
    STRING = "string"
    ENUM = "enum"


class Kind(str, Enum):
    """What sort of quantity a value is; decides its unit."""

    NUMBER = "number"
    TEXT = "text"
    ENUMERATION = "enumeration"
    TEMPERATURE = "temperature"
    TEMPERATURE_DIFFERENCE = "temperature_difference"
    PERCENT = "percent"
    TIME = "time"


@dataclass(frozen=True, eq=False)
class ParameterSpec:
    """One parameter of a controller.

    Attributes:
        number: class * 1000 + member, as the manuals print it.
        name: The canonical name.
        aliases: Other names that lead here.
        data_type: How the value goes over the wire.
        kind: What sort of quantity it is.
        rwes: R readable, W writable, E kept in EEPROM, S kept in a user set.
        instances: The most instances any controller of the family has.
        low: Smallest value, in either temperature scale; None without a limit.
        high: Largest value, likewise.
        default: As factory set, temperatures in °F; None where the list names none.
        codes: For an enumeration, what each code means.
    """

    number: int
    name: str
    aliases: tuple[str, ...]
    data_type: DataType
    kind: Kind
    rwes: str
    instances: int
    low: float | None
    high: float | None
    default: float | None
    codes: dict[int, str]

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
        """Whether it can be read."""
        return "R" in self.rwes

    @property
    def writable(self) -> bool:
        """Whether it can be written."""
        return "W" in self.rwes

    @property
    def persistent(self) -> bool:
        """Whether a write of it wears the controller's EEPROM."""
        return "E" in self.rwes


class Registry:
    """All parameters of a family, by name, alias and number.

    Args:
        table: File name of the table in `watlowlib/registry/tables`.
    """

    def __init__(self, table: str) -> None:
        self._table = table

    def __iter__(self) -> Iterator[ParameterSpec]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def resolve(self, parameter: str | int) -> ParameterSpec:
        """The parameter that `parameter` means.

        Args:
            parameter: A name or alias (case, blanks and hyphens do not matter), or a
                number such as 4001, also as text.

        Raises:
            WatlowUnknownParameterError: Nothing is called that; the message names what
                comes nearest.
        """
        if isinstance(parameter, (str, Integral)) and not isinstance(parameter, bool):
            names = self._by_name
            spec = names.get(str(parameter)) or names.get(_normal(str(parameter)))
            if spec is not None:
                return spec
        raise WatlowUnknownParameterError(
            f"there is no parameter {parameter!r}; {self._hint(str(parameter))}"
        )

    def _hint(self, text: str) -> str:
        near = difflib.get_close_matches(_normal(text), self._by_name, n=5, cutoff=0.6)
        names = list(dict.fromkeys(self._by_name[name].name for name in near))[:3]
        if names:
            return f"did you mean {' or '.join(map(repr, names))}?"
        return "give a name such as 'process_value' or a number such as 4001"

    @cached_property
    def _specs(self) -> tuple[ParameterSpec, ...]:
        text = (resources.files(__package__) / "tables" / self._table).read_text("utf-8")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        columns = lines[0].split("\t")
        return tuple(_parsed(dict(zip(columns, line.split("\t")))) for line in lines[1:])

    @cached_property
    def _by_name(self) -> dict[str, ParameterSpec]:
        found: dict[str, ParameterSpec] = {}
        for spec in self._specs:
            for name in (spec.name, str(spec.number), *spec.aliases):
                if found.setdefault(name, spec) is not spec:
                    raise ValueError(f"{self._table}: {name!r} is given twice")
        return found


def _normal(name: str) -> str:
    return re.sub(r"[\s\-_]+", "_", name.strip().lower())


def _parsed(row: dict[str, str]) -> ParameterSpec:
    codes = (pair.split("=", 1) for pair in row["codes"].split(",") if pair)
    return ParameterSpec(
        number=int(row["number"]),
        name=row["name"],
        aliases=tuple(row["aliases"].split()),
        data_type=DataType(row["type"]),
        kind=Kind(row["kind"]),
        rwes=row["rwes"],
        instances=int(row["instances"]),
        low=float(row["low"]) if row["low"] else None,
        high=float(row["high"]) if row["high"] else None,
        default=float(row["default"]) if row["default"] else None,
        codes={int(code): label for code, label in codes},
    )


PARAMETERS = Registry("pm.tsv")
"""The parameters of the EZ-ZONE PM."""
