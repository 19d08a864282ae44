"""Writes a snapshot back to a controller, each value with a check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeAlias

from watlowlib._internal.validation import as_bool
from watlowlib.devices.controller import Controller
from watlowlib.devices.identity import PROTOCOLS
from watlowlib.devices.maintenance import (
    BAUDRATES,
    set_address,
    set_modbus_baudrate,
    set_protocol,
)
from watlowlib.devices.snapshot import ENDING, Progress, Snapshot
from watlowlib.errors import WatlowConfirmationError, WatlowError
from watlowlib.snapshots.compare import Change
from watlowlib.snapshots.fit import check_fits
from watlowlib.snapshots.planning import NotWritten, RestorePlan, is_link_setting, plan, plan_again

OnWrite: TypeAlias = "Callable[[Change, str | None], object]"
"""Called after each write, with the reason if the controller refused it."""

Approve: TypeAlias = "Callable[[Sequence[Change]], bool]"
"""Asked before writes that the plan did not contain; returns whether to send them."""

NOT_APPROVED = "the other writes have changed it, and this write was not approved"

_BAUDRATES = {code: rate for rate, code in BAUDRATES.items()}


@dataclass(frozen=True)
class RestoreReport:
    """What a restoration has done.

    Attributes:
        written: The values written and verified, in that order.
        refused: The values that the controller did not take, and why.
        left_out: The differences that were not to be written, and why.
    """

    written: tuple[Change, ...]
    refused: tuple[NotWritten, ...]
    left_out: tuple[NotWritten, ...]

    def __str__(self) -> str:
        counts = f"{len(self.written)} written, {len(self.refused)} refused"
        return f"{counts}, {len(self.left_out)} left out"


def restore(
    ctl: Controller,
    snapshot: Snapshot,
    *,
    confirm: bool = False,
    include: str | int | Iterable[str | int] = (),
    other_unit: bool = False,
    progress: Progress | None = None,
    on_write: OnWrite | None = None,
) -> RestoreReport:
    """Write the settings of `snapshot` that the controller does not hold; verify each.

    Sensor and limits come first, set points later, the control mode last. Read-only parameters
    and requests for an action are never written; calibration, communication and lock parameters
    only if they are named. To continue after an interruption call it again.

    Args:
        ctl: The controller.
        snapshot: The settings to restore.
        confirm: Must be True: the values are stored in EEPROM.
        include: As in `plan`.
        other_unit: As in `plan`.
        progress: As in `plan`; the settings are read before and after the writes.
        on_write: Called after each write with the change, and with the reason if the controller
            refused it, else None.

    Raises:
        WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
        WatlowConfigurationError: The snapshot does not fit; nothing was written. See `plan`.
        WatlowError: The controller or the line fails; the rest was not written.
    """
    _check(confirm)
    chosen = plan(ctl, snapshot, include=include, other_unit=other_unit, progress=progress)
    return carry_out(ctl, chosen, confirm=confirm, progress=progress, on_write=on_write)


def carry_out(
    ctl: Controller,
    plan: RestorePlan,
    *,
    confirm: bool = False,
    progress: Progress | None = None,
    on_write: OnWrite | None = None,
    approve: Approve | None = None,
) -> RestoreReport:
    """Carry out a plan, and then write settings that its writes have changed.

    Args:
        ctl: The controller.
        plan: The plan.
        confirm: As in `restore`.
        progress: As in `restore`.
        on_write: As in `restore`.
        approve: Called with the settings that differ from the snapshot after the writes; a new
            sensor type, for example, resets others. If it returns False, they are left out.
            None: they are written.

    Raises:
        WatlowError: See `restore`.
    """
    _check(confirm)
    # The plan may be old: since then the scale may have changed or a profile have started.
    check_fits(ctl, plan.snapshot, other_unit=plan.other_unit)
    writes = _Writes(ctl, on_write)
    ordinary = [each for each in plan.writes if not is_link_setting(ctl, each)]
    writes.run(ordinary)
    left_out = plan.left_out
    if writes.written:
        # A new sensor type or unit sets other parameters to the factory setting.
        again = plan_again(ctl, plan, progress)
        tried = {each.change.key for each in writes.refused}
        more = [
            each
            for each in again.writes
            if not is_link_setting(ctl, each) and each.key not in tried
        ]
        left_out = again.left_out
        if not more or approve is None or approve(more):
            writes.run(more)
        else:
            left_out += tuple(NotWritten(each, NOT_APPROVED) for each in more)
    # The last ones, because the controller may then no longer be read.
    writes.run([each for each in plan.writes if is_link_setting(ctl, each)])
    return RestoreReport(tuple(writes.written), tuple(writes.refused), left_out)


@dataclass
class _Writes:
    """The writes of one restoration."""

    ctl: Controller
    on_write: OnWrite | None
    written: list[Change] = field(default_factory=list)
    refused: list[NotWritten] = field(default_factory=list)

    def run(self, changes: Sequence[Change]) -> None:
        """Write `changes`, kind by kind."""
        for _, same_kind in groupby(changes, key=lambda each: each.kind):
            refused = [each for each in same_kind if self._write(each) is not None]
            # One of two limits may have been in the way of the other.
            for each in refused:
                reason = self._write(each)
                if reason is not None:
                    self.refused.append(NotWritten(each, reason))
                    self._report(each, reason)

    def _write(self, change: Change) -> str | None:
        """Write one value; return why the controller refused it, or None."""
        try:
            _send(self.ctl, change)
        except ENDING:
            raise
        except WatlowError as error:
            return error.message
        self.written.append(change)
        self._report(change, None)
        return None

    def _report(self, change: Change, reason: str | None) -> None:
        if self.on_write is not None:
            self.on_write(change, reason)


def _send(ctl: Controller, change: Change) -> None:
    assert change.after is not None
    value = change.after.value
    if not is_link_setting(ctl, change):
        ctl.write_parameter(
            change.number, value, instance=change.instance, confirm=True, verify=True
        )
    elif change.number == 17002 and isinstance(value, int):
        set_modbus_baudrate(ctl, _BAUDRATES.get(value, value), confirm=True)
    elif change.number == 17009 and isinstance(value, int):
        set_protocol(ctl, PROTOCOLS.get(value, str(value)), confirm=True)
    elif isinstance(value, int):
        set_address(ctl, value, confirm=True)


def _check(confirm: object) -> None:
    if not as_bool("confirm", confirm):
        raise WatlowConfirmationError(
            "restoring writes settings into the controller's EEPROM; pass confirm=True if this "
            "is intended"
        )
