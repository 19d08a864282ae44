"""Checks whether a snapshot fits a controller: family, part number, scale, nothing running."""

from __future__ import annotations

from watlowlib.devices.controller import Controller
from watlowlib.devices.snapshot import Snapshot, read_targets
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import Reading
from watlowlib.snapshots.kinds import registry_of, same_kind

SCALE = "communications_display_units"
IDLE = {22002: "Off", 8026: "No"}
"""Profile state and autotune request of a controller that runs neither."""


def check_fits(ctl: Controller, snapshot: Snapshot, *, other_unit: bool) -> None:
    """Refuse a snapshot of another unit, and a controller that is busy.

    Raises:
        WatlowConfigurationError: The message says what differs and what to do.
        WatlowError: The controller or the line fails.
    """
    if not same_kind(registry_of(snapshot.identity.get("family")), ctl.registry):
        raise WatlowConfigurationError(
            f"the snapshot is of the family {snapshot.identity.get('family')}, which has other "
            "parameters than this controller; open the controller with family= if it is wrong"
        )
    _check_declared_scale(ctl, snapshot)
    part = ctl.session.part_number()
    before = snapshot.identity.get("part_number")
    if part is not None and before not in (None, part.text) and not other_unit:
        raise WatlowConfigurationError(
            f"the snapshot is of a {before}, this controller is a {part.text}; pass "
            "other_unit=True (--other-unit) to restore what both have"
        )
    _check_scale_setting(ctl, snapshot)
    _check_idle(ctl)


def _check_declared_scale(ctl: Controller, snapshot: Snapshot) -> None:
    now, before = ctl.session.read_scale(), snapshot.identity.get("temperature_unit")
    if now == before:
        return
    if ctl.session.driver.reports_scale:
        raise WatlowConfigurationError(
            f"the temperatures of the snapshot are in {before}, those of this controller in {now}; "
            f"set its scale ({SCALE}) first"
        )
    if before is None:
        raise WatlowConfigurationError(
            f"the snapshot does not say the scale of its temperatures, and the controller was "
            f"opened with {now}; open it without temperature_unit (--unit) if the snapshot was "
            "taken from it, or take the snapshot with the scale"
        )
    raise WatlowConfigurationError(
        f"the temperatures of the snapshot are in {before}, the controller was opened with "
        f"{now or 'no scale'}; open it with temperature_unit={before[-1]!r} "
        f"(--unit {before[-1]}) if this is the scale on its line"
    )


def _check_scale_setting(ctl: Controller, snapshot: Snapshot) -> None:
    """Compare 17050; if no scale was declared, both values must be known."""
    spec = ctl.registry.resolve(SCALE)
    before = next((each for each in snapshot.entries if each.key == (spec.number, 1)), None)
    found = read_targets(ctl.session, [(spec, 1)])[spec, 1]
    now = found if isinstance(found, Reading) else None
    if before is None or now is None:
        if ctl.temperature_unit is not None:
            return
    elif before.value == now.value:
        return
    then, today = ("unknown" if each is None else each.label for each in (before, now))
    raise WatlowConfigurationError(
        f"{spec.name} ({spec.number}) is {then} in the snapshot and {today} in the controller: "
        "the temperatures may have different scales; set it in the controller first, or, if it is "
        "unknown, give the scale of both with temperature_unit (--unit)"
    )


def _check_idle(ctl: Controller) -> None:
    """Refuse a controller that runs a profile or autotune, which a Series SD does not report."""
    busy = [spec for spec in ctl.registry if spec.number in IDLE]
    targets = [(spec, n) for spec in busy for n in range(1, spec.instances + 1)]
    for (spec, instance), result in read_targets(ctl.session, targets).items():
        if isinstance(result, Reading) and result.label != IDLE[spec.number]:
            raise WatlowConfigurationError(
                f"{spec.name} ({spec.number}) instance {instance} is "
                f"{result.label or result.value}: end the profile or autotune before a snapshot is "
                "restored"
            )
