"""Reads all parameters of a controller into one value, a `Snapshot`.

The registry names the instances that a controller of the family may have. Instance 1 of all
parameters is read first, then instance 2 of those that have instance 1, and so on: the list of a
parameter ends where the controller says that it has no such instance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any, TypeAlias

from watlowlib._version import __version__
from watlowlib.devices.driver import Target
from watlowlib.devices.identity import identify, known_identity
from watlowlib.devices.replacement import NOT_THERE
from watlowlib.devices.session import Session
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowError,
    WatlowLineNotQuietError,
    WatlowOtherDeviceError,
    WatlowTransportError,
    WatlowUncertainError,
)
from watlowlib.model import Reading, Unit, Value, format_value
from watlowlib.model.html import details, fields, table
from watlowlib.model.text import counted
from watlowlib.registry.parameters import ParameterSpec

Progress: TypeAlias = "Callable[[int, int], object]"
"""Called with the number of finished reads and the number of all reads."""

ENDING = (
    WatlowTransportError,
    WatlowCRCError,
    WatlowLineNotQuietError,
    WatlowOtherDeviceError,
    WatlowUncertainError,
)
"""Errors that say nothing about a parameter: after one of them, the others would fail too."""


@dataclass(frozen=True)
class SnapshotEntry:
    """The value of one parameter.

    Attributes:
        number: Parameter number.
        name: Canonical name.
        instance: Instance of the parameter, from 1.
        value: The number, code or text, in the scale of the wire.
        label: For an enumeration, the meaning of the code.
        unit: The unit, or None when it is not known.
    """

    number: int
    name: str
    instance: int
    value: Value
    label: str | None = None
    unit: Unit | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Number and instance."""
        return self.number, self.instance


@dataclass(frozen=True)
class Refusal:
    """A parameter that the controller does not have, or without a usable value.

    Attributes:
        number: Parameter number.
        name: Canonical name.
        instance: Instance of the parameter, from 1.
        status: The `status` of the error, such as "no_such_attribute" or "absent".
    """

    number: int
    name: str
    instance: int
    status: str


@dataclass(frozen=True)
class Snapshot:
    """All readable parameters of a controller.

    Attributes:
        identity: The controller's name, port, address, protocol, family, part and serial
            number, firmware and declared scale of temperatures (`temperature_unit`), as JSON
            types; an unknown value is None.
        taken_at: When the reading began (UTC).
        library_version: The version of this library.
        entries: The values, by number and instance.
        refusals: The parameters without a value, by number and instance.
    """

    identity: Mapping[str, Any]
    taken_at: datetime
    library_version: str
    entries: tuple[SnapshotEntry, ...]
    refusals: tuple[Refusal, ...] = ()

    def __repr__(self) -> str:
        who = self.identity.get("name")
        values = counted(len(self.entries), "value")
        return f"<Snapshot of {who!r}, {values}, {self.taken_at:%Y-%m-%d %H:%M}>"

    def _repr_html_(self) -> str:
        """Return the tables that notebooks show."""
        values = [
            (each.name, each.number, each.instance, format_value(each.value, each.label, each.unit))
            for each in self.entries
        ]
        refused = [(each.name, each.number, each.instance, each.status) for each in self.refusals]
        head = ("parameter", "number", "instance")
        return (
            fields("Snapshot", {**self.identity, "taken_at": self.taken_at})
            + details(counted(len(values), "value"), table("Values", (*head, "value"), values))
            + details(
                counted(len(refused), "refusal"), table("Refusals", (*head, "status"), refused)
            )
        )


def read_all(session: Session, progress: Progress | None = None) -> Snapshot:
    """Read all parameters of the controller; see `Controller.read_all`."""
    taken_at = datetime.now(timezone.utc)
    identify(session)
    results: dict[Target, Reading | WatlowError] = {}
    specs = [spec for spec in session.registry if spec.readable]
    instance = finished = 0
    while specs:
        instance += 1
        total = finished + sum(spec.instances - instance + 1 for spec in specs)
        report = progress and partial(_report, progress, finished, total)
        found = read_targets(session, [(spec, instance) for spec in specs], report)
        finished += len(found)
        ended = {spec for (spec, _), result in found.items() if _is_last(spec, result)}
        # Only the first missing instance of a parameter is read, and only instance 1 of a
        # parameter that does not exist is reported.
        results |= {each: found[each] for each in found if instance == 1 or each[0] not in ended}
        specs = [spec for spec in specs if spec not in ended and spec.instances > instance]
    if progress is not None:
        progress(finished, finished)
    return Snapshot(
        identity=known_identity(session, session.name),
        taken_at=taken_at,
        library_version=__version__,
        entries=_entries(results),
        refusals=_refusals(results),
    )


def read_targets(
    session: Session, targets: Sequence[Target], report: Callable[[int], object] | None = None
) -> dict[Target, Reading | WatlowError]:
    """Read `targets`; the result of each is a reading, or the refusal of the controller.

    Args:
        session: The controller.
        targets: What to read.
        report: Called after each exchange with the number of results so far.

    Raises:
        WatlowError: The controller or the line fails: one of the errors `ENDING`.
    """
    results: dict[Target, Reading | WatlowError] = {}
    for exchange in session.read_each(targets):
        for result in exchange.values():
            if isinstance(result, ENDING):
                raise result
        results |= exchange
        if report is not None:
            report(len(results))
    return results


def entry_of(target: Target, reading: Reading) -> SnapshotEntry:
    """Return a reading as an entry."""
    spec, instance = target
    return SnapshotEntry(
        spec.number, spec.name, instance, reading.value, reading.label, reading.unit
    )


def _is_last(spec: ParameterSpec, result: Reading | WatlowError) -> bool:
    """Whether the controller has no further instance, or the protocol reaches none."""
    if isinstance(result, WatlowConfigurationError):
        return not {*spec.map1, *spec.map2} - {None}
    return isinstance(result, NOT_THERE)


def _entries(results: Mapping[Target, Reading | WatlowError]) -> tuple[SnapshotEntry, ...]:
    found = [
        entry_of(target, result)
        for target, result in results.items()
        if isinstance(result, Reading)
    ]
    return tuple(sorted(found, key=lambda each: each.key))


def _refusals(results: Mapping[Target, Reading | WatlowError]) -> tuple[Refusal, ...]:
    found = [
        Refusal(spec.number, spec.name, instance, result.status)
        for (spec, instance), result in results.items()
        if isinstance(result, WatlowError)
    ]
    return tuple(sorted(found, key=lambda each: (each.number, each.instance)))


def _report(progress: Progress, before: int, total: int, finished: int) -> None:
    progress(before + finished, total)
