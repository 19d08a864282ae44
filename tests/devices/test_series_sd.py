"""A Series SD: values in thousandths, the scale in register 18, writes without EEPROM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from watlowlib import (
    Controller,
    ControllerFamily,
    ProtocolKind,
    Unit,
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowUncertainError,
    WatlowUnknownParameterError,
    WordOrder,
    open_device,
)
from watlowlib.devices.driver import Outcomes, Target
from watlowlib.devices.series_sd import SeriesSdDriver
from watlowlib.registry.parameters import SD_PARAMETERS
from watlowlib.simulator import SimulatedBus, SimulatedController, SimulatedSD

MODBUS, SD = ProtocolKind.MODBUS_RTU, ControllerFamily.SD


@pytest.fixture
def unit() -> SimulatedSD:
    return SimulatedSD(1)


@pytest.fixture
def bus(unit: SimulatedSD) -> Iterator[SimulatedBus]:
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        yield bus


@pytest.fixture
def ctl(bus: SimulatedBus) -> Iterator[Controller]:
    with open_device(bus.port, protocol=MODBUS, family=SD) as ctl:
        yield ctl


def test_every_register_is_read(ctl: Controller, unit: SimulatedSD) -> None:
    samples = ctl.poll([spec.number for spec in SD_PARAMETERS])
    assert {sample.status for sample in samples} == {"ok"}
    for spec in SD_PARAMETERS:
        if spec.number not in (20, 22, 26, 256, 257):  # these change by themselves
            assert ctl.read_parameter(spec.number).value == unit.get(spec.number), spec


def test_temperatures_are_thousandths_in_the_scale_of_register_18(
    ctl: Controller, unit: SimulatedSD
) -> None:
    held = ctl.set_setpoint(75.1234, confirm=True)
    # 75.123 in thousandths is 75123 = 0x00012573, high word first at register 27.
    assert unit.register_writes == [(27, (0x0001, 0x2573))]
    assert (held.value, held.unit) == (75.123, Unit.FAHRENHEIT)
    ctl.write_parameter("communications_display_units", "C", confirm=True)
    reading = ctl.read_setpoint()
    assert reading.unit is Unit.CELSIUS
    # (75.123 - 32) / 1.8 = 23.957
    assert reading.value == pytest.approx(23.957, abs=0.001)


def test_a_scale_changed_on_the_keys_is_noticed(ctl: Controller, unit: SimulatedSD) -> None:
    assert ctl.read_setpoint().unit is Unit.FAHRENHEIT
    unit.set(18, 1)
    samples = ctl.poll(["setpoint", "process_value", "control_mode"])
    assert [each.unit for each in samples] == [Unit.CELSIUS, Unit.CELSIUS, None]
    # (75 - 32) / 1.8 = 23.889
    assert samples[0].value == pytest.approx(23.889, abs=0.001)
    unit.set(18, 0)
    reading = ctl.read_setpoint()
    assert (reading.value, reading.unit) == (75.0, Unit.FAHRENHEIT)


@pytest.mark.parametrize("timeout", [False, True])
def test_a_temperature_keeps_its_scale_when_another_thread_changes_the_known_one(
    ctl: Controller, unit: SimulatedSD, monkeypatch: pytest.MonkeyPatch, timeout: bool
) -> None:
    driver = ctl.session.driver
    assert isinstance(driver, SeriesSdDriver)
    read_each = driver.read_each

    def then_another_thread(targets: Sequence[Target]) -> Iterator[Outcomes]:
        for outcomes in read_each(targets):
            if timeout:
                driver.forget()
            else:
                unit.set(18, 1)
                assert driver.read_scale() is Unit.CELSIUS
                unit.set(18, 0)
            yield outcomes

    monkeypatch.setattr(driver, "read_each", then_another_thread)
    assert ctl.read_setpoint().unit is Unit.FAHRENHEIT
    assert [each.unit for each in ctl.poll(["setpoint"])] == [Unit.FAHRENHEIT]
    assert [each.unit for each in ctl.read(["setpoint"]).values()] == [Unit.FAHRENHEIT]


def test_a_temperature_is_not_written_after_a_change_of_scale(
    ctl: Controller, unit: SimulatedSD
) -> None:
    assert ctl.read_setpoint().unit is Unit.FAHRENHEIT
    unit.set(18, 1)
    with pytest.raises(WatlowUncertainError, match="°C now and was °F before"):
        ctl.set_setpoint(80.0, confirm=True)
    assert unit.register_writes == []
    held = ctl.set_setpoint(25.0, confirm=True)
    assert (held.value, held.unit) == (25.0, Unit.CELSIUS)


def test_an_unknown_scale_leaves_temperatures_without_a_value(
    ctl: Controller, unit: SimulatedSD
) -> None:
    ctl.read_setpoint()
    unit.set(18, 7)
    statuses = {each.parameter: each.status for each in ctl.poll(["setpoint", "control_mode"])}
    assert statuses == {"setpoint": WatlowUncertainError.status, "control_mode": "ok"}


def test_power_is_in_signed_hundredths(ctl: Controller, unit: SimulatedSD) -> None:
    ctl.write_parameter("control_mode", "Manual")
    held = ctl.write_parameter("output_power", -12.5)
    # -12.50 in hundredths is -1250 = 0xFB1E.
    assert unit.register_writes[-1] == (26, (0xFB1E,))
    assert (held.value, held.unit) == (-12.5, Unit.PERCENT)


def test_identify_reads_the_numeric_registers(ctl: Controller, unit: SimulatedSD) -> None:
    info = ctl.identify()
    assert info.family is SD
    assert info.serial_number == unit.get(7) << 16 | unit.get(8)
    assert (info.firmware_id, info.software_revision) == (unit.get(10), unit.get(11))
    assert info.software_build == unit.get(13)
    assert (info.data_map, info.word_order) == (1, WordOrder.HIGH_LOW)
    assert info.part_number is None


def test_writes_with_persistence_off_do_not_reach_the_eeprom(
    ctl: Controller, unit: SimulatedSD
) -> None:
    with pytest.raises(WatlowConfirmationError, match="confirm=True"):
        ctl.set_persistent_writes(False)
    assert unit.register_writes == []
    ctl.set_persistent_writes(False, confirm=True)
    assert unit.get(17) == 0
    before = unit.eeprom_writes
    ctl.set_setpoint(80.0, confirm=True)
    ctl.set_setpoint(81.0, confirm=True)
    assert (ctl.eeprom_writes, unit.eeprom_writes) == (0, before)
    ctl.set_persistent_writes(True, confirm=True)
    ctl.set_setpoint(82.0, confirm=True)
    assert ctl.eeprom_writes == 1


def test_a_refused_read_is_remembered_when_the_scale_is_invalid(
    ctl: Controller, unit: SimulatedSD
) -> None:
    unit.set(18, 7)
    exchanges = []
    for _ in range(2):
        before = ctl.stats.exchanges
        with pytest.raises(WatlowUncertainError, match="register 18 holds 7"):
            ctl.read_parameter("filtered_process_value")
        exchanges.append(ctl.stats.exchanges - before)
    assert exchanges == [3, 2]  # 18 and 22 together are refused: 19 cannot be read


def test_parameters_of_a_pm_are_refused(ctl: Controller) -> None:
    for name in ("heat_proportional_band", 4001):
        with pytest.raises(WatlowUnknownParameterError):
            ctl.read_parameter(name)
    with pytest.raises(WatlowConfigurationError):
        ctl.write_parameter("process_value", 1.0)
    with pytest.raises(WatlowConfigurationError, match="allowed"):
        ctl.write_parameter("output_power", 100.01)
    assert ctl.stats.exchanges == 0


def test_a_pm_is_not_written_as_a_series_sd(bus: SimulatedBus) -> None:
    pm = SimulatedController(1, protocol=MODBUS)
    with SimulatedBus([pm], baudrate=None, turnaround_s=0.0) as pm_bus:
        with open_device(pm_bus.port, protocol=MODBUS, family=SD) as ctl:
            with pytest.raises(
                (WatlowUncertainError, Exception), match="exception 02|not a Series SD"
            ):
                ctl.set_setpoint(80.0, confirm=True)
        assert pm.register_writes == []


def test_without_family_sd_it_is_neither_read_nor_written(
    bus: SimulatedBus, unit: SimulatedSD
) -> None:
    with open_device(bus.port, protocol=MODBUS) as ctl:
        with pytest.raises(WatlowUncertainError, match="give family='sd' for a Series SD"):
            ctl.read_setpoint()
        with pytest.raises(WatlowUncertainError):
            ctl.set_setpoint(80.0, confirm=True)
    assert unit.register_writes == []
