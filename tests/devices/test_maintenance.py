"""Maintenance: the functions that change address, Modbus baud rate and protocol."""

from __future__ import annotations

import pytest

from watlowlib.devices import maintenance
from watlowlib.devices.controller import Controller
from watlowlib.errors import WatlowConfigurationError, WatlowConfirmationError, WatlowTimeoutError
from watlowlib.model import ProtocolKind
from watlowlib.simulator import Fault, SimulatedBus, SimulatedController


def test_the_controller_object_follows_a_new_address(
    unit: SimulatedController, ctl: Controller
) -> None:
    maintenance.set_address(ctl, 7, confirm=True)
    assert (ctl.address, unit.address) == (7, 7)
    assert ctl.read_setpoint().value == 75.0


def test_an_address_in_use_is_refused(
    bus: SimulatedBus, unit: SimulatedController, ctl: Controller
) -> None:
    with pytest.raises(WatlowConfigurationError, match="address=2: another controller replies"):
        maintenance.set_address(ctl, 2, confirm=True)
    with pytest.raises(WatlowConfirmationError):
        maintenance.set_address(ctl, 7)
    with pytest.raises(WatlowConfigurationError, match="from 1 to 16"):
        maintenance.set_address(ctl, 17, confirm=True)
    assert (ctl.address, unit.address) == (1, 1)


def test_an_address_with_damaged_replies_is_in_use(
    bus: SimulatedBus, unit: SimulatedController, ctl: Controller
) -> None:
    # The other controller's first two replies are lost, the third is damaged.
    bus.faults.next_are(*[Fault.DROP] * 4, Fault.CORRUPT, Fault.CORRUPT)
    with pytest.raises(WatlowConfigurationError, match="another controller replies"):
        maintenance.set_address(ctl, 2, confirm=True)
    assert (ctl.address, unit.address) == (1, 1)


def test_silence_on_a_dead_line_is_not_a_change_of_protocol(
    bus: SimulatedBus, unit: SimulatedController, ctl: Controller
) -> None:
    unit.set("part_number", "PM3R1CA-1AAAAAA")
    assert ctl.session.part_number() is not None
    bus.power_off(1)
    with pytest.raises(WatlowTimeoutError):
        maintenance.set_protocol(ctl, ProtocolKind.MODBUS_RTU, confirm=True)
    assert unit.get("protocol") == 1286


def test_the_modbus_baud_rate_is_set_and_read_back(
    unit: SimulatedController, ctl: Controller
) -> None:
    maintenance.set_modbus_baudrate(ctl, 38400, confirm=True)
    assert unit.get("modbus_baudrate") == 190
    with pytest.raises(WatlowConfigurationError, match="allowed are 9600, 19200, 38400"):
        maintenance.set_modbus_baudrate(ctl, 4800, confirm=True)


def test_a_unit_without_the_modbus_option_is_not_set_to_modbus(
    unit: SimulatedController, ctl: Controller
) -> None:
    with pytest.raises(WatlowConfigurationError, match="PM3R1CA-AAAAAAA does not say"):
        maintenance.set_protocol(ctl, ProtocolKind.MODBUS_RTU, confirm=True)
    assert unit.writes == []


def test_a_unit_set_to_modbus_no_longer_replies_on_standard_bus(
    unit: SimulatedController, ctl: Controller
) -> None:
    unit.set("part_number", "PM3R1CA-1AAAAAA")
    maintenance.set_protocol(ctl, ProtocolKind.MODBUS_RTU, confirm=True)
    assert unit.get("protocol") == 1057
    with pytest.raises(WatlowTimeoutError):
        ctl.read_pv()


def test_an_unchanged_protocol_is_not_written(unit: SimulatedController, ctl: Controller) -> None:
    maintenance.set_protocol(ctl, ProtocolKind.STDBUS, confirm=True)
    assert unit.writes == []
    with pytest.raises(WatlowConfigurationError, match="give 'stdbus' or 'modbus_rtu'"):
        maintenance.set_protocol(ctl, ProtocolKind.AUTO, confirm=True)
