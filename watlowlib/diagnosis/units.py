"""Compares the temperature scale that a controller shows with the one that the user declared."""

from __future__ import annotations

from watlowlib.devices.controller import Controller
from watlowlib.diagnosis.findings import Finding, Result
from watlowlib.errors import WatlowError
from watlowlib.model import ControllerFamily, Unit

SHOWN = {30: Unit.FAHRENHEIT, 15: Unit.CELSIUS}
"""The codes of 17050."""


def check_units(ctl: Controller, subject: str, declared: Unit | None) -> Finding:
    """Read the scale (17050; Series SD: register 18) and compare it with `declared`."""
    check = "temperature unit"
    try:
        value = ctl.read_pv().value
        certain = ctl.session.family is ControllerFamily.SD
        scale = (
            ctl.temperature_unit
            if certain
            else SHOWN.get(_code(ctl, "communications_display_units"))
        )
    except WatlowError as error:
        return Finding(check, subject, Result.UNKNOWN, error.message)
    details = {"setting": scale, "declared": declared, "process_value": value}
    given = "no scale was declared" if declared is None else f"{declared} was declared"
    found = f"the setting is {scale or 'not known'}, {given}; the process value is {value:.6g}"
    if scale is not None and (certain or declared is scale):
        fits = declared in (None, scale)
        result = Result.OK if fits else Result.PROBLEM
        advice = "" if fits else f"declare {scale}"
        return Finding(check, subject, result, found, advice, details)
    advice = (
        "on some firmware 17050 is only a label, and the wire stays in °F: compare the value on "
        "the display with the process value, and declare the scale that fits (--unit, or "
        "temperature_unit in a rig file)"
    )
    result = Result.UNKNOWN if declared is None else Result.WARNING
    return Finding(check, subject, result, found, advice, details)


def _code(ctl: Controller, name: str) -> int:
    value = ctl.read_parameter(name).value
    return value if isinstance(value, int) else 0
