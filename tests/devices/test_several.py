"""`Controller.read`: several parameters at once, and `Reading.to_dict`."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowNoSuchInstanceError,
    WatlowTimeoutError,
    WatlowUnknownParameterError,
)
from watlowlib.model import ProtocolKind, Quantity, Reading, Unit
from watlowlib.simulator import SimulatedBus, SimulatedController


def test_several_parameters_are_read_under_the_names_given(
    bus: SimulatedBus, ctl: Controller
) -> None:
    bus.controllers[1].set("setpoint", 81.5)
    readings = ctl.read(["sp", "heat_algorithm", 7001, "part_number"])
    assert list(readings) == ["sp", "heat_algorithm", 7001, "part_number"]
    assert [each.value for each in readings.values()] == [81.5, 71, 81.5, "PM3R1CA-AAAAAAA"]
    assert {each.parameter for each in readings.values()} == {
        "setpoint",
        "heat_algorithm",
        "part_number",
    }


def test_a_parameter_with_two_names_is_read_once(ctl: Controller) -> None:
    before = ctl.stats.exchanges
    assert set(ctl.read(["sp", "setpoint", 7001])) == {"sp", "setpoint", 7001}
    assert ctl.stats.exchanges - before == 1


def test_adjacent_registers_are_read_in_one_exchange() -> None:
    unit = SimulatedController(1, protocol="modbus_rtu", loops=2)
    unit.set("setpoint", 82.5, 2)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol=ProtocolKind.MODBUS_RTU) as ctl:
            ctl.identify()
            before = ctl.stats.exchanges
            readings = ctl.read(["sp", "setpoint_minimum"], instance=2)
            assert ctl.stats.exchanges - before == 1
    assert readings["sp"].value == 82.5
    assert [each.instance for each in readings.values()] == [2, 2]


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ([], WatlowConfigurationError),
        (["pv", "setpont"], WatlowUnknownParameterError),
        (["pv", ["sp"]], WatlowUnknownParameterError),
        (None, WatlowConfigurationError),
        (["pv", "save_settings_as"], WatlowConfigurationError),
    ],
)
def test_nothing_is_sent_for_a_parameter_that_cannot_be_read(
    ctl: Controller, parameters: list[str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        ctl.read(parameters)
    assert ctl.stats.exchanges == 0


def test_the_error_of_a_failed_read_is_raised(ctl: Controller) -> None:
    with pytest.raises(WatlowNoSuchInstanceError) as caught:
        ctl.read(["alarm_high_setpoint", "alarm_low_setpoint"], instance=3)
    assert caught.value.context.parameter == "alarm_high_setpoint"


def test_no_second_request_is_sent_to_a_silent_controller(bus: SimulatedBus) -> None:
    bus.power_off(1)
    with open_device(bus.port, retries=0) as ctl:
        with pytest.raises(WatlowTimeoutError):
            ctl.read(["pv", "sp"], timeout=0.01)
        assert ctl.stats.timeouts == 1


def test_a_reading_becomes_a_dict_of_json_types() -> None:
    when = datetime(2026, 5, 4, 3, 2, 1, tzinfo=timezone.utc)
    reading = Reading(
        (1, 2), Unit.CELSIUS, "pv", 4001, 1, 2, when, when, 0.25, b"\x01\xff", None,
        ProtocolKind.STDBUS, 7, Quantity.TEMPERATURE, Unit.CELSIUS,
    )  # fmt: skip
    document = reading.to_dict()
    assert (
        json.loads(json.dumps(document))
        == document
        == {
            "value": [1, 2],
            "unit": "°C",
            "parameter": "pv",
            "parameter_id": 4001,
            "instance": 1,
            "address": 2,
            "requested_at": "2026-05-04T03:02:01.000000+00:00",
            "received_at": "2026-05-04T03:02:01.000000+00:00",
            "latency_s": 0.25,
            "raw": "01ff",
            "label": None,
            "protocol": "stdbus",
            "monotonic_ns": 7,
            "quantity": "temperature",
            "scale": "°C",
        }
    )
    assert {type(each) for each in document.values()} <= {list, str, int, float, type(None)}
