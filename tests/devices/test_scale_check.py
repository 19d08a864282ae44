"""The declared scale and 17050."""

from __future__ import annotations

from typing import Any

import pytest

from watlowlib import ControllerFamily, ProtocolKind, open_device
from watlowlib.devices.scale_check import scale_warning
from watlowlib.simulator import SimulatedBus, SimulatedController, SimulatedSD


@pytest.mark.parametrize(
    ("wire", "reported", "declared", "warning"),
    [
        ("F", "°F", "F", ""),
        ("C", "°C", "C", ""),
        ("F", "°F", "C", "declared as °C, but 17050 (communications display units) is °F"),
        ("F", "°C", "F", "declared as °F, but 17050 (communications display units) is °C"),
        ("F", "°C", None, ""),
    ],
)
def test_a_contradiction_is_a_warning(
    wire: str, reported: str, declared: str | None, warning: str
) -> None:
    unit = SimulatedController(1, temperature_unit=wire)
    assert unit.get(17050) == {"F": 30, "C": 15}[wire]
    unit.set(17050, {"°F": 30, "°C": 15}[reported])
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, temperature_unit=declared) as ctl:
            found = scale_warning(ctl.session)
            assert ctl.stats.exchanges == (0 if declared is None else 1)
    assert warning in found if warning else found == ""
    assert ("a label only" in found) is bool(warning)


@pytest.mark.parametrize("code", [7, None])
def test_an_unusable_17050_gives_no_warning(bus: SimulatedBus, code: int | None) -> None:
    if code is None:
        bus.power_off(1)
    else:
        bus.controllers[1].set(17050, code)
    with open_device(bus.port, temperature_unit="C", timeout_s=0.05, retries=0) as ctl:
        assert scale_warning(ctl.session) == ""


@pytest.mark.parametrize(("declared", "warning"), [("F", ""), ("C", "values are in °F")])
def test_register_18_of_a_series_sd_is_not_a_label(declared: str, warning: str) -> None:
    options: Any = {"protocol": ProtocolKind.MODBUS_RTU, "family": ControllerFamily.SD}
    with SimulatedBus([SimulatedSD(1)], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, temperature_unit=declared, **options) as ctl:
            found = scale_warning(ctl.session)
    assert warning in found if warning else found == ""
    assert "label" not in found
