"""A write, from its check to its proof.

Everything that can be refused is refused before anything is sent: the name, the type, the
range, the missing `confirm`. Then, for the set point, the controller's own limits are
asked for once; what it holds already is not written again; what it took is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from watlowlib._internal.validation import as_bool
from watlowlib.devices.poll import check_instance
from watlowlib.devices.values import (
    COMMUNICATION_SETTINGS,
    NEEDS_CONFIRM,
    ONE_SHOT_REQUESTS,
    SAVES_SETTINGS,
    SETPOINT,
    SETPOINT_MAXIMUM,
    SETPOINT_MINIMUM,
    check_range,
    checked_for_writing,
)
from watlowlib.errors import (
    WatlowAbsentError,
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowDeviceError,
    WatlowWriteError,
)
from watlowlib.model import Reading, Value
from watlowlib.protocol.exchange import WriteOptions
from watlowlib.registry.parameters import ParameterSpec

if TYPE_CHECKING:
    from watlowlib.devices.controller import Controller


class CheckedWrite(NamedTuple):
    """A write that has been checked."""

    spec: ParameterSpec
    instance: int
    value: float | int


def checked_order(
    ctl: Controller,
    parameter: str | int,
    value: Value,
    *,
    instance: int,
    confirm: bool,
    maintenance: bool,
) -> CheckedWrite:
    """Refuse what cannot be written, before anything is sent."""
    spec = ctl.registry.resolve(parameter)
    instance = check_instance(spec, instance)
    ctl.check_wire(spec, instance)
    label = f"{spec.name} ({spec.number})"
    checked = checked_for_writing(spec, value, ctl.temperature_unit)
    if spec.number in COMMUNICATION_SETTINGS[ctl.protocol] and not maintenance:
        raise WatlowConfigurationError(
            f"{label} is a communications setting, and written like this could cut the program "
            "off; use the functions of watlowlib.devices.maintenance"
        )
    if not as_bool("confirm", confirm) and (spec.persistent or spec.number in NEEDS_CONFIRM):
        kept = " and is kept in its EEPROM" if spec.persistent else ""
        raise WatlowConfirmationError(
            f"writing {checked} to {label} changes what the controller does{kept}; "
            "pass confirm=True if that is meant",
            context=ctl.context_of(spec, instance),
        )
    return CheckedWrite(spec, instance, checked)


def carry_out(
    ctl: Controller, order: CheckedWrite, *, force: bool = False, verify: bool = False
) -> Reading:
    """Send a checked write, unless it would change nothing."""
    spec, instance = order.spec, order.instance
    if verify and not _provable(spec):
        raise WatlowConfigurationError(
            f"{spec.name} ({spec.number}) cannot be read back: verify=True is of no use"
        )
    ctl.check_cooling(spec)
    check_own_limits(ctl, order)
    reading = _sent(ctl, order, spare=spec.persistent and spec.readable and not force)
    if not verify:
        return reading
    held = ctl.read_parameter(spec.number, instance=instance)
    if held.value != reading.value:
        raise WatlowWriteError(
            f"read back after the write, {spec.name} is {held.value}, not {reading.value}",
            context=ctl.context_of(spec, instance),
        )
    return held


def _provable(spec: ParameterSpec) -> bool:
    """Whether reading it shows what was written."""
    return spec.readable and spec.number not in ONE_SHOT_REQUESTS


def _sent(ctl: Controller, order: CheckedWrite, *, spare: bool) -> Reading:
    """What the controller holds then; what goes out is counted, whatever comes of it."""
    spec, instance, value = order

    def sending() -> None:
        if spec.persistent or spec.number in SAVES_SETTINGS:
            ctl.note_wear()
        if spec.number in (SETPOINT_MINIMUM, SETPOINT_MAXIMUM):
            ctl.setpoint_limits.pop(instance, None)

    return ctl.store(spec, instance, value, WriteOptions(_provable(spec), spare, sending))


def check_own_limits(ctl: Controller, order: CheckedWrite) -> None:
    """Keep a set point between the controller's own minimum and maximum.

    Raises:
        WatlowConfigurationError: It is not; nothing has been written.
    """
    if order.spec.number != SETPOINT:
        return
    instance = order.instance
    if instance not in ctl.setpoint_limits:
        ctl.setpoint_limits[instance] = (
            _own_limit(ctl, SETPOINT_MINIMUM, instance),
            _own_limit(ctl, SETPOINT_MAXIMUM, instance),
        )
    label = f"setpoint ({SETPOINT}) within the controller's own limits (7003, 7004)"
    check_range(order.spec, label, order.value, *ctl.setpoint_limits[instance])


def _own_limit(ctl: Controller, number: int, instance: int) -> float | None:
    try:
        value = ctl.read_parameter(number, instance=instance).value
    except (WatlowAbsentError, WatlowDeviceError):
        return None
    return value if isinstance(value, float) else None
