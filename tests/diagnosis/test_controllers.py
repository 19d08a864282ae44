"""Checks of one controller that replies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.diagnosis import controllers
from watlowlib.diagnosis.controllers import check_layout, check_replies
from watlowlib.diagnosis.findings import Result
from watlowlib.diagnosis.units import check_units
from watlowlib.model import ProtocolKind, Unit
from watlowlib.simulator import Fault, SimulatedBus, SimulatedController, SimulatedSD

MODBUS = ProtocolKind.MODBUS_RTU


@pytest.fixture
def slave() -> SimulatedController:
    """The controller behind `ctl`."""
    return SimulatedController(3, protocol=MODBUS, data_map=2, word_order="high_low")


@pytest.fixture
def bus(slave: SimulatedController) -> Iterator[SimulatedBus]:
    with SimulatedBus([slave, SimulatedSD(4)], baudrate=None, turnaround_s=0.0) as running:
        yield running


@pytest.fixture
def ctl(bus: SimulatedBus) -> Iterator[Controller]:
    with open_device(bus.port, protocol=MODBUS, address=3, retries=0, timeout_s=1.0) as opened:
        yield opened


def test_replies_without_a_fault_are_in_order(ctl: Controller) -> None:
    finding = check_replies(ctl, "oven")
    assert finding.result is Result.OK
    assert finding.details["port"]["exchanges"] >= controllers.READS


def test_damaged_and_missing_replies_are_counted(bus: SimulatedBus, ctl: Controller) -> None:
    ctl.session.driver.discover_layout()
    bus.faults.next_are(Fault.CORRUPT, Fault.DROP, Fault.DROP)
    finding = check_replies(ctl, "oven")
    assert finding.result is Result.WARNING
    assert finding.found == "2 of 10 reads got no reply, 1 a damaged reply"


def test_two_controllers_at_one_address_are_found(
    slave: SimulatedController, ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, numbers = controllers.read_identity, iter(range(501, 520))

    def read_identity(*given: Any) -> Any:
        # Another controller replies to every request.
        slave.set("serial_number", next(numbers) % 2 + 1)
        return original(*given)

    monkeypatch.setattr(controllers, "read_identity", read_identity)
    finding = check_replies(ctl, "oven")
    assert finding.result is Result.PROBLEM
    assert "serial number 1, serial number 2" in finding.found
    assert "two controllers have this address" in finding.advice


@pytest.mark.parametrize(
    ("given", "result", "text"),
    [
        ({}, Result.OK, "map 2, high_low"),
        ({"data_map": "auto", "word_order": "auto"}, Result.OK, "map 2, high_low"),
        ({"data_map": 2, "word_order": "high_low"}, Result.OK, "map 2, high_low"),
        ({"data_map": 1}, Result.PROBLEM, "the rig file says data_map = 1"),
        ({"word_order": "low_high"}, Result.PROBLEM, "the rig file says word_order = low_high"),
    ],
)
def test_the_layout_is_compared_with_the_rig_file(
    given: dict[str, Any], result: Result, text: str, ctl: Controller
) -> None:
    finding = check_layout(ctl, "oven", given)
    assert finding.result is result
    assert text in finding.found


def test_a_word_order_that_is_not_certain_is_a_problem(
    slave: SimulatedController, ctl: Controller
) -> None:
    slave.set("hardware_id", 0x10001)  # has no zero word
    finding = check_layout(ctl, "oven", {})
    assert finding.result is Result.PROBLEM
    assert "the hardware ID is 0001 0001" in finding.found
    assert "give data_map and word_order" in finding.advice


@pytest.mark.parametrize(
    ("code", "declared", "result"),
    [
        (30, None, Result.UNKNOWN),
        (30, Unit.FAHRENHEIT, Result.OK),
        (30, Unit.CELSIUS, Result.WARNING),
        (15, Unit.CELSIUS, Result.OK),
        (15, Unit.FAHRENHEIT, Result.WARNING),
    ],
)
def test_the_displayed_scale_is_compared_with_the_declared_one(
    code: int,
    declared: Unit | None,
    result: Result,
    slave: SimulatedController,
    ctl: Controller,
) -> None:
    slave.set(17050, code)
    finding = check_units(ctl, "oven", declared)
    assert finding.result is result
    assert f"the setting is {'°F' if code == 30 else '°C'}" in finding.found
    assert ("compare a reading without conversion" in finding.advice) == (result is not Result.OK)


def test_the_scale_of_a_series_sd_is_certain(bus: SimulatedBus) -> None:
    with open_device(bus.port, protocol=MODBUS, address=4, family="sd") as sd:
        assert check_units(sd, "oven", None).result is Result.OK
        wrong = check_units(sd, "oven", Unit.CELSIUS)
    assert (wrong.result, wrong.advice) == (Result.PROBLEM, "declare °F")
