"""A controller over Modbus: registers read together, layouts, addresses and faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from watlowlib import (
    ProtocolKind,
    SerialSettings,
    WatlowAbsentError,
    WatlowConfigurationError,
    WatlowManager,
    WatlowTimeoutError,
    WatlowWriteError,
    open_device,
)
from watlowlib.devices.controller import Controller
from watlowlib.devices.driver import Driver
from watlowlib.devices.maintenance import set_address, set_modbus_baudrate, set_protocol
from watlowlib.devices.poll import StopCondition
from watlowlib.errors import WatlowDeviceError, WatlowNoSuchRegisterError
from watlowlib.registry.parameters import PARAMETERS
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus, SimulatedController, SimulatedSD

MODBUS = ProtocolKind.MODBUS_RTU
LINE = SerialSettings(baudrate=115200)
TEN = ["process_value", "input_error", "setpoint", "control_mode", "control_mode_active"]
TEN += ["heat_power", "output_power", "heat_proportional_band", "time_integral", "alarm_state"]


@pytest.fixture
def unit() -> SimulatedController:
    return SimulatedController(1, protocol=MODBUS)


@pytest.fixture
def bus(unit: SimulatedController) -> Iterator[SimulatedBus]:
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        yield bus


@pytest.fixture
def ctl(bus: SimulatedBus) -> Iterator[Controller]:
    with open_device(bus.port, protocol=MODBUS, serial_settings=LINE) as ctl:
        yield ctl


def test_a_driver_without_counters_cannot_be_made() -> None:
    assert "stats" in Driver.__abstractmethods__


def test_the_calls_of_standard_bus_work_over_modbus(
    ctl: Controller, unit: SimulatedController
) -> None:
    assert ctl.read_pv().value == pytest.approx(unit.get("process_value"), abs=5)
    held = ctl.set_setpoint(80.5, confirm=True)
    assert (held.value, held.parameter, held.address) == (80.5, "setpoint", 1)
    assert unit.get("setpoint") == 80.5
    assert ctl.loop(1).read_control_mode().label == "Auto"
    assert ctl.loop(1).read_pid().heat_proportional_band == 25.0
    assert ctl.alarm(1).read().label is not None
    assert ctl.protocol is MODBUS


def test_a_value_held_already_is_not_written(ctl: Controller, unit: SimulatedController) -> None:
    ctl.set_setpoint(75.0, confirm=True)
    assert unit.register_writes == []
    assert ctl.eeprom_writes == 0
    ctl.set_setpoint(75.0, confirm=True, force=True)
    assert ctl.eeprom_writes == 1


def test_the_controllers_own_set_point_limits_are_read(
    ctl: Controller, unit: SimulatedController
) -> None:
    unit.set(7004, 200.0)
    with pytest.raises(WatlowConfigurationError, match="allowed is .* to 200"):
        ctl.set_setpoint(250.0, confirm=True)
    assert unit.register_writes == []


@pytest.mark.parametrize("parameter", ["part_number", "device_name", 1032])
def test_a_parameter_without_a_register_sends_nothing(
    ctl: Controller, parameter: str | int
) -> None:
    for read in (ctl.read_parameter, lambda name: ctl.poll([name])):
        with pytest.raises(WatlowConfigurationError, match="has no Modbus register"):
            read(parameter)
    assert ctl.stats.exchanges == 0


def test_identify_over_modbus(ctl: Controller) -> None:
    info = ctl.identify()
    assert (info.part_number, info.device_name) == (None, None)
    assert (info.hardware_id, info.serial_number, info.data_map) == (28, 200001, 1)
    assert info.configured_protocol is MODBUS


def test_ten_parameters_are_read_in_a_few_exchanges(
    ctl: Controller, unit: SimulatedController
) -> None:
    ctl.identify()
    before = ctl.stats.exchanges
    samples = ctl.poll(TEN)
    assert ctl.stats.exchanges - before <= 5
    assert [sample.parameter for sample in samples] == TEN
    assert [sample.status for sample in samples] == ["ok"] * 10
    by_name = {sample.parameter: sample.value for sample in samples}
    assert by_name["setpoint"] == 75.0
    assert by_name["control_mode"] == unit.get("control_mode")
    assert by_name["heat_proportional_band"] == 25.0


def test_a_missing_register_fails_only_its_own_parameter(
    ctl: Controller, unit: SimulatedController
) -> None:
    # One loop only: it has no instance 2 of these parameters.
    samples = ctl.poll(["process_value", "input_error", "setpoint"], instances=[1, 2])
    statuses = {(sample.parameter, sample.instance): sample.status for sample in samples}
    assert statuses == {
        ("process_value", 1): "ok",
        ("process_value", 2): "no_such_register",
        ("input_error", 1): "ok",
        ("input_error", 2): "no_such_register",
        ("setpoint", 1): "ok",
        ("setpoint", 2): "no_such_register",
    }
    with pytest.raises(WatlowNoSuchRegisterError) as caught:
        ctl.read_parameter("process_value", instance=2)
    assert caught.value.context.parameter_id == 4001
    assert caught.value.context.instance == 2


def test_after_a_missing_register_its_neighbours_are_read_together_again(ctl: Controller) -> None:
    parameters = ["process_value", "input_error"]
    for _ in range(3):
        before = ctl.stats.exchanges
        ctl.poll(parameters, instances=[1, 2])
    # 360 and 362 in one read; 440 and 442, which do not exist, one by one.
    assert ctl.stats.exchanges - before == 3


def test_each_parameter_of_a_failed_read_has_its_own_error(
    ctl: Controller, bus: SimulatedBus
) -> None:
    ctl.identify()
    bus.power_off(1)
    results = ctl.prepare(["process_value", "input_error"]).read(StopCondition(None))
    assert [error.context.parameter_id for _, error in results if error] == [4001, 4002]


# Eight values of two registers each; a refused read is halved: to 4, then 2 values.
@pytest.mark.parametrize(("limit", "reads"), [(16, 1), (15, 2), (8, 2), (7, 4), (4, 4)])
def test_the_limit_of_registers_per_read_is_learned(limit: int, reads: int) -> None:
    unit = SimulatedController(1, protocol=MODBUS, registers_per_read=limit)
    names = [1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008]
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol=MODBUS, serial_settings=LINE) as ctl:
            ctl.identify()
            counts = []
            for _ in range(6):
                before = ctl.stats.exchanges
                samples = ctl.poll(names)
                assert [s.value for s in samples] == [unit.get(n) for n in names]
                counts.append(ctl.stats.exchanges - before)
    assert counts[-1] == reads


def test_gaps_between_registers_are_learned(ctl: Controller) -> None:
    # In Watlow's list the parameters of the analog input are two registers apart from 360 to
    # 420, without 384, 396, 404 to 408 and 412: five runs of adjacent registers.
    parameters = [
        spec.number for spec in PARAMETERS if spec.class_id == 4 and 4001 <= spec.number < 4032
    ]
    counts = []
    for _ in range(4):
        before = ctl.stats.exchanges
        assert {sample.status for sample in ctl.poll(parameters)} == {"ok"}
        counts.append(ctl.stats.exchanges - before)
    assert counts[-1] == 5


def test_a_float_without_a_value_fails_only_its_own_parameter(
    ctl: Controller, unit: SimulatedController
) -> None:
    unit.set("heat_proportional_band", float("inf"))
    by_name = {s.parameter: s.status for s in ctl.poll(TEN)}
    assert by_name.pop("heat_proportional_band") == "absent"
    assert set(by_name.values()) == {"ok"}
    with pytest.raises(WatlowAbsentError):
        ctl.read_parameter("heat_proportional_band")


def test_a_line_failure_is_the_status_of_every_parameter_of_the_read(
    ctl: Controller, bus: SimulatedBus
) -> None:
    ctl.identify()
    bus.faults.next_are(Fault.CORRUPT, Fault.CORRUPT)
    samples = ctl.poll(["process_value", "input_error"])
    assert {s.status for s in samples} == {"crc"}
    assert [s.parameter for s in samples] == ["process_value", "input_error"]
    assert {s.status for s in ctl.poll(["process_value", "input_error"])} == {"ok"}


def test_a_device_failure_is_raised_with_its_exception_code(
    ctl: Controller, unit: SimulatedController
) -> None:
    ctl.identify()
    unit.modbus.failing = True
    with pytest.raises(WatlowDeviceError) as caught:
        ctl.read_pv()
    assert (caught.value.code, caught.value.status) == (4, "device_failure")


def test_two_thousand_exchanges_with_faults_return_no_wrong_value() -> None:
    # Each parameter of each unit holds a number that occurs nowhere else.
    names = ["alarm_high_setpoint", "heat_proportional_band", "setpoint", "time_integral"]
    rates = dict.fromkeys(
        (Fault.DROP, Fault.LATE, Fault.CORRUPT, Fault.DUPLICATE, Fault.TRUNCATE), 0.006
    ) | dict.fromkeys((Fault.ECHO, Fault.NOISE, Fault.FOREIGN), 0.007)
    faults = FaultPlan(rates, seed=11, late_s=0.03)
    units = [SimulatedController(n, protocol=MODBUS) for n in (1, 2, 3)]
    expected: dict[tuple[int, str], float] = {}
    for unit in units:
        for index, name in enumerate(names):
            value = 100.0 * unit.address + 10 * index + 0.5
            unit.set(name, value)
            expected[unit.address, name] = value
    wrong, right, failed = [], 0, 0
    with SimulatedBus(units, baudrate=None, turnaround_s=0.0, faults=faults) as bus:
        fleet = [
            open_device(
                bus.port,
                protocol=MODBUS,
                serial_settings=LINE,
                address=unit.address,
                timeout_s=0.025,
                data_map=1,
                word_order="low_high",
            )
            for unit in units
        ]
        while fleet[0].port_stats.exchanges < 2000:
            for ctl in fleet:
                for sample in ctl.poll(names):
                    if sample.value is None:
                        failed += 1
                    elif sample.value == expected[ctl.address, sample.parameter]:
                        right += 1
                    else:
                        wrong.append(sample)
        for ctl in fleet:
            ctl.close()
    assert wrong == []
    assert right > 20 * failed
    assert sum(faults.happened.values()) > 50


def test_the_controller_object_follows_a_new_address(
    ctl: Controller, unit: SimulatedController
) -> None:
    set_address(ctl, 147, confirm=True)
    assert (ctl.address, unit.get("modbus_address")) == (147, 147)
    assert ctl.read_setpoint().value == 75.0
    with pytest.raises(WatlowConfigurationError, match="1 to 247"):
        set_address(ctl, 248, confirm=True)
    for name, value in (("modbus_address", 1), ("modbus_parity", "Even"), ("protocol", 1286)):
        with pytest.raises(WatlowConfigurationError, match="end the communication"):
            ctl.write_parameter(name, value, confirm=True)
    with pytest.raises(WatlowConfigurationError, match="end the communication"):
        set_modbus_baudrate(ctl, 19200, confirm=True)


def test_the_protocol_is_changed_in_both_directions(
    bus: SimulatedBus, unit: SimulatedController
) -> None:
    with open_device(
        bus.port, protocol=MODBUS, serial_settings=LINE, timeout_s=0.25, retries=0
    ) as ctl:
        set_protocol(ctl, ProtocolKind.STDBUS, confirm=True)
    with open_device(bus.port) as ctl:
        assert ctl.read_setpoint().value == 75.0
        set_protocol(ctl, MODBUS, confirm=True)
    with open_device(bus.port, protocol=MODBUS, serial_settings=LINE) as ctl:
        assert ctl.read_setpoint().value == 75.0


def test_a_second_protocol_on_a_port_is_refused(bus: SimulatedBus) -> None:
    with WatlowManager() as mgr:
        mgr.add("one", bus.port, protocol=MODBUS)
        with pytest.raises(WatlowConfigurationError, match="already open with protocol"):
            mgr.add("two", bus.port, address=2)
        assert mgr.names == ("one",)


def test_both_families_share_a_port_in_a_fleet() -> None:
    units = [SimulatedController(1, protocol=MODBUS), SimulatedSD(200, setpoint=60.0)]
    with SimulatedBus(units, baudrate=None, turnaround_s=0.0) as bus, WatlowManager() as mgr:
        mgr.add("pm", bus.port, protocol=MODBUS)
        mgr.add("sd", bus.port, protocol=MODBUS, address=200, family="sd")  # type: ignore[arg-type]
        results = mgr.poll(["process_value", "setpoint"])
        values = {name: result.value[1].value for name, result in results.items() if result.value}
        assert values == {"pm": 75.0, "sd": 60.0}
        with pytest.raises(WatlowConfigurationError, match="heat_proportional_band"):
            mgr.poll(["heat_proportional_band"])


def test_a_write_stored_with_another_value_is_an_error(
    ctl: Controller, unit: SimulatedController
) -> None:
    ctl.identify()
    store = unit.write_wire_value
    unit.write_wire_value = lambda spec, instance, value: store(spec, instance, 76.0)  # type: ignore[method-assign]
    with pytest.raises(WatlowWriteError):
        ctl.set_setpoint(80.0, confirm=True)


def test_the_layout_is_discovered_again_after_a_timeout() -> None:
    # A controller is replaced by another one while the program runs.
    old = SimulatedController(1, protocol=MODBUS)
    new = SimulatedController(2, protocol=MODBUS, data_map=2, word_order="high_low", setpoint=99.0)
    with SimulatedBus([old, new], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol=MODBUS, serial_settings=LINE, timeout_s=0.3) as ctl:
            assert ctl.read_setpoint().value == 75.0
            bus.power_off(1)
            with pytest.raises(WatlowTimeoutError):
                ctl.read_pv()
            new.set(17007, 1)
            assert ctl.poll(["setpoint"])[0].value == 99.0
            ctl.set_setpoint(80.0, confirm=True)
            new.set(17007, 2)
            with pytest.raises(WatlowTimeoutError):
                ctl.set_setpoint(81.0, confirm=True, force=True)
            new.set(17007, 1)
            assert ctl.identify().data_map == 2
    # 7001 is at 2640 in map 2.
    assert {write.register for write in new.register_writes} == {2640}
    assert old.register_writes == []


def test_an_offline_controller_costs_few_timeouts_per_poll(bus: SimulatedBus) -> None:
    settings = {"protocol": MODBUS, "serial_settings": LINE, "timeout_s": 0.3, "retries": 0}
    with open_device(bus.port, **settings) as ctl:  # type: ignore[arg-type]
        bus.power_off(1)
        # The discovery of the layout fails once for all parameters.
        assert {each.status for each in ctl.poll(TEN)} == {"timeout"}
        assert ctl.stats.timeouts == 1
        bus.power_on(1)
        assert {each.status for each in ctl.poll(TEN)} == {"ok"}
        bus.power_off(1)
        # The first block, then the discovery of the layout.
        before = ctl.stats.timeouts
        assert {each.status for each in ctl.poll(TEN)} == {"timeout"}
        assert ctl.stats.timeouts - before == 2
