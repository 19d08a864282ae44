"""What is built on reading and writing: identity, loops, alarms, habits, maintenance."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from watlowlib._internal.clock import ManualClock
from watlowlib.devices import maintenance
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.devices.procedures import ramp_to, wait_until
from watlowlib.errors import (
    WatlowAbsentError,
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowConnectionError,
    WatlowTimeoutError,
    WatlowWriteError,
)
from watlowlib.model import ControllerFamily, PidGains, ProtocolKind, Reading
from watlowlib.protocol.exchange import WriteOptions
from watlowlib.registry.parameters import ParameterSpec
from watlowlib.simulator import Fault, SimulatedBus, SimulatedController


class Hurrying(ManualClock):
    """A clock on which whoever waits has waited already."""

    def wait_until(self, due_ns: int, stop: threading.Event) -> bool:
        self.advance(max(0, due_ns - self.now_ns()) / 1e9)
        return stop.is_set()


@pytest.fixture
def clock() -> Hurrying:
    return Hurrying()


@pytest.fixture
def unit() -> SimulatedController:
    return SimulatedController(1)


@pytest.fixture
def bus(unit: SimulatedController, clock: Hurrying) -> Iterator[SimulatedBus]:
    others = [2, SimulatedController(3, loops=2, cooling=True)]
    line = SimulatedBus([unit, *others], baudrate=None, turnaround_s=0.0, clock=clock)
    with line as running:
        yield running


@pytest.fixture
def two(bus: SimulatedBus) -> Iterator[Controller]:
    """The unit with two loops and a cooling output."""
    with open_device(bus.port, address=3) as opened:
        yield opened


def test_a_controller_says_who_it_is(ctl: Controller) -> None:
    info = ctl.identify()
    assert info.part_number is not None
    assert (info.part_number.text, info.family) == ("PM3R1CA-AAAAAAA", ControllerFamily.PM)
    assert (info.loops, info.hardware_id, info.software_revision) == (1, 28, 10)
    assert (info.serial_number, info.device_name) == (200001, "EZ-ZONE PM")
    assert info.configured_protocol is info.protocol is ProtocolKind.STDBUS


def test_what_it_does_not_answer_stays_unknown(bus: SimulatedBus, ctl: Controller) -> None:
    # Of ten questions the second, the hardware ID, is not answered, nor when asked again.
    bus.faults.next_are(None, Fault.DROP, Fault.DROP)
    info = ctl.identify()
    assert info.hardware_id is None
    assert info.serial_number == 200001
    assert info.firmware_id == 1


def test_nobody_there_is_an_error(bus: SimulatedBus, ctl: Controller) -> None:
    bus.power_off(1)
    with pytest.raises(WatlowTimeoutError):
        ctl.identify()


def test_a_lost_port_is_no_controller_that_answers_nothing(bus: SimulatedBus) -> None:
    with SimulatedBus([1], transport="tcp") as line, open_device(line.port) as ctl:
        assert ctl.session.part_number() is not None
        line.unplug()
        with pytest.raises(WatlowConnectionError):
            ctl.identify()


def test_loops_are_what_the_unit_has(ctl: Controller, two: Controller) -> None:
    with pytest.raises(WatlowConfigurationError, match="PM3R1CA-AAAAAAA this unit has 1"):
        ctl.loop(2)
    two.loop(2).set_setpoint(222.0, confirm=True)
    assert [two.loop(n).read_setpoint().value for n in (1, 2)] == [75.0, 222.0]
    assert two.loop(2).read_pv().instance == 2
    for wrong in (0, 3, "2"):
        with pytest.raises(WatlowConfigurationError, match="loop="):
            two.loop(wrong)  # type: ignore[arg-type]


def test_gains_are_read_and_written_as_one(two: Controller) -> None:
    loop = two.loop(1)
    assert loop.read_pid() == PidGains(25.0, 25.0, 180.0, 0.0, 0.0)
    held = loop.write_pid(PidGains(time_integral=120.0, heat_proportional_band=30.0), confirm=True)
    assert held == PidGains(30.0, 25.0, 120.0, 0.0, 0.0)


def test_nothing_is_half_done_when_a_later_gain_is_invalid(
    bus: SimulatedBus, two: Controller
) -> None:
    for wrong in (PidGains(30.0, None, 1e6), PidGains(30.0, None, float("nan")), PidGains()):
        with pytest.raises(WatlowConfigurationError):
            two.loop(1).write_pid(wrong, confirm=True)
    with pytest.raises(WatlowConfirmationError):
        two.loop(1).write_pid(PidGains(30.0))
    for nothing in (PidGains(), {"time_integral": 120.0}):
        with pytest.raises(WatlowConfigurationError, match="give at least one field: PidGains"):
            two.loop(1).write_pid(nothing, confirm=True)  # type: ignore[arg-type]
    assert bus.controllers[3].writes == []


def test_without_cooling_the_cool_side_is_absent(ctl: Controller) -> None:
    assert ctl.loop(1).read_pid() == PidGains(25.0, None, 180.0, 0.0, 0.0)
    with pytest.raises(WatlowAbsentError, match="no cooling output"):
        ctl.read_parameter("cool_power")
    assert [each.status for each in ctl.poll(["heat_power", "cool_power"])] == ["ok", "absent"]


def test_the_bits_say_so_where_the_part_number_does_not(
    bus: SimulatedBus, unit: SimulatedController, ctl: Controller
) -> None:
    unit.set("part_number", "")
    with pytest.raises(WatlowAbsentError, match="holds no value"):
        ctl.read_parameter("cool_power")


def test_mode_and_power(clock: Hurrying, ctl: Controller) -> None:
    loop = ctl.loop(1)
    assert loop.read_control_mode().label == "Auto"
    clock.advance(1.0)
    assert loop.read_output_power().value > 0  # type: ignore[operator]
    loop.set_control_mode("off", confirm=True)
    clock.advance(1.0)
    assert (loop.read_control_mode().label, loop.read_output_power().value) == ("Off", 0.0)


def test_autotune_runs_through_its_states(clock: Hurrying, ctl: Controller) -> None:
    loop = ctl.loop(1)
    assert loop.read_autotune_status().label == "Off"
    with pytest.raises(WatlowConfirmationError):
        loop.start_autotune()
    loop.start_autotune(confirm=True)
    seen = []
    for _ in range(60):
        seen.append(loop.read_autotune_status().label)
        clock.advance(1.0)
    states = list(dict.fromkeys(seen))
    assert states[0] == "Waiting for Cross 1 Positive"
    assert states[-3:] == ["Measuring MIN PEAK", "Calculating", "Complete"]
    assert len(states) == 9
    assert loop.read_pid().time_integral == 60.0
    loop.start_autotune(confirm=True)
    loop.stop_autotune()
    assert loop.read_autotune_status().label == "Off"


def test_an_alarm_trips_latches_is_silenced_and_cleared(
    unit: SimulatedController, clock: Hurrying, ctl: Controller
) -> None:
    alarm = ctl.alarm(1)
    assert not alarm.read().active
    ctl.write_parameter("alarm_type", "Process Alarm", confirm=True)
    ctl.write_parameter("alarm_latching", "Latching", confirm=True)
    ctl.write_parameter("alarm_high_setpoint", 60.0, confirm=True)
    clock.advance(1.0)
    state = alarm.read()
    assert (state.label, state.active, state.latched) == ("Alarm high", True, True)
    assert (state.silenced, state.clearable) == (False, False)
    assert alarm.silence().silenced
    assert alarm.clear().active  # its cause lasts
    ctl.write_parameter("alarm_high_setpoint", 300.0, confirm=True)
    assert (alarm.read().label, alarm.read().clearable) == ("Alarm high", True)
    assert (alarm.clear().label, alarm.read().latched) == ("None", False)


def test_a_broken_sensor_is_an_alarm_and_reads_as_the_captured_one(
    unit: SimulatedController, ctl: Controller
) -> None:
    ctl.write_parameter("alarm_type", "Process Alarm", confirm=True)
    unit.open_sensor()
    assert ctl.read_pv().value == pytest.approx(2531.8, abs=0.01)
    assert ctl.read_parameter("input_error").label == "Open"
    assert ctl.alarm(1).read().label == "Error"
    unit.close_sensor()
    assert ctl.read_pv().value == pytest.approx(72.0, abs=2.0)
    with pytest.raises(WatlowConfigurationError, match="alarm_state has instances 1 to 4"):
        ctl.alarm(5)


def test_waiting_until_it_has_settled(clock: Hurrying, ctl: Controller) -> None:
    ctl.set_setpoint(150.0, confirm=True)
    began_s = clock.now_ns() / 1e9
    reading = wait_until(ctl.session, 150.0, 1.0, 3600.0, clock=clock)
    assert reading.value == pytest.approx(150.0, abs=1.0)
    assert 20.0 < clock.now_ns() / 1e9 - began_s < 3600.0


def test_waiting_has_an_end(clock: Hurrying, ctl: Controller) -> None:
    with pytest.raises(WatlowTimeoutError, match="process_value is 7.* after 5 s"):
        wait_until(ctl.session, 150.0, 1.0, 5.0, clock=clock)
    for wrong in ({"tolerance": 0.0}, {"timeout": -1.0}):
        with pytest.raises(WatlowConfigurationError, match="above 0"):
            wait_until(
                ctl.session, 150.0, **{"tolerance": 1.0, "timeout": 5.0, **wrong}, clock=clock
            )


def test_a_ramp_is_the_controllers_own_and_is_put_back(
    unit: SimulatedController, clock: Hurrying, ctl: Controller
) -> None:
    ctl.write_parameter("ramp_rate", 7.0, confirm=True)
    began_s, writes = clock.now_ns() / 1e9, len(unit.writes)
    ramp_to(ctl.session, 135.0, 30.0, confirm=True, clock=clock)
    # 60 degrees at 30 a minute are two minutes.
    assert clock.now_ns() / 1e9 - began_s == pytest.approx(120.0, abs=3.0)
    assert ctl.read_setpoint().value == 135.0
    settings = [unit.get(name) for name in ("ramp_action", "ramp_rate", "ramp_scale")]
    assert settings == [62, 7.0, 57]
    assert len(unit.writes) - writes <= 6


def test_a_ramp_that_is_interrupted_stays_where_it_is(
    unit: SimulatedController, clock: Hurrying, ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(due_ns: int, stop: threading.Event) -> bool:
        clock.advance(1.0)
        if clock.now_ns() / 1e9 > 60.0:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(clock, "wait_until", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ramp_to(ctl.session, 135.0, 30.0, confirm=True, clock=clock)
    assert unit.get("ramp_action") == 62
    # A minute has gone by: half the way, and not on to the end.
    assert unit.get("setpoint") == pytest.approx(105.0, abs=2.0)
    assert unit.get("setpoint_active") == pytest.approx(105.0, abs=2.0)


def test_a_ramp_whose_end_cannot_be_held_ramps_on(
    bus: SimulatedBus,
    unit: SimulatedController,
    clock: Hurrying,
    ctl: Controller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(due_ns: int, stop: threading.Event) -> bool:
        clock.advance(10.0)
        bus.power_off(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(clock, "wait_until", interrupted)
    with pytest.raises(WatlowTimeoutError):
        ramp_to(ctl.session, 135.0, 30.0, confirm=True, clock=clock)
    # Nobody could tell it to stay: then it must not leap, but go on as slowly as it was told.
    assert (unit.get("ramp_action"), unit.get("ramp_rate")) == (85, 30.0)
    assert unit.get("setpoint_active") == pytest.approx(80.0, abs=1.0)


def test_a_setting_that_cannot_be_put_back_is_named_and_the_others_are(
    unit: SimulatedController, clock: Hurrying, ctl: Controller
) -> None:
    ctl.write_parameter("ramp_rate", 7.0, confirm=True)
    write = ctl.session.write

    def failing(spec: ParameterSpec, instance: int, value: float, options: WriteOptions) -> Reading:
        if spec.name == "ramp_action" and value == 62:
            raise WatlowTimeoutError("no reply")
        return write(spec, instance, value, options)

    ctl.session.write = failing  # type: ignore[method-assign]
    with pytest.raises(WatlowWriteError, match="set them by hand: {'ramp_action': 62}"):
        ramp_to(ctl.session, 80.0, 600.0, confirm=True, clock=clock)
    assert unit.get("ramp_rate") == 7.0


def test_a_ramp_beyond_the_controllers_own_limits_changes_nothing(
    unit: SimulatedController, ctl: Controller
) -> None:
    unit.set("setpoint_maximum", 200.0)
    with pytest.raises(WatlowConfigurationError, match="own limits"):
        ctl.ramp_to(300.0, 10.0, confirm=True)
    assert unit.writes == []


@pytest.mark.parametrize("wrong", [("80", 10.0), (80.0, "10"), (float("nan"), 10.0), (80.0, None)])
def test_a_ramp_of_no_numbers(ctl: Controller, wrong: tuple[float, float]) -> None:
    with pytest.raises(WatlowConfigurationError):
        ctl.ramp_to(*wrong, confirm=True)
    with pytest.raises(WatlowConfigurationError):
        ctl.wait_until(wrong[0], 1.0, wrong[1])
    assert ctl.stats.exchanges == 0


def test_cool_gains_are_refused_without_cooling(unit: SimulatedController, ctl: Controller) -> None:
    gains = PidGains(heat_proportional_band=30.0, cool_proportional_band=33.0)
    with pytest.raises(WatlowAbsentError, match="no cooling output"):
        ctl.loop(1).write_pid(gains, confirm=True)
    assert unit.writes == []


def test_gains_that_are_cut_short_say_what_they_were(
    bus: SimulatedBus, unit: SimulatedController, two: Controller
) -> None:
    set_ = bus.controllers[3].set

    def dying(parameter: int, value: float, instance: int = 1) -> None:
        set_(parameter, value, instance)
        bus.power_off(3)

    bus.controllers[3].set = dying  # type: ignore[method-assign, assignment]
    with pytest.raises(WatlowTimeoutError, match="the previous gains were PidGains.*25.0"):
        two.loop(1).write_pid(PidGains(30.0, None, 120.0), confirm=True)


def test_what_a_unit_can_is_said_as_far_as_it_is_known(ctl: Controller, two: Controller) -> None:
    assert ctl.identify().capabilities == {
        "second_loop": False,
        "cooling": False,
        "profiles": True,
        "modbus_rtu": False,
    }
    assert two.identify().capabilities == {
        "second_loop": True,
        "cooling": None,
        "profiles": False,
        "modbus_rtu": False,
    }


def test_a_ramp_that_cannot_be_changes_nothing(unit: SimulatedController, ctl: Controller) -> None:
    with pytest.raises(WatlowConfigurationError):
        ctl.ramp_to(135.0, 0.0, confirm=True)
    with pytest.raises(WatlowConfigurationError):
        ctl.ramp_to(1e6, 10.0, confirm=True)
    with pytest.raises(WatlowConfirmationError):
        ctl.ramp_to(135.0, 10.0)
    assert unit.writes == []


def test_a_new_address_is_followed(unit: SimulatedController, ctl: Controller) -> None:
    maintenance.set_address(ctl, 7, confirm=True)
    assert (ctl.address, unit.address) == (7, 7)
    assert ctl.read_setpoint().value == 75.0


def test_an_address_that_is_taken_is_refused(
    bus: SimulatedBus, unit: SimulatedController, ctl: Controller
) -> None:
    with pytest.raises(WatlowConfigurationError, match="address=2: another controller replies"):
        maintenance.set_address(ctl, 2, confirm=True)
    with pytest.raises(WatlowConfirmationError):
        maintenance.set_address(ctl, 7)
    with pytest.raises(WatlowConfigurationError, match="from 1 to 16"):
        maintenance.set_address(ctl, 17, confirm=True)
    assert (ctl.address, unit.address) == (1, 1)


def test_an_address_where_something_is_heard_is_not_free(
    bus: SimulatedBus, unit: SimulatedController, ctl: Controller
) -> None:
    # The neighbour's first two answers are lost, the third is damaged: still somebody is there.
    bus.faults.next_are(*[Fault.DROP] * 4, Fault.CORRUPT, Fault.CORRUPT)
    with pytest.raises(WatlowConfigurationError, match="another controller replies"):
        maintenance.set_address(ctl, 2, confirm=True)
    assert (ctl.address, unit.address) == (1, 1)


def test_a_dead_line_does_not_prove_a_protocol(
    bus: SimulatedBus, unit: SimulatedController, ctl: Controller
) -> None:
    unit.set("part_number", "PM3R1CA-1AAAAAA")
    assert ctl.session.part_number() is not None
    bus.power_off(1)
    with pytest.raises(WatlowTimeoutError):
        maintenance.set_protocol(ctl, ProtocolKind.MODBUS_RTU, confirm=True)
    assert unit.get("protocol") == 1286


def test_the_modbus_rate_is_set_and_proven(unit: SimulatedController, ctl: Controller) -> None:
    maintenance.set_modbus_baudrate(ctl, 38400, confirm=True)
    assert unit.get("modbus_baudrate") == 190
    with pytest.raises(WatlowConfigurationError, match="allowed are 9600, 19200, 38400"):
        maintenance.set_modbus_baudrate(ctl, 4800, confirm=True)


def test_a_unit_without_modbus_is_not_set_to_it(unit: SimulatedController, ctl: Controller) -> None:
    with pytest.raises(WatlowConfigurationError, match="PM3R1CA-AAAAAAA does not say"):
        maintenance.set_protocol(ctl, ProtocolKind.MODBUS_RTU, confirm=True)
    assert unit.writes == []


def test_a_unit_with_modbus_is_and_falls_silent_here(
    unit: SimulatedController, ctl: Controller
) -> None:
    unit.set("part_number", "PM3R1CA-1AAAAAA")
    maintenance.set_protocol(ctl, ProtocolKind.MODBUS_RTU, confirm=True)
    assert unit.get("protocol") == 1057
    with pytest.raises(WatlowTimeoutError):
        ctl.read_pv()


def test_standard_bus_stays_standard_bus(unit: SimulatedController, ctl: Controller) -> None:
    maintenance.set_protocol(ctl, ProtocolKind.STDBUS, confirm=True)
    assert unit.writes == []
    with pytest.raises(WatlowConfigurationError, match="give 'stdbus' or 'modbus_rtu'"):
        maintenance.set_protocol(ctl, ProtocolKind.AUTO, confirm=True)
