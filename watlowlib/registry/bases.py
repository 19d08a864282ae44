"""The Modbus registers of a class of parameters in each EZ-ZONE family: one rule and a table.

    register = base + distance * (instance - 1) + offset of the parameter

The offset is the same in every family and data map. The bases and distances are in
`tables/bases.tsv`, with their source and how certain they are. A class without a line, or without
a base, has no register that is known.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

UNPROVEN = "L"
"""An inference: such a register is read, never written."""


class Base(NamedTuple):
    """The registers of one class of parameters, in one data map of one family.

    Attributes:
        family: As in `ControllerFamily`.
        data_map: "1", "2", or "1g": data map 1 of the family behind a gateway only.
        class_id: The class.
        first: The first register of instance 1; None where none is certain.
        distance: Between two instances; None where it is not known.
        instances: How many instances there are at most.
        sure: How certain `first` is: H, M or L.
        sure_distance: The same of `distance`.
        source: Where the numbers are from, or why there is none.
    """

    family: str
    data_map: str
    class_id: int
    first: int | None
    distance: int | None
    instances: int
    sure: str
    sure_distance: str
    source: str

    def registers(self, offset: int | None, instances: int) -> tuple[int, ...]:
        """Return the register of each instance of the parameter at `offset`; empty for none."""
        if self.first is None or offset is None:
            return ()
        count = 1 if self.distance is None else min(self.instances, instances)
        if count > 1 and offset >= (self.distance or 0):
            return ()  # these are registers of instance 2
        return tuple(self.first + offset + (self.distance or 0) * n for n in range(count))

    def doubt(self, instance: int) -> str:
        """Return why the register of `instance` is not proven; empty if it is."""
        unsure = UNPROVEN in (self.sure, self.sure_distance if instance > 1 else self.sure)
        return self.source if unsure else ""


@lru_cache(maxsize=1)
def all_bases() -> tuple[Base, ...]:
    """Return the lines of the table."""
    text = read_table("bases.tsv")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(_parsed(lines[1:]))


def bases_of(family: str, *, gateway: bool = False) -> dict[tuple[int, int], Base]:
    """Return the bases of a family by class and data map; `gateway`: as behind a gateway."""
    hidden = "" if gateway else "1g"
    return {
        (base.class_id, int(base.data_map[0])): base
        for base in all_bases()
        if base.family == family and base.data_map != hidden
    }


def _parsed(lines: list[str]) -> Iterator[Base]:
    for line in lines:
        family, data_map, class_id, first, distance, instances, *rest = line.split("\t")
        yield Base(
            family,
            data_map,
            int(class_id),
            _number(first),
            _number(distance),
            int(instances),
            *rest,
        )


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)


def read_table(name: str) -> str:
    """Return the text of a file in `tables/`."""
    # `importlib.resources` would take longer to import than a table to read.
    path = os.path.join(os.path.dirname(__file__), "tables", name)  # noqa: PTH118, PTH120
    data: bytes = __spec__.loader.get_data(path)  # type: ignore[union-attr]
    return data.decode("utf-8")
