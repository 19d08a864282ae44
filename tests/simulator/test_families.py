"""Simulated RMC, RMH and ST; the expected registers are literal numbers of papers and programs."""

from __future__ import annotations

import struct

import pytest

from watlowlib.protocol.stdbus.payloads import ErrorCode, ErrorReply, ReadReply, ReadRequest
from watlowlib.simulator import SimulatedController
from watlowlib.simulator.fleet import simulated_fleet


def read(unit: SimulatedController, register: int, count: int) -> tuple[int, ...] | int:
    """Return the words, or the code of the exception."""
    reply = unit.modbus.reply_to(struct.pack(">BHH", 3, register, count))
    return reply[1] if reply[0] & 0x80 else struct.unpack(f">{count}H", reply[2:])


def floats(unit: SimulatedController, register: int) -> float | None:
    words = read(unit, register, 2)
    if isinstance(words, int):
        return None
    value: float = struct.unpack(">f", struct.pack(">HH", *reversed(words)))[0]
    return value


@pytest.mark.parametrize(
    ("family", "parameter", "instance", "register"),
    [
        ("rmh", "process_value", 1, 380),
        ("rmh", "process_value", 8, 1010),
        ("rmh", "setpoint", 1, 5220),
        ("rmh", "idle_setpoint", 1, 5236),
        ("rmh", "heat_proportional_band", 1, 4110),
        ("rmh", "alarm_high_setpoint", 1, 2660),
        ("rmc", "process_value", 2, 450),
        ("rmc", "alarm_high_setpoint", 3, 1860),
        ("rmc", "limit_high_setpoint", 1, 726),
        ("st", "process_value", 1, 360),
        ("st", "alarm_high_setpoint", 1, 1450),
        ("pm", "setpoint", 1, 2160),
    ],
)
def test_a_simulated_module_has_its_values_at_the_registers_of_its_family(
    family: str, parameter: str, instance: int, register: int
) -> None:
    unit = SimulatedController(1, family=family, protocol="modbus_rtu")
    if parameter == "process_value":  # an open sensor holds one value
        unit.set("input_error", 65, instance)
    unit.set(parameter, 100.0 + instance, instance)
    assert floats(unit, register) == 100.0 + instance


def test_registers_that_are_not_known_do_not_exist() -> None:
    rmc = SimulatedController(1, family="rmc", protocol="modbus_rtu")
    rmh = SimulatedController(1, family="rmh", protocol="modbus_rtu")
    for unit, register in ((rmc, 2640), (rmc, 2224), (rmc, 2244), (rmh, 360), (rmh, 2160)):
        assert read(unit, register, 1) == 2


@pytest.mark.parametrize(
    ("family", "loops", "alarms"), [("rmc", 4, 8), ("rmh", 16, 16), ("pm", 1, 1), ("st", 1, 1)]
)
def test_standard_bus_has_the_instances_of_the_family(family: str, loops: int, alarms: int) -> None:
    unit = SimulatedController(1, family=family)
    for class_id, member, most in ((4, 1, loops), (7, 1, loops), (8, 2, loops), (9, 9, alarms)):
        assert isinstance(unit.reply_to(ReadRequest(class_id, member, most)), ReadReply)
        missing = ErrorReply(ErrorCode.NO_SUCH_INSTANCE)
        assert unit.reply_to(ReadRequest(class_id, member, most + 1)) == missing
    assert unit.get("device_name") == f"EZ-ZONE {family.upper()}"


def test_a_parameter_without_a_known_member_is_not_on_standard_bus() -> None:
    rmh = SimulatedController(1, family="rmh", protocol="modbus_rtu")
    assert rmh.reply_to(ReadRequest(9, 25, 1)) == ErrorReply(ErrorCode.NO_SUCH_ATTRIBUTE)
    rmh.set(9025, 3)
    assert read(rmh, 2708, 1) == (3,)


def test_every_loop_of_a_simulated_rmh_has_its_own_alarm() -> None:
    (unit,) = simulated_fleet(1, lambda **given: SimulatedController(family="rmh", **given))
    assert isinstance(unit, SimulatedController)
    unit.set("alarm_type", 76, 16)  # process alarm
    unit.set("alarm_source_instance", 16, 16)
    unit.set("alarm_high_setpoint", 50.0, 16)
    assert unit.get("alarm_state", 16) == 7  # high: the oven begins at 72
    assert unit.get("alarm_state", 15) != 7


def test_the_odd_register_after_a_short_value_reads_zero() -> None:
    rmh = SimulatedController(1, family="rmh", protocol="modbus_rtu")
    assert read(rmh, 4102, 3) == (10, 0, 71)  # the control mode and the heat algorithm
