"""Identification of a controller, and what its part number says that it can do."""

from __future__ import annotations

import pytest

from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import WatlowAbsentError, WatlowConnectionError, WatlowTimeoutError
from watlowlib.model import ControllerFamily, ProtocolKind
from watlowlib.simulator import Fault, SimulatedBus, SimulatedController


def test_identify_returns_every_field(ctl: Controller) -> None:
    info = ctl.identify()
    assert info.part_number is not None
    assert (info.part_number.text, info.family) == ("PM3R1CA-AAAAAAA", ControllerFamily.PM)
    assert (info.loops, info.hardware_id, info.software_revision) == (1, 28, 10)
    assert (info.serial_number, info.device_name) == (200001, "EZ-ZONE PM")
    assert info.configured_protocol is info.protocol is ProtocolKind.STDBUS


def test_a_field_without_a_reply_is_none(bus: SimulatedBus) -> None:
    # The second of ten requests, for the hardware ID, gets no reply, and neither does its retry.
    bus.faults.next_are(None, Fault.DROP, Fault.DROP)
    # After two attempts without a reply the others have no retry: they get more time.
    with open_device(bus.port, timeout_s=1.0) as ctl:
        info = ctl.identify()
    assert info.hardware_id is None
    assert info.serial_number == 200001
    assert info.firmware_id == 1


def test_identify_raises_a_timeout_without_a_controller(bus: SimulatedBus, ctl: Controller) -> None:
    bus.power_off(1)
    with pytest.raises(WatlowTimeoutError):
        ctl.identify()


def test_identify_raises_a_connection_error_on_a_lost_port(bus: SimulatedBus) -> None:
    with SimulatedBus([1], transport="tcp") as line, open_device(line.port) as ctl:
        assert ctl.session.part_number() is not None
        line.unplug()
        with pytest.raises(WatlowConnectionError):
            ctl.identify()


def test_capabilities_are_none_where_the_part_number_does_not_say(
    ctl: Controller, two_loops: Controller
) -> None:
    assert ctl.identify().capabilities == {
        "second_loop": False,
        "cooling": False,
        "profiles": True,
        "modbus_rtu": False,
    }
    assert two_loops.identify().capabilities == {
        "second_loop": True,
        "cooling": None,
        "profiles": False,
        "modbus_rtu": False,
    }


def test_an_unknown_part_number_is_read_only_once() -> None:
    unit = SimulatedController(1, protocol=ProtocolKind.STDBUS)
    unit.set("part_number", "")
    with SimulatedBus([unit], baudrate=None) as bus, open_device(bus.port) as ctl:
        for exchanges in (2, 3):  # the part number and the value, then the value alone
            with pytest.raises(WatlowAbsentError, match="holds no value"):
                ctl.read_parameter("cool_power")
            assert ctl.stats.exchanges == exchanges
        unit.set("part_number", "PM3R1CA-AAAAAAA")
        assert ctl.identify().part_number is not None
        with pytest.raises(WatlowAbsentError, match="no cooling output"):
            ctl.read_parameter("cool_power")
