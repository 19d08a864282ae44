"""`Controller`: readings, writes, polls and what is refused before anything is sent."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from watlowlib._internal.clock import Deadline
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import (
    WatlowAbsentError,
    WatlowAccessDeniedError,
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowError,
    WatlowNoSuchInstanceError,
    WatlowTimeoutError,
    WatlowUnknownParameterError,
)
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import ProtocolKind, Unit
from watlowlib.registry.parameters import PARAMETERS
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus, SimulatedController, Write
from watlowlib.streaming.recorder import record


def test_a_reading_has_every_field(bus: SimulatedBus, ctl: Controller) -> None:
    reading = ctl.read_pv()
    assert (reading.parameter, reading.parameter_id, reading.instance) == ("process_value", 4001, 1)
    assert reading.address == 1
    assert reading.value == pytest.approx(72.0, abs=1.0)
    assert reading.unit is None
    assert reading.raw.startswith(b"\x55\xff\x06\x00\x10")
    assert reading.received_at - reading.requested_at == timedelta(seconds=reading.latency_s)
    assert reading.requested_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("temperature_unit", "text"),
    [("F", "75 °F"), ("C", "75 °C"), (Unit.CELSIUS, "75 °C"), (None, "75")],
)
def test_a_temperature_has_a_unit_only_where_it_was_declared(
    bus: SimulatedBus, temperature_unit: str | None, text: str
) -> None:
    with open_device(bus.port, temperature_unit=temperature_unit) as ctl:
        assert str(ctl.read_setpoint()) == f"{text} (setpoint, instance 1)"
        assert ctl.read_parameter("heat_power").unit is Unit.PERCENT
        assert ctl.read_parameter("time_integral").unit is Unit.SECOND
        assert ctl.read_parameter("heat_algorithm").unit is None


def test_each_data_type_is_read_as_its_python_type(ctl: Controller) -> None:
    read = {name: ctl.read_parameter(name).value for name in (1001, 1009, 7001, 8003, 17001)}
    assert read == {1001: 28, 1009: "PM3R1CA-AAAAAAA", 7001: 75.0, 8003: 71, 17001: 1}
    assert [type(value) for value in read.values()] == [int, str, float, int, int]


def test_each_address_is_a_separate_controller(bus: SimulatedBus) -> None:
    bus.controllers[2].set("setpoint", 222.0)
    with open_device(bus.port, address=1) as one, open_device(bus.port, address=2) as two:
        assert (one.read_setpoint().value, two.read_setpoint().value) == (75.0, 222.0)


def test_a_set_point_is_written_and_stored(bus: SimulatedBus, ctl: Controller) -> None:
    held = ctl.set_setpoint(151.5, confirm=True)
    assert (held.value, held.parameter) == (151.5, "setpoint")
    assert bus.controllers[1].writes == [Write(7001, 1, 151.5)]
    assert ctl.read_setpoint().value == 151.5


@pytest.mark.parametrize("mode", [62, 62.0, "Off", " off "])
def test_an_enumeration_is_written_by_code_or_label(ctl: Controller, mode: str) -> None:
    written = ctl.write_parameter("control_mode", mode, confirm=True)
    assert (written.value, written.label) == (62, "Off")
    assert ctl.read_parameter("control_mode_active").label == "Off"


def test_a_write_without_confirm_sends_nothing(bus: SimulatedBus, ctl: Controller) -> None:
    with pytest.raises(WatlowConfirmationError, match=r"writing 80.0 to setpoint .*confirm=True"):
        ctl.set_setpoint(80.0)
    assert ctl.stats.exchanges == 0


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("setpoint", math.nan, "give a number"),
        ("setpoint", math.inf, "give a number"),
        ("setpoint", "75", "give a number"),
        ("setpoint", None, "give a number"),
        ("setpoint", True, "give a number"),
        ("setpoint", 10_000.0, "allowed is -1999 to 9999"),
        ("setpoint", -2000, "allowed is -1999 to 9999"),
        ("control_mode", 63, r"allowed are 62 \(Off\), 10 \(Auto\)"),
        ("control_mode", 10.5, r"allowed are 62 \(Off\)"),
        ("control_mode", "Automatic", r"allowed are 62 \(Off\)"),
        ("control_mode", True, r"allowed are 62 \(Off\)"),
        ("display_read_lock", 2.5, "give a whole number"),
        ("digital_output_function_instance", 256, "does not fit its type 'u8'|allowed is"),
        ("device_name", "oven", "type 'string' is not supported"),
        ("assembly_pointer_1", 360, "type 'u16x2' is not supported"),
        ("process_value", 20.0, "is read-only"),
        ("part_number", "PM6", "is read-only"),
        ("standard_bus_address", 5, "communication setting"),
    ],
)
def test_an_invalid_value_sends_nothing(
    ctl: Controller, parameter: str, value: float, message: str
) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        ctl.write_parameter(parameter, value, confirm=True)
    assert ctl.stats.exchanges == 0


def test_an_unknown_name_sends_nothing(ctl: Controller) -> None:
    with pytest.raises(WatlowUnknownParameterError, match="did you mean 'process_value'"):
        ctl.read_parameter("proces_value")
    with pytest.raises(WatlowUnknownParameterError):
        ctl.write_parameter("setpiont", 5, confirm=True)
    assert ctl.stats.exchanges == 0


@pytest.mark.parametrize("instance", [0, 3, -1, 1.0, "1", True])
def test_an_invalid_instance_sends_nothing(ctl: Controller, instance: int) -> None:
    with pytest.raises(WatlowConfigurationError, match="has instances 1 to 2"):
        ctl.read_pv(instance=instance)
    with pytest.raises(WatlowConfigurationError, match="has instances 1 to 2"):
        ctl.set_setpoint(5, instance=instance, confirm=True)
    assert ctl.stats.exchanges == 0


def test_an_instance_that_the_unit_lacks_is_an_error_with_context(ctl: Controller) -> None:
    with pytest.raises(WatlowNoSuchInstanceError) as caught:
        ctl.read_setpoint(instance=2)
    context = caught.value.context
    assert (context.parameter, context.parameter_id, context.instance) == ("setpoint", 7001, 2)
    assert (context.address, context.port) == (1, ctl.port)


def test_a_second_loop_is_read_and_written() -> None:
    two_loops = SimulatedController(1, loops=2)
    with SimulatedBus([two_loops], baudrate=None) as bus, open_device(bus.port) as ctl:
        ctl.set_setpoint(300.0, instance=2, confirm=True)
        assert [ctl.read_setpoint(instance=n).value for n in (1, 2)] == [75.0, 300.0]


def test_a_write_that_the_controller_refuses_is_an_error(
    ctl: Controller, unit: SimulatedController
) -> None:
    # The controller may have narrower limits than the table; then it refuses the write.
    spec = PARAMETERS.resolve("alarm_high_setpoint")
    unit._specs[9001] = replace(spec, limits_f=(0.0, 200.0))
    with pytest.raises(WatlowAccessDeniedError, match=r"error 80.*alarm_high_setpoint 9001"):
        ctl.write_parameter("alarm_high_setpoint", 201.0, confirm=True)
    assert ctl.read_parameter("alarm_high_setpoint").value == 300.0


def test_a_poll_returns_one_sample_per_read_in_order(ctl: Controller) -> None:
    samples = ctl.poll(["setpoint", "pv", 7001], instances=[1])
    assert [sample.parameter for sample in samples] == ["setpoint", "process_value"]
    first = samples[0]
    assert (first.device, first.address, first.protocol) == (ctl.name, 1, ProtocolKind.STDBUS)
    assert (first.value, first.status) == (75.0, "ok")
    assert first.midpoint_at == first.requested_at + timedelta(seconds=first.latency_s / 2)
    assert first.raw is not None


def test_a_failed_read_is_a_sample_without_a_value(bus: SimulatedBus, ctl: Controller) -> None:
    samples = ctl.poll(["setpoint", "alarm_high_setpoint"], instances=[1, 2])
    assert [(each.instance, each.status) for each in samples] == [
        (1, "ok"),
        (2, "no_such_instance"),
        (1, "ok"),
        (2, "no_such_instance"),
    ]
    assert [each.value for each in samples] == [75.0, None, 300.0, None]
    assert samples[1].raw is None


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.DROP, "timeout"), (Fault.TRUNCATE, "timeout"), (Fault.FOREIGN, "timeout")],
)
def test_a_missing_reply_gives_the_status_timeout(
    bus: SimulatedBus, ctl: Controller, fault: Fault, status: str
) -> None:
    bus.faults.next_are(fault, fault)
    (sample,) = ctl.poll("pv")
    assert (sample.value, sample.status) == (None, status)
    assert sample.latency_s >= 0.2


@pytest.mark.parametrize("bits", [float("nan"), float("inf"), -431602080.0])
def test_a_float_without_a_value_is_absent(bus: SimulatedBus, ctl: Controller, bits: float) -> None:
    bus.controllers[1].set("alarm_high_setpoint", bits)
    with pytest.raises(WatlowAbsentError, match="alarm_high_setpoint .9001. holds no value"):
        ctl.read_parameter("alarm_high_setpoint")
    (sample,) = ctl.poll("alarm_high_setpoint")
    assert (sample.value, sample.status) == (None, "absent")


def test_the_reading_of_an_enumeration_has_a_label(ctl: Controller) -> None:
    reading = ctl.read_parameter("heat_algorithm")
    assert (reading.value, reading.label) == (71, "PID")
    assert str(reading) == "PID (71) (heat_algorithm, instance 1)"
    assert ctl.read_setpoint().label is None


def test_instances_may_be_a_generator_or_a_number(ctl: Controller) -> None:
    generator = (instance for instance in [1, 2])
    samples = ctl.poll(["setpoint", "heat_power"], instances=generator)
    assert [(each.parameter, each.instance) for each in samples] == [
        ("setpoint", 1),
        ("setpoint", 2),
        ("heat_power", 1),
        ("heat_power", 2),
    ]
    assert [each.instance for each in ctl.poll(4001, instances=2)] == [2]


def test_after_a_stop_a_failing_poll_is_broken_off(bus: SimulatedBus, ctl: Controller) -> None:
    bus.power_off(1)
    stop = threading.Event()
    stop.set()
    samples = ctl.prepare(["pv", "setpoint", "heat_power"])(stop)
    assert [sample.status for sample in samples] == ["timeout", "stopped", "stopped"]


def test_after_a_stop_a_healthy_poll_is_completed(ctl: Controller) -> None:
    stop = threading.Event()
    stop.set()
    assert [each.status for each in ctl.prepare(["pv", "setpoint"])(stop)] == ["ok", "ok"]


@pytest.mark.parametrize("parameters", [[], (), ["pv", "nonsense"], None, [None], [["pv"]]])
def test_an_invalid_poll_sends_nothing(ctl: Controller, parameters: list[str]) -> None:
    with pytest.raises(WatlowConfigurationError):
        ctl.poll(parameters)
    assert ctl.stats.exchanges == 0


def test_a_timeout_is_raised_after_the_retry(bus: SimulatedBus, ctl: Controller) -> None:
    bus.power_off(1)
    with pytest.raises(WatlowTimeoutError, match="is the controller on, at this address"):
        ctl.read_pv()
    assert ctl.stats.timeouts == 2
    bus.power_on(1)
    assert ctl.read_setpoint().value == 75.0


def test_a_closed_controller_refuses_every_use(bus: SimulatedBus) -> None:
    ctl = open_device(bus.port)
    ctl.close()
    with pytest.raises(WatlowClosedError, match="open it again"):
        ctl.read_pv()
    assert repr(ctl) == f"<Controller '{ctl.name}' on {bus.port} address 1, closed>"
    with pytest.raises(WatlowClosedError, match="open it again"):
        record(ctl, parameters="pv", rate_hz=1.0)
    with WatlowManager() as mgr, pytest.raises(WatlowClosedError, match="open it again"):
        mgr.add("oven", ctl)


def test_a_lost_port_is_reported_and_reopened_when_it_is_back() -> None:
    with SimulatedBus([1], faults=FaultPlan(), transport="tcp") as bus:
        with open_device(bus.port) as ctl:
            assert ctl.read_setpoint().value == 75.0
            bus.unplug()
            assert [ctl.poll("pv")[0].status for _ in range(2)] == ["disconnected"] * 2
            bus.replug()
            deadline = Deadline.after(10.0)
            while ctl.poll("setpoint")[0].status == "disconnected":
                assert not deadline.passed()
            assert ctl.read_setpoint().value == 75.0
            assert ctl.port_stats.reconnects == 1


def test_dir_lists_exactly_the_public_names(ctl: Controller) -> None:
    assert {name for name in dir(ctl) if not name.startswith("_")} == {
        *("address", "closed", "eeprom_writes", "family", "name", "persistent_writes", "port"),
        *("port_stats", "protocol", "registry", "session", "stats", "temperature_unit"),
        *("read_parameter", "write_parameter", "check_write", "set_persistent_writes"),
        *("read", "read_all"),
        *("read_pv", "read_setpoint", "set_setpoint", "loop", "alarm", "identify"),
        *("accept_replacement", "wait_until", "ramp_to", "poll", "prepare", "assembly", "close"),
    }


def test_a_closed_controller_sends_nothing_on_a_port_that_stays_open(
    bus: SimulatedBus, unit: SimulatedController
) -> None:
    ctl = open_device(bus.port, address=1)
    poll = ctl.prepare("setpoint")
    with open_device(bus.port, address=2) as other:
        ctl.close()
        with pytest.raises(WatlowClosedError):
            ctl.write_parameter("alarm_silence_request", "Silence")
        with pytest.raises(WatlowClosedError):
            ctl.session.replies_at(3)
        assert [sample.status for sample in poll()] == ["closed"]
        assert (unit.writes, other.port_stats.exchanges) == ([], 0)


def test_errors_of_reads_together_name_the_parameter(bus: SimulatedBus, ctl: Controller) -> None:
    def error_context() -> tuple[str | None, int | None]:
        (result,) = next(ctl.session.read_each(targets)).values()
        assert isinstance(result, WatlowError)
        return result.context.parameter, result.context.address

    targets = ctl.session.targets("setpoint", 1)
    bus.power_off(1)
    assert error_context() == ("setpoint", 1)
    ctl.close()
    assert error_context() == ("setpoint", 1)


def test_a_poll_of_an_absent_cool_side_reads_only_the_part_number_once(ctl: Controller) -> None:
    for _ in range(3):
        assert [sample.status for sample in ctl.poll(["cool_power"])] == ["absent"]
        assert ctl.stats.exchanges == 1
