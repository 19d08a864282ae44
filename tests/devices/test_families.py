"""RMC, RMH and ST: at which registers they are read and written, and what is refused.

The registers of the slaves here are literal numbers, from the papers and programs named in
`bases.tsv`; the simulated controllers take theirs from the table.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from watlowlib import (
    ControllerFamily,
    WatlowConfigurationError,
    WatlowError,
    WatlowUncertainError,
    open_device,
)
from watlowlib.devices.controller import Controller
from watlowlib.errors import WatlowNoSuchInstanceError
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus, SimulatedController
from watlowlib.simulator.registers import NO_SUCH_REGISTER, ModbusExceptionError
from watlowlib.simulator.slave import ModbusSlave

HOT, WARM = (0x0000, 0x4296), (0x0000, 0x4248)
"""75.0 and 50.0 with the low word first."""
AUTO, PID, LOW_HIGH = 10, 71, 1331
RMH = {4102: AUTO, 4104: PID, 380: HOT[0], 381: HOT[1], 1010: WARM[0], 1011: WARM[1]}
RMH |= {5220: HOT[0], 5221: HOT[1], 5300: WARM[0], 5301: WARM[1], 388: 95, 368: 15, 2708: 3}
ST = {1752: AUTO, 1754: PID, 2068: LOW_HIGH, 450: HOT[0], 451: HOT[1], 1450: 0, 1451: 0}
RMC = {630: HOT[0], 631: HOT[1], 1870: 62, 726: WARM[0], 727: WARM[1]}
PM = {1882: AUTO, 1884: PID, 2488: LOW_HIGH, 0: 28, 1: 0, 360: HOT[0], 361: HOT[1]}


class Registers:
    """A slave's registers as they are; others do not exist."""

    def __init__(self, words: dict[int, int]) -> None:
        self.words = dict(words)
        self.reads: list[int] = []

    def read(self, start: int, count: int) -> list[int]:
        self.reads.append(start)
        try:
            return [self.words[start + n] for n in range(count)]
        except KeyError:
            raise ModbusExceptionError(NO_SUCH_REGISTER) from None

    def write(self, start: int, words: Sequence[int]) -> None:
        self.words |= {start + n: word for n, word in enumerate(words)}


@contextmanager
def slave(words: dict[int, int], **options: Any) -> Iterator[tuple[Controller, Registers]]:
    registers = Registers(words)
    unit = SimulatedController(1, protocol="modbus_rtu")
    unit.modbus = ModbusSlave(registers)  # type: ignore[arg-type]
    with (
        SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus,
        open_device(bus.port, protocol="modbus_rtu", timeout_s=5.0, **options) as ctl,
    ):
        yield ctl, registers


def test_an_rmh_is_read_and_written_at_its_registers() -> None:
    with slave(RMH, family="rmh", word_order="low_high") as (ctl, registers):
        assert ctl.read_pv().value == 75.0
        assert ctl.read_pv(instance=8).value == 50.0
        assert ctl.loop(8).read_pv().value == 50.0
        assert ctl.read_parameter("display_units").label == "°C"
        assert ctl.read_parameter(9025).value == 3
        ctl.set_setpoint(60.0, confirm=True)
        assert (registers.words[5220], registers.words[5221]) == (0x0000, 0x4270)
        assert ctl.session.driver.discover_layout().data_map == 1


def test_an_unproven_register_is_read_with_a_warning_and_never_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with slave(RMH, family="rmh", word_order="low_high") as (ctl, registers):
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                assert ctl.read_setpoint(instance=2).value == 50.0
        assert caplog.text.count("not proven") == 1
        before = dict(registers.words)
        for name, value, instance in (
            ("setpoint", 60.0, 2),
            ("display_units", 30, 1),
            ("alarm_source_zone", 1, 1),
            ("digital_output_function_instance", 1, 1),
        ):
            with pytest.raises(WatlowUncertainError, match="not proven .*nothing was written"):
                ctl.write_parameter(name, value, instance=instance, confirm=True)
        assert registers.words == before


def test_an_st_is_known_by_its_registers_in_data_map_2() -> None:
    with slave(ST, family="st") as (ctl, registers):
        assert ctl.read_pv(instance=2).value == 75.0
        layout = ctl.session.driver.discover_layout()
        assert (layout.data_map, str(layout.word_order)) == (2, "low_high")
        ctl.write_parameter("alarm_high_setpoint", 75.0, confirm=True)
        assert (registers.words[1450], registers.words[1451]) == HOT
        assert set(registers.reads) <= set(ST)


def test_an_rmc_is_read_and_written_at_its_registers() -> None:
    with slave(RMC, family="rmc", word_order="low_high") as (ctl, registers):
        assert ctl.read_pv(instance=4).value == 75.0
        assert ctl.read_parameter("limit_high_setpoint").value == 50.0
        ctl.write_parameter("alarm_silencing", "on", instance=3, confirm=True)
        assert registers.words[1870] == 63
        assert set(registers.reads) <= {*RMC, 1882, 2362}  # where a PM has its control mode


@pytest.mark.parametrize(
    ("family", "parameter", "message"),
    [
        ("rmc", "setpoint", "family 'rmc' .no register of the class is published"),
        ("rmc", "heat_power", "published as 2244 and as 2224"),
        ("rmc", "word_order", "use Standard Bus"),
        ("rmh", "serial_number", "family 'rmh'"),
        ("rmh", "current_error", "family 'rmh'"),
        ("rm", "process_value", "give family='rmc' or family='rmh'"),
        ("st", "setpoint", "behind a gateway"),
        ("st", "hardware_id", "family 'st'"),
    ],
)
def test_a_class_without_a_base_is_refused_before_anything_is_sent(
    family: str, parameter: str, message: str
) -> None:
    with slave(PM, family=family, word_order="low_high") as (ctl, registers):
        with pytest.raises(WatlowConfigurationError, match=f"{message}.*; nothing was sent"):
            ctl.read_parameter(parameter)
        with pytest.raises(WatlowConfigurationError):
            ctl.read([parameter])
        assert registers.reads == []


def test_an_st_in_data_map_1_is_refused() -> None:
    with slave(PM, family="st", data_map=1, word_order="low_high") as (ctl, registers):
        with pytest.raises(WatlowConfigurationError, match="only in data map 2"):
            ctl.read_pv()
        assert registers.reads == []


@pytest.mark.parametrize("family", ["rmc", "rmh", "st"])
def test_a_pm_that_was_declared_as_another_family_is_not_read(family: str) -> None:
    with slave(PM, family=family, word_order="low_high") as (ctl, registers):
        with pytest.raises(WatlowUncertainError, match=f"check family='{family}'"):
            ctl.read_pv()
        with pytest.raises(WatlowUncertainError, match=f"check family='{family}'"):
            ctl.write_parameter("alarm_high_setpoint", 75.0, confirm=True)
        assert not set(registers.reads) & {360, 380}
    given: Any = {"data_map": 2 if family == "st" else 1, "word_order": "low_high"}
    with slave(PM, family=family, **given) as (ctl, registers):
        with pytest.raises(WatlowUncertainError, match=f"check family='{family}'\\) "):
            ctl.read_pv()
        assert not set(registers.reads) & {360, 380}


def test_the_word_order_of_an_rmh_is_never_assumed() -> None:
    with slave(RMH, family="rmh") as (ctl, _):
        assert ctl.read_parameter("sensor_type").value == 95  # one register has no order
        with pytest.raises(WatlowUncertainError, match="give word_order='low_high'"):
            ctl.read_pv()


def test_the_family_of_an_rmh_over_modbus_is_not_guessed() -> None:
    with slave(RMH | {0: 28, 1: 0}) as (ctl, _):
        info = ctl.identify()
        assert (info.family, info.hardware_id) == (ControllerFamily.UNKNOWN, 28)
        with pytest.raises(WatlowUncertainError, match="or that of an RM or ST"):
            ctl.read_pv()
    with slave(RMH, family="rmh", word_order="low_high") as (ctl, _):
        assert ctl.identify().family is ControllerFamily.RMH


def test_an_rmh_has_no_assembly() -> None:
    with slave(RMH, family="rmh", word_order="low_high") as (ctl, registers):
        with (
            pytest.raises(WatlowConfigurationError, match="assembly .*'rmh' are not known"),
            ctl.assembly(["process_value"], confirm=True),
        ):
            pass
        assert 40 not in registers.reads


@contextmanager
def simulated(kind: str, **options: Any) -> Iterator[tuple[Controller, SimulatedController]]:
    unit = SimulatedController(1, family=kind)
    with (
        SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus,
        open_device(bus.port, timeout_s=5.0, **options) as ctl,
    ):
        yield ctl, unit


def test_standard_bus_reaches_all_loops_of_an_rmh() -> None:
    with simulated("rmh", family="rmh") as (ctl, unit):
        ctl.loop(16).set_setpoint(120.0, confirm=True)
        assert unit.get("setpoint", 16) == 120.0
        assert ctl.read_pv(instance=16).value == pytest.approx(72.0, abs=10.0)
        assert ctl.alarm(16).read().instance == 16
        with pytest.raises(WatlowConfigurationError, match="loop=17: family='rmh' has loops 1 to"):
            ctl.loop(17)
        with pytest.raises(WatlowConfigurationError, match="Standard Bus are not known"):
            ctl.read_parameter("alarm_source_zone")


def test_the_family_of_an_rmc_is_read_from_its_part_number() -> None:
    with simulated("rmc") as (ctl, _):
        info = ctl.identify()
        assert info.family is ControllerFamily.RMC
        assert info.part_number is not None and info.part_number.modbus is False
        with pytest.raises(WatlowConfigurationError, match=r"1 to 2 \(family='rmc': to 4, .*16\)"):
            ctl.read_pv(instance=3)
    with simulated("rmc", family="rmc") as (ctl, _):
        assert ctl.read_pv(instance=4).value == pytest.approx(72.0, abs=10.0)
        assert ctl.alarm(8).read().instance == 8


def test_a_module_with_fewer_loops_than_its_family_may_have_says_so() -> None:
    with (
        simulated("rmc", family="rm") as (ctl, _),
        pytest.raises(WatlowNoSuchInstanceError),
    ):
        ctl.read_pv(instance=5)


def test_no_fault_of_the_line_makes_a_wrong_value() -> None:
    unit = SimulatedController(1, family="rmh", protocol="modbus_rtu")
    for instance in range(1, 17):
        unit.set("alarm_high_setpoint", 100.0 + instance, instance)
    kinds = (Fault.CORRUPT, Fault.TRUNCATE, Fault.ECHO, Fault.NOISE, Fault.DUPLICATE, Fault.FOREIGN)
    faults = FaultPlan()
    faults.next_are(*(each for kind in kinds for each in (None, kind)))
    options: Any = {"family": "rmh", "word_order": "low_high", "timeout_s": 0.05, "retries": 2}
    right = 0
    with (
        SimulatedBus([unit], baudrate=None, turnaround_s=0.0, faults=faults) as bus,
        open_device(bus.port, protocol="modbus_rtu", **options) as ctl,
    ):
        for instance in range(1, 17):
            try:
                value = ctl.read_parameter("alarm_high_setpoint", instance=instance).value
            except WatlowError:
                continue
            assert value == 100.0 + instance
            right += 1
    assert right and set(faults.happened) == set(kinds)


def test_a_snapshot_names_a_parameter_without_a_register_once() -> None:
    unit = SimulatedController(1, family="rmc", protocol="modbus_rtu")
    options: Any = {"family": "rmc", "word_order": "low_high", "timeout_s": 5.0}
    with (
        SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus,
        open_device(bus.port, protocol="modbus_rtu", **options) as ctl,
    ):
        taken = ctl.read_all()
    assert [each.instance for each in taken.refusals if each.number == 7001] == [1]
    assert [each.instance for each in taken.entries if each.number == 4001] == [1, 2, 3, 4]
