"""What restoring a snapshot would write: the differences from the controller as it is now.

The plan is made from new reads. So a restoration that was interrupted continues when it is
started again: what has been written is equal now and left out, which also spares the EEPROM.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from watlowlib.devices.controller import Controller
from watlowlib.devices.snapshot import Progress, Snapshot, SnapshotEntry, entry_of, read_targets
from watlowlib.devices.targets import as_list, check_instance
from watlowlib.devices.values import (
    COMMUNICATION_SETTINGS,
    as_stored,
    checked_for_writing,
    label_of,
)
from watlowlib.errors import WatlowConfigurationError, WatlowError, WatlowUnknownParameterError
from watlowlib.snapshots.compare import Change, change_of, equal, same_unit
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
        other_unit: Whether the controller may have another part number.
        writes: The differences to write, in the order of the writes.
        left_out: The differences that are not written, and why.
    """

    snapshot: Snapshot
    include: frozenset[int]
    other_unit: bool
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
        snapshot: The settings to restore.
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
    empty = RestorePlan(snapshot, _named(ctl, snapshot, include), other_unit, (), ())
    check_fits(ctl, snapshot, other_unit=other_unit)
    return plan_again(ctl, empty, progress)


def plan_again(ctl: Controller, before: RestorePlan, progress: Progress | None) -> RestorePlan:
    """Read the settings, and plan what is to be written now instead of `before`."""
    writes: list[Change] = []
    left_out: list[NotWritten] = []
    for change, reason in _differences(ctl, before.snapshot, progress):
        reason = reason or _reason(ctl, change, before.include)
        if reason is None:
            writes.append(change)
        else:
            left_out.append(NotWritten(change, reason))
    writes.sort(key=lambda each: (ORDER.index(each.kind), each.key))
    return replace(before, writes=tuple(writes), left_out=tuple(left_out))


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

    Each has the reason why it cannot be restored, or None.
    """
    session = ctl.session
    found: list[tuple[Change, str | None]] = []
    wanted: dict[tuple[int, int], SnapshotEntry] = {}
    for entry in snapshot.entries:
        change = change_of(ctl.registry, None, entry)
        if change.kind == STATE:
            continue
        try:
            wanted[entry.key] = _wanted(ctl, entry)
        except WatlowConfigurationError as error:
            found.append((change, error.message))
    targets = [(ctl.registry.resolve(number), instance) for number, instance in wanted]
    total = len(targets)
    report = None if progress is None else lambda finished: progress(finished, total)
    for (spec, instance), result in read_targets(session, targets, report).items():
        after = wanted[spec.number, instance]
        if isinstance(result, WatlowError):
            found.append((change_of(ctl.registry, None, after), result.message))
        elif not equal(before := entry_of((spec, instance), result), after):
            units = f"its unit is {after.unit} in the snapshot and {before.unit} in the controller"
            reason = None if same_unit(before, after) else units
            found.append((change_of(ctl.registry, before, after), reason))
    return found


def _wanted(ctl: Controller, entry: SnapshotEntry) -> SnapshotEntry:
    """Return an entry with the name of its number, and the value as the controller stores it.

    Raises:
        WatlowConfigurationError: There is no such parameter or instance, or it has another name.
    """
    try:
        spec = ctl.registry.resolve(entry.number)
    except WatlowUnknownParameterError:
        raise WatlowConfigurationError("this version of the library does not know it") from None
    if entry.name != spec.name:
        raise WatlowConfigurationError(f"{spec.number} is {spec.name}, not {entry.name}")
    check_instance(spec, entry.instance)
    value = entry.value
    with suppress(WatlowConfigurationError):  # `_reason` names it if the value has to be written
        value = as_stored(spec, checked_for_writing(spec, value, ctl.temperature_unit))
    return replace(entry, value=value, label=label_of(spec, value))


def _reason(ctl: Controller, change: Change, named: frozenset[int]) -> str | None:
    """Return why `change` is not written; None if it is."""
    if change.kind in NAMED_ONLY and change.number not in named:
        return f"a {change.kind} parameter is written only if it is named (include=, --include)"
    assert change.after is not None
    options: Any = {"confirm": True, "maintenance": is_link_setting(ctl, change)}
    try:
        ctl.check_write(change.number, change.after.value, instance=change.instance, **options)
    except WatlowConfigurationError as error:
        return error.message
    return None
