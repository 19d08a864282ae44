"""The assembly: scattered parameters in one read, and its pointers restored at the end."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from watlowlib import (
    ProtocolKind,
    SerialSettings,
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowDeviceError,
    WatlowManager,
    WatlowWriteError,
    open_device,
    record,
)
from watlowlib.devices.controller import Controller
from watlowlib.devices.maintenance import set_address, set_protocol
from watlowlib.model import Value
from watlowlib.registry.parameters import ParameterSpec
from watlowlib.simulator import SimulatedBus, SimulatedController, SimulatedSD

MODBUS = ProtocolKind.MODBUS_RTU
LINE = SerialSettings(baudrate=115200)
SCATTERED = ["setpoint", "process_value", "alarm_high_setpoint", "control_mode", "hardware_id"]


@pytest.fixture
def unit() -> SimulatedController:
    return SimulatedController(1, protocol=MODBUS)


@pytest.fixture
def ctl(unit: SimulatedController) -> Iterator[Controller]:
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol=MODBUS, serial_settings=LINE) as ctl:
            yield ctl


def pointers(unit: SimulatedController) -> list[object]:
    """Return the first 20 pointers of the assembly."""
    return [unit.get(19000 + n) for n in range(1, 21)]


def test_scattered_parameters_are_read_in_one_exchange(
    ctl: Controller, unit: SimulatedController
) -> None:
    before = pointers(unit)
    apart = {s.parameter: s.value for s in ctl.poll(SCATTERED)}
    with ctl.assembly(SCATTERED, confirm=True):
        count = ctl.stats.exchanges
        together = {s.parameter: s.value for s in ctl.poll(SCATTERED)}
        assert ctl.stats.exchanges - count == 1
        ctl.set_setpoint(81.0, confirm=True)
        assert ctl.poll(["setpoint"])[0].value == 81.0
    assert set(together) == set(SCATTERED)
    assert together.pop("process_value") == pytest.approx(apart.pop("process_value"), abs=2)
    assert together == apart
    assert pointers(unit) == before
    # Five pointer pairs written and restored, and the set point.
    assert ctl.eeprom_writes == unit.eeprom_writes == 11
    count = ctl.stats.exchanges
    ctl.poll(SCATTERED)
    assert ctl.stats.exchanges - count > 1


def test_the_pointers_are_restored_after_an_error(
    ctl: Controller, unit: SimulatedController
) -> None:
    before = pointers(unit)
    with pytest.raises(ZeroDivisionError), ctl.assembly(SCATTERED, confirm=True):
        raise ZeroDivisionError
    assert pointers(unit) == before


def test_another_session_does_not_change_an_assembly_in_use(
    ctl: Controller, unit: SimulatedController
) -> None:
    before = pointers(unit)
    with open_device(ctl.session.port.name, protocol=MODBUS, serial_settings=LINE) as other:
        with ctl.assembly(["setpoint", "control_mode"], confirm=True):
            with pytest.raises(WatlowConfigurationError, match="another session"):
                other.assembly(["alarm_high_setpoint"], confirm=True).__enter__()
            with ctl.assembly(["alarm_high_setpoint"], confirm=True):
                assert ctl.poll(["setpoint"])[0].value == 75.0
            with pytest.raises(WatlowConfigurationError, match="another session"):
                other.assembly(["alarm_high_setpoint"], confirm=True).__enter__()
            assert ctl.poll(["setpoint"])[0].value == 75.0
        assert pointers(unit) == before
        with other.assembly(["setpoint", "control_mode"], confirm=True):
            assert other.poll(["setpoint"])[0].value == 75.0


def test_address_and_protocol_are_not_changed_while_an_assembly_is_in_use(
    ctl: Controller, unit: SimulatedController
) -> None:
    before = pointers(unit)
    with ctl.assembly(SCATTERED, confirm=True):
        for change in (
            lambda: set_address(ctl, 2, confirm=True),
            lambda: set_protocol(ctl, "stdbus", confirm=True),
        ):
            with pytest.raises(WatlowConfigurationError, match="read through its assembly"):
                change()
    assert pointers(unit) == before
    set_address(ctl, 2, confirm=True)
    assert (ctl.address, ctl.read_setpoint().value) == (2, 75.0)


def test_pointers_with_the_right_value_are_not_written(
    ctl: Controller, unit: SimulatedController
) -> None:
    with ctl.assembly(SCATTERED, confirm=True):
        written = len(unit.register_writes)
        with ctl.assembly(SCATTERED, confirm=True):
            ctl.poll(SCATTERED)
        assert len(unit.register_writes) == written


def test_values_are_right_when_the_assembly_changes_during_a_poll() -> None:
    unit = SimulatedController(1, protocol=MODBUS)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(
            bus.port, protocol=MODBUS, serial_settings=LINE, registers_per_read=2
        ) as ctl:
            targets = ctl.session.targets(["setpoint", "hardware_id", "control_mode"], (1,))
            with ctl.assembly(["setpoint", "hardware_id", "control_mode"], confirm=True):
                reads = ctl.session.driver.read_each(targets)
                outcomes = [next(reads)]
                with ctl.assembly(["alarm_high_setpoint", "hardware_id"], confirm=True):
                    outcomes.append(next(reads))
            outcomes += reads
    values = {spec.name: got for each in outcomes for (spec, _), got in each.values.items()}
    assert values == {"setpoint": 75.0, "hardware_id": 28, "control_mode": 10}


class ChangingHeatPower(SimulatedController):
    """A controller whose heat power changes, in both words, at every read."""

    def read_wire_value(self, spec: ParameterSpec, instance: int) -> Value:
        if spec.name != "heat_power":
            return super().read_wire_value(spec, instance)
        self.reads = getattr(self, "reads", 0) + 1
        return 10.0 + 1.1 * (self.reads % 3)


def test_a_changing_value_passes_the_comparison() -> None:
    with SimulatedBus(
        [ChangingHeatPower(1, protocol=MODBUS)], baudrate=None, turnaround_s=0.0
    ) as bus:
        with open_device(bus.port, protocol=MODBUS, serial_settings=LINE) as ctl:
            with ctl.assembly(["heat_power", "setpoint"], confirm=True):
                assert [each.status for each in ctl.poll(["heat_power", "setpoint"])] == ["ok"] * 2


@pytest.mark.parametrize("flipped", [(0x5555, 0x5555), (0, 0x0010)])
def test_an_assembly_that_shows_wrong_values_is_not_used(
    ctl: Controller, unit: SimulatedController, flipped: tuple[int, int]
) -> None:
    before = pointers(unit)
    bank_read = unit.modbus._bank.read

    def read(start: int, count: int) -> object:
        words = bank_read(start, count)
        if not 200 <= start < 280:
            return words
        return [word ^ bits for word, bits in zip(words, itertools.cycle(flipped))]

    unit.modbus._bank.read = read  # type: ignore[assignment,method-assign]
    with pytest.raises(WatlowWriteError, match="does not show setpoint"):
        with ctl.assembly(SCATTERED, confirm=True):
            pytest.fail("it must not be used")
    assert pointers(unit) == before


def test_an_invalid_assembly_is_refused_before_anything_is_written(
    ctl: Controller, unit: SimulatedController
) -> None:
    with pytest.raises(WatlowConfirmationError, match="5 values writes 5 pointers"):
        with ctl.assembly(SCATTERED):
            pytest.fail("not confirmed")
    steps = ["profile_step_type", "profile_step_hours"]
    with pytest.raises(WatlowConfigurationError, match="42 values to assemble"):
        with ctl.assembly(steps, instances=range(1, 22), confirm=True):
            pytest.fail("too many")
    assert unit.register_writes == []


def test_only_a_pm_in_data_map_1_has_an_assembly() -> None:
    units = [SimulatedController(1, protocol=MODBUS, data_map=2), SimulatedSD(2)]
    with SimulatedBus(units, baudrate=None, turnaround_s=0.0) as bus:
        for address, family in ((1, "unknown"), (2, "sd")):
            with (
                open_device(
                    bus.port,
                    protocol=MODBUS,
                    serial_settings=LINE,
                    address=address,
                    family=family,  # type: ignore[arg-type]
                ) as ctl,
                pytest.raises(WatlowConfigurationError, match="leave assembly out"),
            ):
                with ctl.assembly(["setpoint"], confirm=True):
                    pytest.fail("it has no assembly")
        assert [unit.register_writes for unit in units] == [[], []]


def test_a_recording_reads_through_the_assembly_and_restores_it(
    ctl: Controller, unit: SimulatedController
) -> None:
    before = pointers(unit)
    with pytest.raises(WatlowConfirmationError):
        record(ctl, parameters=SCATTERED, rate_hz=50, assembly=True)
    with record(
        ctl, parameters=SCATTERED, rate_hz=50, duration=0.1, assembly=True, confirm=True
    ) as stream:
        batches = [next(iter(stream))]
        count = ctl.stats.exchanges
        batches += stream
        assert ctl.stats.exchanges - count <= len(batches) < 6
        assert pointers(unit) != before
    assert {sample.status for batch in batches for sample in batch} == {"ok"}
    assert pointers(unit) == before


def test_a_fleet_is_assembled_completely_or_not_at_all() -> None:
    units = [SimulatedController(n, protocol=MODBUS) for n in (1, 2)]
    initial = [pointers(unit) for unit in units]
    with SimulatedBus([*units, 3], baudrate=None, turnaround_s=0.0) as bus, WatlowManager() as mgr:
        for address in (1, 2):
            mgr.add(f"oven{address}", bus.port, protocol=MODBUS, address=address)
        with mgr.assembly(SCATTERED, confirm=True):
            assert all(pointers(unit) != before for unit, before in zip(units, initial))
        units[1].modbus.failing = True
        with pytest.raises(WatlowDeviceError), mgr.assembly(SCATTERED, confirm=True):
            pytest.fail("one of them cannot")
    assert [pointers(unit) for unit in units] == initial


def test_a_recording_with_assembly_is_refused_on_standard_bus() -> None:
    with SimulatedBus([1], baudrate=None) as bus, open_device(bus.port) as ctl:
        with pytest.raises(WatlowConfigurationError, match="leave assembly out"):
            record(ctl, parameters=["setpoint"], rate_hz=1, assembly=True, confirm=True)
        assert ctl.stats.exchanges == 0
