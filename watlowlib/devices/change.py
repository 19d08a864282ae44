"""What a write would change, in words, before anything is written."""

from __future__ import annotations

from typing import Any, NamedTuple

from watlowlib.devices.controller import Controller
from watlowlib.devices.values import SETPOINT, unit_of
from watlowlib.devices.writing import CheckedWrite, check_own_limits
from watlowlib.errors import WatlowAbsentError, WatlowDeviceError, WatlowError
from watlowlib.model import Reading, Value
from watlowlib.registry.parameters import ParameterSpec

NON_VOLATILE_SAVE = "non_volatile_save"
"""17051 of an EZ-ZONE; register 17 of a Series SD."""


class Change(NamedTuple):
    """A write that was checked and is not sent yet.

    Attributes:
        controller: The controller's name.
        protocol: The wire protocol.
        parameter: The number of the parameter.
        old: What the controller holds now, in the scale of the write; None if it cannot be read.
        text: The old and the new value with unit, range and the use of the EEPROM, as lines.
    """

    controller: str
    protocol: str
    parameter: int
    old: Reading | None
    text: str


def propose_change(
    controller: Controller,
    parameter: str | int,
    value: Value,
    *,
    instance: int = 1,
    unit: str | None = None,
) -> Change:
    """Return what a write would change; the old value is read, nothing is written.

    Raises:
        WatlowConfigurationError: The value cannot be written.
        WatlowError: The old value could not be read.
    """
    options: Any = {"instance": instance, "confirm": True, "unit": unit}
    write = controller.check_write(parameter, value, **options)
    check_own_limits(controller.session, write)
    old = _read(controller, write)
    text = describe(controller, write, old)
    if old is not None and unit is not None:
        old = old.to(unit)
    return Change(controller.name, str(controller.protocol), write.spec.number, old, text)


def _read(controller: Controller, write: CheckedWrite) -> Reading | None:
    """Return the value that the controller holds now; None if it cannot be read."""
    if not write.spec.readable:
        return None
    try:
        return controller.read_parameter(write.spec.number, instance=write.instance)
    except (WatlowAbsentError, WatlowDeviceError):
        return None


def lost_at_power_off(controller: Controller) -> str:
    """Return that the controller stores no writes, because 17051 is No; else an empty text.

    It is empty too if the setting cannot be read.
    """
    try:
        setting = controller.read_parameter(NON_VOLATILE_SAVE)
    except WatlowError:
        return ""
    if setting.label != "No":
        return ""
    return (
        f"{NON_VOLATILE_SAVE} ({setting.parameter_id}) is No: what is written is lost when the "
        f"controller is switched off; set {NON_VOLATILE_SAVE} to Yes first to keep it"
    )


def describe(controller: Controller, write: CheckedWrite, old: Reading | None) -> str:
    """Return what the write would change, as lines of text."""
    spec, instance, value, given = write
    unit = unit_of(spec, controller.temperature_unit)
    suffix = "" if unit is None else f" {unit}"
    before = "not readable" if old is None else f"{_value(spec, old.value)}{suffix}"
    after = f"{_value(spec, value)}{suffix}"
    if given is not None and given.unit is not given.scale:
        after = f"{given.value:.7g} {given.unit}, which is {after} on the wire"
        before += "" if old is None else f", which is {old.to(given.unit).value:.6g} {given.unit}"
    eeprom = "no"
    if spec.persistent:
        eeprom = "yes: the value survives a power cut, and each write wears the EEPROM"
        if spec.name != NON_VOLATILE_SAVE and (warning := lost_at_power_off(controller)):
            eeprom = f"no: {warning}"
    return "\n".join(
        [
            f"{spec.name} ({spec.number}) of {controller.name}, instance {instance}",
            f"  old     {before}",
            f"  new     {after}",
            f"  range   {_range(controller, write, suffix)}",
            f"  EEPROM  {eeprom}",
        ]
    )


def _value(spec: ParameterSpec, value: Any) -> str:
    text = f"{value:.7g}" if isinstance(value, float) else str(value)
    label = spec.codes.get(value) if isinstance(value, int) else None
    return text if label is None else f"{label} ({text})"


def _range(controller: Controller, write: CheckedWrite, suffix: str) -> str:
    """Return the values allowed; for a set point also by the controller's own limits."""
    spec = write.spec
    if spec.codes:
        return ", ".join(f"{label} ({code})" for code, label in spec.codes.items())
    low, high = spec.limits(controller.temperature_unit)
    if spec.number == SETPOINT:
        own = controller.session.settings.setpoint_limits.get(write.instance, (None, None))
        low, high = (limit if mine is None else mine for limit, mine in zip((low, high), own))
    if low is None or high is None:
        return spec.data_type.value
    return f"{low:.7g} to {high:.7g}{suffix}"
