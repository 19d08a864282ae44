"""Writes: limits, EEPROM wear, confirmation, and values that are held already."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.two_threads import Meeting, run_in_two_threads
from watlowlib.devices.controller import Controller
from watlowlib.devices.eeprom import HOUR_S, MOST_PER_HOUR, EepromCounter
from watlowlib.devices.factory import open_device
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowTimeoutError,
    WatlowWriteError,
)
from watlowlib.simulator import Fault, SimulatedBus, SimulatedController


def unit_of(bus: SimulatedBus) -> SimulatedController:
    return bus.controllers[1]


def test_a_value_held_already_is_not_written_again(bus: SimulatedBus, ctl: Controller) -> None:
    for _ in range(3):
        assert ctl.set_setpoint(151.1, confirm=True).value == pytest.approx(151.1)
    assert len(unit_of(bus).writes) == ctl.eeprom_writes == unit_of(bus).eeprom_writes == 1


def test_force_writes_a_value_held_already(bus: SimulatedBus, ctl: Controller) -> None:
    for _ in range(3):
        ctl.write_parameter("setpoint", 75.0, confirm=True, force=True)
    assert len(unit_of(bus).writes) == ctl.eeprom_writes == 3


def test_a_write_that_is_not_persistent_needs_no_confirm_and_is_not_counted(
    bus: SimulatedBus, ctl: Controller
) -> None:
    ctl.write_parameter("alarm_silence_request", "Silence")
    assert len(unit_of(bus).writes) == 1
    assert (ctl.eeprom_writes, unit_of(bus).eeprom_writes) == (0, 0)


@pytest.mark.parametrize(
    ("name", "value"),
    [("restore_settings_from", "Factory"), ("save_settings_as", "User Set 1"), (8026, "Yes")],
)
def test_a_write_with_consequences_needs_confirm(
    bus: SimulatedBus, ctl: Controller, name: str, value: str
) -> None:
    with pytest.raises(WatlowConfirmationError, match="pass confirm=True if this is intended"):
        ctl.write_parameter(name, value)
    assert ctl.stats.exchanges == 0
    ctl.write_parameter(name, value, confirm=True)
    assert len(unit_of(bus).writes) == 1


@pytest.mark.parametrize(
    ("number", "value", "count"),
    [(1013, "Factory", 1), (1014, "User Set 1", 1), (8026, "Yes", 0), (12001, "Clear", 0)],
)
def test_saving_or_restoring_all_settings_counts_as_an_eeprom_write(
    ctl: Controller, number: int, value: str, count: int
) -> None:
    ctl.write_parameter(number, value, confirm=True)
    assert ctl.eeprom_writes == count


@pytest.mark.parametrize("confirm", ["no", "False", "", None])
def test_confirm_must_be_true_or_false(ctl: Controller, confirm: Any) -> None:
    with pytest.raises(WatlowConfigurationError, match=f"confirm={confirm!r}: give True or False"):
        ctl.set_setpoint(80.0, confirm=confirm)
    with pytest.raises(WatlowConfigurationError, match=f"confirm={confirm!r}: give True or False"):
        ctl.set_persistent_writes(False, confirm=confirm)
    with pytest.raises(WatlowConfigurationError, match="on='off': give True or False"):
        ctl.set_persistent_writes("off", confirm=True)  # type: ignore[arg-type]
    assert ctl.stats.exchanges == 0


def test_a_write_stored_without_a_reply_is_counted(bus: SimulatedBus, ctl: Controller) -> None:
    # Two limits and the set point are read; then the write is stored without a reply.
    bus.faults.next_are(None, None, None, Fault.SILENT)
    with pytest.raises(WatlowTimeoutError):
        ctl.set_setpoint(99.0, confirm=True)
    assert unit_of(bus).get("setpoint") == 99.0
    assert ctl.eeprom_writes == unit_of(bus).eeprom_writes == 1


def test_a_one_shot_request_is_not_verified_by_a_read(bus: SimulatedBus, ctl: Controller) -> None:
    bus.faults.next_are(Fault.DROP)
    with pytest.raises(WatlowTimeoutError):
        ctl.write_parameter("alarm_clear_request", "Clear")
    assert len(unit_of(bus).writes) == 1
    with pytest.raises(WatlowConfigurationError, match="cannot be read back"):
        ctl.write_parameter("alarm_clear_request", "Clear", verify=True)
    assert len(unit_of(bus).writes) == 1


def test_a_limit_is_compared_as_rounded_for_the_wire(bus: SimulatedBus, ctl: Controller) -> None:
    unit_of(bus).set("setpoint_minimum", 0.10000000149011612)  # 0.1 in 32 bits
    assert ctl.set_setpoint(0.1, confirm=True).value == pytest.approx(0.1)


def test_the_controllers_own_limits_apply_to_the_set_point(
    bus: SimulatedBus, ctl: Controller
) -> None:
    unit_of(bus).set("setpoint_maximum", 200.0)
    unit_of(bus).set("setpoint_minimum", 50.0)
    for wrong in (200.5, 49.0):
        with pytest.raises(WatlowConfigurationError, match=r"own limits .*allowed is 50 to 200"):
            ctl.set_setpoint(wrong, confirm=True)
    assert unit_of(bus).writes == []
    ctl.set_setpoint(200.0, confirm=True)
    # They are read only once.
    before = ctl.stats.exchanges
    with pytest.raises(WatlowConfigurationError):
        ctl.set_setpoint(300.0, confirm=True)
    assert ctl.stats.exchanges == before


def test_own_limits_are_read_again_after_a_change_of_the_scale(
    bus: SimulatedBus, ctl: Controller
) -> None:
    unit_of(bus).set("setpoint_maximum", 400.0)
    ctl.set_setpoint(300.0, confirm=True)
    ctl.write_parameter("communications_display_units", "°C", confirm=True)
    unit_of(bus).set("setpoint_maximum", 204.0)  # as firmware converts it
    with pytest.raises(WatlowConfigurationError, match="to 204"):
        ctl.set_setpoint(300.5, confirm=True)


def test_limits_are_read_again_after_a_write_to_them(bus: SimulatedBus, ctl: Controller) -> None:
    ctl.set_setpoint(80.0, confirm=True)
    ctl.write_parameter("setpoint_maximum", 90.0, confirm=True)
    with pytest.raises(WatlowConfigurationError, match="to 90"):
        ctl.set_setpoint(91.0, confirm=True)


@pytest.mark.parametrize(
    ("temperature_unit", "most"), [("C", 5537.0), ("F", 9999.0), (None, 9999.0)]
)
def test_the_declared_scale_decides_the_limits(
    bus: SimulatedBus, temperature_unit: str | None, most: float
) -> None:
    with open_device(bus.port, temperature_unit=temperature_unit) as ctl:
        assert ctl.check_write("setpoint", most, confirm=True).value == most
        with pytest.raises(WatlowConfigurationError, match=f"to {most:g}"):
            ctl.check_write("setpoint", most + 1, confirm=True)


def test_check_write_sends_nothing(ctl: Controller) -> None:
    ctl.check_write("setpoint", 100.0, confirm=True)
    with pytest.raises(WatlowConfirmationError, match="writing 100.0 to setpoint .7001. changes"):
        ctl.check_write("setpoint", 100.0)
    assert ctl.stats.exchanges == 0


def test_verify_reads_the_value_back(bus: SimulatedBus, ctl: Controller) -> None:
    unit = unit_of(bus)
    assert ctl.write_parameter("setpoint", 90.0, confirm=True, verify=True).value == 90.0
    set_value = unit.set

    def set_without_setpoint(parameter: int, value: float, instance: int = 1) -> None:
        set_value(parameter, 75.0 if parameter == 7001 else value, instance)

    unit.set = set_without_setpoint  # type: ignore[method-assign, assignment]
    with pytest.raises(WatlowWriteError, match="setpoint is 75.0, not 95.0"):
        ctl.write_parameter("setpoint", 95.0, confirm=True, verify=True)


@pytest.mark.parametrize("name", ["standard_bus_address", "protocol", "modbus_baudrate"])
def test_communication_settings_are_refused(ctl: Controller, name: str) -> None:
    with pytest.raises(WatlowConfigurationError, match="use the functions of .*maintenance"):
        ctl.write_parameter(name, {"protocol": 1286, "modbus_baudrate": 188}.get(name, 2))
    assert ctl.stats.exchanges == 0


def test_too_many_eeprom_writes_are_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    counter = EepromCounter()
    every_s = HOUR_S / (MOST_PER_HOUR + 10)
    with caplog.at_level(logging.WARNING):
        for n in range(2 * MOST_PER_HOUR):
            counter.note("oven", now_s=n * every_s)
    assert counter.writes == 2 * MOST_PER_HOUR
    assert caplog.text.count("used up within a year") == 1
    assert "ramp_to" in caplog.text


def test_few_eeprom_writes_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    counter = EepromCounter()
    with caplog.at_level(logging.WARNING):
        for n in range(3 * MOST_PER_HOUR):
            counter.note("oven", now_s=n * 1.01 * HOUR_S / MOST_PER_HOUR)
    assert caplog.text == ""


def test_eeprom_writes_of_two_threads_at_once_are_both_counted() -> None:
    meeting = Meeting()

    class SlowCounter(EepromCounter):
        """Another thread may run after `writes` has been read."""

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if name == "writes":
                meeting.wait()
            return value

    counter = SlowCounter()
    assert run_in_two_threads(lambda: counter.note("oven"), lambda: counter.note("oven")) == []
    assert vars(counter)["writes"] == 2
