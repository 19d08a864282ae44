"""Compares the temperature scale that a controller reports with the one that the user declared."""

from __future__ import annotations

from watlowlib.devices.controller import Controller
from watlowlib.devices.scale_check import HOW_TO_FIND_OUT, reported_scale
from watlowlib.diagnosis.findings import Finding, Result
from watlowlib.errors import WatlowError
from watlowlib.model import Unit


def check_units(ctl: Controller, subject: str, declared: Unit | None) -> Finding:
    """Read the scale (17050; Series SD: register 18) and compare it with `declared`."""
    check = "temperature unit"
    try:
        value = ctl.read_pv().value
    except WatlowError as error:
        return Finding(check, subject, Result.UNKNOWN, error.message)
    certain = ctl.session.driver.reports_scale
    scale = reported_scale(ctl.session)
    details = {"setting": scale, "declared": declared, "process_value": value}
    given = "no scale was declared" if declared is None else f"{declared} was declared"
    found = f"the setting is {scale or 'not known'}, {given}; the process value is {value:.6g}"
    if scale is not None and (certain or declared is scale):
        fits = declared in (None, scale)
        result = Result.OK if fits else Result.PROBLEM
        advice = "" if fits else f"declare {scale}"
        return Finding(check, subject, result, found, advice, details)
    result = Result.UNKNOWN if declared is None else Result.WARNING
    return Finding(check, subject, result, found, HOW_TO_FIND_OUT, details)
