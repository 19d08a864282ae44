"""Parameter specifications, and their look-up by name, alias, title or number.

The EZ-ZONE PM and the Series SD have a table in `tables/`, a text file with one line per parameter.
The other EZ-ZONE families have the parameters of the PM at registers of their own (`bases.py`), and
a few more. A file is read at the first look-up; a line is parsed when its parameter is first
needed. The other packages use the `ParameterSpec` that `Registry.resolve` returns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from numbers import Integral

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowUnknownParameterError
from watlowlib.model import ControllerFamily
from watlowlib.registry.bases import Base, bases_of, read_table
from watlowlib.registry.specs import DataType as DataType
from watlowlib.registry.specs import Kind as Kind
from watlowlib.registry.specs import ParameterSpec as ParameterSpec

MODBUS_ONLY = "Modbus only"
"""How the note of a parameter begins that no list has."""


class Registry:
    """The parameters of a product family, by name, alias and number.

    Args:
        table: The name of a file in `watlowlib/registry/tables`.
        family: The product family.
        more: A second file, whose lines replace those with the same number.
        gateway: Whether the registers are those behind a gateway.
    """

    def __init__(
        self, table: str, family: ControllerFamily, *, more: str = "", gateway: bool = False
    ) -> None:
        self.table = table
        self.more = more
        self._gateway = gateway
        self.family = family
        self._parsed: dict[str, ParameterSpec] = {}

    def __repr__(self) -> str:
        return f"<Registry of the {len(self)} parameters of family {self.family}>"

    def __iter__(self) -> Iterator[ParameterSpec]:
        return (self._spec(line) for line in self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    @cached_property
    def data_maps(self) -> tuple[int, ...]:
        """The data maps in which a register is known, by the rule of `bases.py`."""
        found = {data_map for (_, data_map), base in self._bases.items() if base.first is not None}
        return tuple(sorted(found))

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
        if isinstance(parameter, (str, int, Integral)) and not isinstance(parameter, bool):
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
        replaced = {line.split("\t", 1)[0] for line in self._more_lines}
        lines = [line for line in _lines_of(self.table) if line.split("\t", 1)[0] not in replaced]
        return [*lines, *self._more_lines]

    @cached_property
    def _more_lines(self) -> tuple[str, ...]:
        return tuple(_lines_of(self.more)) if self.more else ()

    @cached_property
    def _bases(self) -> dict[tuple[int, int], Base]:
        return bases_of(self.family.value, gateway=self._gateway)

    @cached_property
    def _by_name(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self._lines:
            number, name, aliases, _ = line.split("\t", 3)
            for key in (name, number, *aliases.split()):
                if found.setdefault(key, line) is not line:
                    raise ValueError(f"{self.table}: {key!r} is given twice")
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
            spec = self._parsed.setdefault(line, self._parse(line))
        return spec

    def _parse(self, line: str) -> ParameterSpec:
        more = line in self._more_lines
        own = more or self.family in (ControllerFamily.PM, ControllerFamily.SD)
        spec = _parse_line(line, self.family, self._bases, of_pm=not own)
        if not more:
            return spec
        return replace(spec, unproven=spec.note, modbus_only=spec.note.startswith(MODBUS_ONLY))


def normalized(name: str) -> str:
    """Return `name` as the tables spell names."""
    return re.sub(r"[\s\-_.]+", "_", name.strip().lower())


def _title(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def _lines_of(table: str) -> list[str]:
    lines = [line for line in read_table(table).splitlines() if line and not line.startswith("#")]
    return lines[1:]


def _parse_line(
    line: str,
    family: ControllerFamily,
    bases: dict[tuple[int, int], Base],
    *,
    of_pm: bool,
) -> ParameterSpec:
    """Return the parameter of a line; `of_pm`: its instances and exceptions are a PM's only."""
    (
        number, name, aliases, label, data_type, kind, rwes,
        low_f, high_f, low_c, high_c, default_f, default_c,
        codes, offset, map1, map2, instances, note, *scale,
    ) = line.split("\t")  # fmt: skip
    class_id, count = int(number) // 1000, int(instances)
    known = bases.get((class_id, 1)), bases.get((class_id, 2))
    if of_pm:
        map1 = map2 = ""
        count = max((base.instances for base in known if base), default=count)
    place = int(offset) if offset else None
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
        instances=count,
        map1=_registers(map1, known[0], place, count),
        map2=_registers(map2, known[1], place, count),
        note=note,
        family=family,
        scale=float(scale[0]) if scale else 1.0,
        bases=known,
    )


def _number(text: str) -> float | None:
    return float(text) if text else None


def _registers(
    given: str, base: Base | None, offset: int | None, instances: int
) -> tuple[int | None, ...]:
    """Return the registers of the instances: those given, or those by the rule."""
    if given:
        return tuple(None if register == "-" else int(register) for register in given.split())
    return base.registers(offset, instances) if base else ()


PARAMETERS = Registry("pm.tsv", ControllerFamily.PM)
"""The parameters of the EZ-ZONE PM."""

SD_PARAMETERS = Registry("sd.tsv", ControllerFamily.SD)
"""The parameters of the Series SD, which uses Modbus RTU only."""

_REGISTRIES = {
    ControllerFamily.RM: Registry("pm.tsv", ControllerFamily.RM),
    ControllerFamily.RMC: Registry("pm.tsv", ControllerFamily.RMC),
    ControllerFamily.RMH: Registry("pm.tsv", ControllerFamily.RMH, more="rmh.tsv"),
    ControllerFamily.ST: Registry("pm.tsv", ControllerFamily.ST),
    ControllerFamily.SD: SD_PARAMETERS,
}
_ST_BEHIND_GATEWAY = Registry("pm.tsv", ControllerFamily.ST, gateway=True)


def registry_of(family: ControllerFamily, *, gateway: bool = False) -> Registry:
    """Return the parameters of `family`, those of a PM if it is not known.

    Args:
        family: The product family.
        gateway: Whether the registers are those behind a gateway, which differ for an ST.
    """
    if gateway and family is ControllerFamily.ST:
        return _ST_BEHIND_GATEWAY
    return _REGISTRIES.get(family, PARAMETERS)
