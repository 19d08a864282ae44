"""`Controller.read_all`: all parameters and instances, and what the controller does not have."""

from __future__ import annotations

import pytest

from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import WatlowTimeoutError, WatlowUncertainError
from watlowlib.model import ProtocolKind, Unit
from watlowlib.registry.parameters import PARAMETERS
from watlowlib.simulator import SimulatedBus, SimulatedController, SimulatedSD
from watlowlib.simulator import controller as simulated

READABLE = {spec.number: spec for spec in PARAMETERS if spec.readable}


def test_every_instance_of_every_readable_parameter_is_read() -> None:
    unit = SimulatedController(1, loops=2, cooling=True)
    unit.set("setpoint", 82.5, 2)
    unit.set("profile_step_hours", 17, 40)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, name="oven", temperature_unit="F") as ctl:
            taken = ctl.read_all()
    values = {each.key: each for each in taken.entries}
    assert list(values) == sorted(
        (number, n) for number, spec in READABLE.items() for n in range(1, spec.instances + 1)
    )
    assert taken.refusals == ()
    assert (values[7001, 2].value, values[7001, 2].unit) == (82.5, Unit.FAHRENHEIT)
    assert values[21003, 40].value == 17
    assert (values[8003, 1].value, values[8003, 1].label) == (71, "PID")
    assert taken.identity["name"] == "oven"
    assert taken.identity["part_number"] == "PM6U1CC-AAAAAAA"
    assert taken.identity["serial_number"] == 200001
    assert taken.identity["temperature_unit"] == "°F"


def test_the_list_of_a_parameter_ends_at_the_first_missing_instance(ctl: Controller) -> None:
    progress: list[tuple[int, int]] = []
    taken = ctl.read_all(lambda finished, total: progress.append((finished, total)))
    # Instance 2 of the assembly is the other direction of data, not another loop.
    assembly = {each for each in READABLE if each // 1000 in (19, 20)}
    assert {each.instance for each in taken.entries if each.number not in assembly} == {1}
    # Of an input, instance 2 is asked for once and is no refusal; of a profile step, 3 to 40 are
    # not asked for.
    assert {each.status for each in taken.refusals} == {"absent"}
    assert {each.name.split("_")[0] for each in taken.refusals} == {"cool"}
    several = sum(spec.instances > 1 for spec in READABLE.values())
    assert progress[-1] == (len(READABLE) + several, len(READABLE) + several)
    finished = [each for each, _ in progress]
    assert finished == sorted(finished)
    assert all(done <= total for done, total in progress)


def test_a_parameter_that_the_controller_does_not_have_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, ctl: Controller, unit: SimulatedController
) -> None:
    del unit._specs[8022]
    monkeypatch.setattr(simulated, "_CLASSES", simulated._CLASSES - {36})
    taken = ctl.read_all()
    statuses = {(each.number, each.instance): each.status for each in taken.refusals}
    assert statuses[8022, 1] == "no_such_attribute"
    assert statuses[36001, 1] == "no_such_object"
    assert (8022, 2) not in statuses


def test_over_modbus_adjacent_registers_are_read_together() -> None:
    unit = SimulatedController(1, protocol="modbus_rtu", loops=2, cooling=True)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol=ProtocolKind.MODBUS_RTU) as ctl:
            taken = ctl.read_all()
            assert ctl.stats.exchanges < len(taken.entries) / 4
    # A text has no register.
    statuses = {each.name: each.status for each in taken.refusals}
    assert statuses["device_name"] == "configuration"
    assert {each.value for each in taken.entries if each.number == 7001} == {75.0}


def test_a_series_sd_is_read() -> None:
    with SimulatedBus([SimulatedSD(1)], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol="modbus_rtu", family="sd") as ctl:
            taken = ctl.read_all()
    assert (len(taken.entries), taken.refusals, taken.identity["family"]) == (21, (), "sd")


def test_read_all_fails_if_the_controller_stops_replying(
    bus: SimulatedBus, ctl: Controller
) -> None:
    def power_off(finished: int, total: int) -> None:
        if finished == 20:
            bus.power_off(1)

    with pytest.raises(WatlowTimeoutError):
        ctl.read_all(power_off)


def test_read_all_fails_if_the_data_map_is_uncertain() -> None:
    unit = SimulatedController(1, protocol="modbus_rtu")
    for register_map in (8001, 8002):
        unit.set(register_map, 0)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol="modbus_rtu") as ctl:
            with pytest.raises(WatlowUncertainError):
                ctl.read_all()
