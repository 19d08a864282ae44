"""Control loops: set points, PID gains, control mode, autotune and the cool side."""

from __future__ import annotations

import pytest

from watlowlib._internal.clock import ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.errors import (
    WatlowAbsentError,
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowTimeoutError,
)
from watlowlib.model import PidGains
from watlowlib.simulator import SimulatedBus, SimulatedController


def test_only_loops_of_the_unit_are_returned(ctl: Controller, two_loops: Controller) -> None:
    with pytest.raises(WatlowConfigurationError, match="PM3R1CA-AAAAAAA this unit has 1"):
        ctl.loop(2)
    two_loops.loop(2).set_setpoint(222.0, confirm=True)
    assert [two_loops.loop(n).read_setpoint().value for n in (1, 2)] == [75.0, 222.0]
    assert two_loops.loop(2).read_pv().instance == 2
    for wrong in (0, 3, "2"):
        with pytest.raises(WatlowConfigurationError, match="loop="):
            two_loops.loop(wrong)  # type: ignore[arg-type]


def test_pid_gains_are_read_and_written_together(two_loops: Controller) -> None:
    loop = two_loops.loop(1)
    assert loop.read_pid() == PidGains(25.0, 25.0, 180.0, 0.0, 0.0)
    held = loop.write_pid(PidGains(time_integral=120.0, heat_proportional_band=30.0), confirm=True)
    assert held == PidGains(30.0, 25.0, 120.0, 0.0, 0.0)


def test_no_gain_is_written_when_one_is_invalid(bus: SimulatedBus, two_loops: Controller) -> None:
    for wrong in (PidGains(30.0, None, 1e6), PidGains(30.0, None, float("nan")), PidGains()):
        with pytest.raises(WatlowConfigurationError):
            two_loops.loop(1).write_pid(wrong, confirm=True)
    with pytest.raises(WatlowConfirmationError):
        two_loops.loop(1).write_pid(PidGains(30.0))
    for empty in (PidGains(), {"time_integral": 120.0}):
        with pytest.raises(WatlowConfigurationError, match="give at least one field: PidGains"):
            two_loops.loop(1).write_pid(empty, confirm=True)  # type: ignore[arg-type]
    assert bus.controllers[3].writes == []


def test_an_interrupted_write_of_gains_reports_the_previous_gains(
    bus: SimulatedBus, unit: SimulatedController, two_loops: Controller
) -> None:
    set_value = bus.controllers[3].set

    def set_and_power_off(parameter: int, value: float, instance: int = 1) -> None:
        set_value(parameter, value, instance)
        bus.power_off(3)

    bus.controllers[3].set = set_and_power_off  # type: ignore[method-assign, assignment]
    with pytest.raises(WatlowTimeoutError, match="the previous gains were PidGains.*25.0"):
        two_loops.loop(1).write_pid(PidGains(30.0, None, 120.0), confirm=True)


def test_without_a_cooling_output_the_cool_side_is_absent(ctl: Controller) -> None:
    assert ctl.loop(1).read_pid() == PidGains(25.0, None, 180.0, 0.0, 0.0)
    with pytest.raises(WatlowAbsentError, match="no cooling output"):
        ctl.read_parameter("cool_power")
    assert [each.status for each in ctl.poll(["heat_power", "cool_power"])] == ["ok", "absent"]


def test_without_a_part_number_uninitialised_bits_are_absent(
    bus: SimulatedBus, unit: SimulatedController, ctl: Controller
) -> None:
    unit.set("part_number", "")
    with pytest.raises(WatlowAbsentError, match="holds no value"):
        ctl.read_parameter("cool_power")


def test_without_a_cooling_output_cool_gains_are_refused(
    unit: SimulatedController, ctl: Controller
) -> None:
    gains = PidGains(heat_proportional_band=30.0, cool_proportional_band=33.0)
    with pytest.raises(WatlowAbsentError, match="no cooling output"):
        ctl.loop(1).write_pid(gains, confirm=True)
    assert unit.writes == []


def test_control_mode_off_sets_the_output_power_to_zero(
    instant_clock: ManualClock, ctl: Controller
) -> None:
    loop = ctl.loop(1)
    assert loop.read_control_mode().label == "Auto"
    instant_clock.advance(1.0)
    assert loop.read_output_power().value > 0  # type: ignore[operator]
    loop.set_control_mode("off", confirm=True)
    instant_clock.advance(1.0)
    assert (loop.read_control_mode().label, loop.read_output_power().value) == ("Off", 0.0)


def test_autotune_passes_through_its_states(instant_clock: ManualClock, ctl: Controller) -> None:
    loop = ctl.loop(1)
    assert loop.read_autotune_status().label == "Off"
    with pytest.raises(WatlowConfirmationError):
        loop.start_autotune()
    loop.start_autotune(confirm=True)
    labels = []
    for _ in range(60):
        labels.append(loop.read_autotune_status().label)
        instant_clock.advance(1.0)
    states = list(dict.fromkeys(labels))
    assert states[0] == "Waiting for Cross 1 Positive"
    assert states[-3:] == ["Measuring MIN PEAK", "Calculating", "Complete"]
    assert len(states) == 9
    assert loop.read_pid().time_integral == 60.0
    loop.start_autotune(confirm=True)
    loop.stop_autotune()
    assert loop.read_autotune_status().label == "Off"
