"""What restoring a snapshot would write: the differences from the controller as it is now.

The plan is made from new reads. So a restoration that was interrupted continues when it is
started again: what has been written is equal now and left out, which also spares the EEPROM.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from watlowlib.devices.controller import Controller
from watlowlib.devices.snapshot import Progress, Snapshot, SnapshotEntry, entry_of, read_targets
from watlowlib.devices.targets import as_list
from watlowlib.devices.values import COMMUNICATION_SETTINGS
from watlowlib.errors import WatlowConfigurationError, WatlowError
from watlowlib.snapshots.compare import Change, change_of, equal
from watlowlib.snapshots.fit import check_fits
from watlowlib.snapshots.kinds import NAMED_ONLY, ORDER, STATE, kind_of

LINK_SETTINGS = frozenset({17001, 17002, 17007, 17009})
"""Communication settings that `watlowlib.devices.maintenance` changes."""


@dataclass(frozen=True)
class NotWritten:
    """A difference that remains, and why."""

    change: Change
    reason: str


@dataclass(frozen=True)
class RestorePlan:
    """The writes that restore a snapshot.

    Attributes:
        snapshot: What is restored.
        include: The numbers of the parameters that the caller named.
        writes: The differences to write, in the order of the writes.
        left_out: The differences that are not written, and why.
    """

    snapshot: Snapshot
    include: frozenset[int]
    writes: tuple[Change, ...]
    left_out: tuple[NotWritten, ...]


def plan(
    ctl: Controller,
    snapshot: Snapshot,
    *,
    include: str | int | Iterable[str | int] = (),
    other_unit: bool = False,
    progress: Progress | None = None,
) -> RestorePlan:
    """Read the controller, and plan the writes that restore `snapshot`. Writes nothing.

    Args:
        ctl: The controller.
        snapshot: What it shall hold.
        include: Names, aliases or numbers of the calibration, communication and lock parameters
            to write; without their names they are left out.
        other_unit: Whether the controller may have another part number than the snapshot.
        progress: As in `Controller.read_all`.

    Raises:
        WatlowConfigurationError: The snapshot is of another family, part number or temperature
            scale; a profile or autotune is running; or a name in `include` is none of these
            parameters, or not in the snapshot.
        WatlowError: The controller or the line fails.
    """
    named = _named(ctl, snapshot, include)
    check_fits(ctl, snapshot, other_unit=other_unit)
    return make_plan(ctl, snapshot, named, progress)


def make_plan(
    ctl: Controller,
    snapshot: Snapshot,
    named: frozenset[int],
    progress: Progress | None = None,
) -> RestorePlan:
    """Read the settings and compare them with a snapshot that fits."""
    writes: list[Change] = []
    left_out: list[NotWritten] = []
    for change, error in _differences(ctl, snapshot, progress):
        reason = _reason(ctl, change, named) if error is None else error
        if reason is None:
            writes.append(change)
        else:
            left_out.append(NotWritten(change, reason))
    writes.sort(key=lambda each: (ORDER.index(each.kind), each.key))
    return RestorePlan(snapshot, named, tuple(writes), tuple(left_out))


def is_link_setting(ctl: Controller, change: Change) -> bool:
    """Whether `change` can end the communication, and maintenance has a function for it."""
    settings = LINK_SETTINGS & COMMUNICATION_SETTINGS[ctl.protocol]
    return change.number in settings and change.instance == 1


def _named(ctl: Controller, snapshot: Snapshot, include: object) -> frozenset[int]:
    specs = [ctl.registry.resolve(name) for name in as_list("include", include)]
    for spec in specs:
        if kind_of(spec) not in NAMED_ONLY:
            raise WatlowConfigurationError(
                f"{spec.name} ({spec.number}) is none of the calibration, communication and lock "
                "parameters, which must be named; leave it out"
            )
        if all(each.number != spec.number for each in snapshot.entries):
            raise WatlowConfigurationError(
                f"the snapshot has no value of {spec.name} ({spec.number}); leave it out"
            )
    return frozenset(spec.number for spec in specs)


def _differences(
    ctl: Controller, snapshot: Snapshot, progress: Progress | None
) -> list[tuple[Change, str | None]]:
    """Return the settings of the snapshot that the controller does not hold.

    With each comes why the controller could not be read there, or None.
    """
    session = ctl.session
    found: list[tuple[Change, str | None]] = []
    wanted: dict[tuple[int, int], SnapshotEntry] = {}
    for entry in snapshot.entries:
        change = change_of(ctl.registry, None, entry)
        if change.kind == "unknown":
            found.append((change, "this version of the library does not know it"))
        elif change.kind != STATE:
            wanted[entry.key] = entry
    targets = [(ctl.registry.resolve(number), instance) for number, instance in wanted]
    total = len(targets)
    report = None if progress is None else lambda finished: progress(finished, total)
    for (spec, instance), result in read_targets(session, targets, report).items():
        after = wanted[spec.number, instance]
        if isinstance(result, WatlowError):
            found.append((change_of(ctl.registry, None, after), result.message))
        elif not equal(before := entry_of((spec, instance), result), after):
            found.append((change_of(ctl.registry, before, after), None))
    return found


def _reason(ctl: Controller, change: Change, named: frozenset[int]) -> str | None:
    """Return why `change` is not written; None if it is."""
    if change.kind in NAMED_ONLY and change.number not in named:
        return f"a {change.kind} parameter is written only if it is named (include=, --include)"
    assert change.after is not None
    if is_link_setting(ctl, change):
        return None
    try:
        ctl.check_write(change.number, change.after.value, instance=change.instance, confirm=True)
    except WatlowConfigurationError as error:
        return error.message
    return None
