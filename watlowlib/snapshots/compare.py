"""The differences between two snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from watlowlib.devices.snapshot import Snapshot, SnapshotEntry
from watlowlib.errors import WatlowConfigurationError, WatlowUnknownParameterError
from watlowlib.registry.parameters import Registry
from watlowlib.snapshots.kinds import STATE, kind_of, registry_of, same_kind


@dataclass(frozen=True)
class Change:
    """One parameter that differs.

    Attributes:
        number: Parameter number.
        name: Canonical name.
        instance: Instance of the parameter, from 1.
        kind: The kind of setting, such as "setpoint", or "state".
        before: The value in the first snapshot, or in the controller; None if it has none.
        after: The value in the second snapshot, or the one to restore.
    """

    number: int
    name: str
    instance: int
    kind: str
    before: SnapshotEntry | None
    after: SnapshotEntry | None

    @property
    def key(self) -> tuple[int, int]:
        """Number and instance."""
        return self.number, self.instance


def diff(a: Snapshot, b: Snapshot, *, state: bool = False) -> tuple[Change, ...]:
    """Return what differs from `a` to `b`, by number and instance.

    Args:
        a: The first snapshot.
        b: The second snapshot, of a controller of the same family.
        state: Whether to compare also what is no setting: measured values, counters, the running
            profile.

    Raises:
        WatlowConfigurationError: They are of different families.
    """
    registries = [registry_of(each.identity.get("family")) for each in (a, b)]
    if not same_kind(*registries):
        families = " and ".join(str(each.identity.get("family")) for each in (a, b))
        raise WatlowConfigurationError(
            f"the snapshots are of the families {families}, whose parameters have nothing in common"
        )
    before, after = ({each.key: each for each in given.entries} for given in (a, b))
    changes = (
        change_of(registries[0], before.get(key), after.get(key))
        for key in sorted({*before, *after})
        if not equal(before.get(key), after.get(key))
    )
    return tuple(each for each in changes if state or each.kind != STATE)


def change_of(
    registry: Registry, before: SnapshotEntry | None, after: SnapshotEntry | None
) -> Change:
    """Return the change of one parameter; at least one of the two values is given."""
    known = before or after
    assert known is not None
    try:
        kind = kind_of(registry.resolve(known.number))
    except WatlowUnknownParameterError:
        kind = "unknown"  # of a later version of this library
    return Change(known.number, known.name, known.instance, kind, before, after)


def equal(before: SnapshotEntry | None, after: SnapshotEntry | None) -> bool:
    """Whether two values are the same; a unit counts where both are known."""
    if before is None or after is None:
        return before is after
    return before.value == after.value and same_unit(before, after)


def same_unit(a: SnapshotEntry, b: SnapshotEntry) -> bool:
    """Whether two values have the same unit; one that is not known may be the same."""
    return a.unit == b.unit or None in (a.unit, b.unit)
