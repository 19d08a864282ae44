"""Alarms: tripped, latched, silenced and cleared."""

from __future__ import annotations

import pytest

from watlowlib._internal.clock import ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.errors import WatlowConfigurationError
from watlowlib.simulator import SimulatedController


def test_an_alarm_trips_and_latches_and_is_silenced_and_cleared(
    unit: SimulatedController, instant_clock: ManualClock, ctl: Controller
) -> None:
    alarm = ctl.alarm(1)
    assert not alarm.read().active
    ctl.write_parameter("alarm_type", "Process Alarm", confirm=True)
    ctl.write_parameter("alarm_latching", "Latching", confirm=True)
    ctl.write_parameter("alarm_high_setpoint", 60.0, confirm=True)
    instant_clock.advance(1.0)
    state = alarm.read()
    assert (state.label, state.active, state.latched) == ("Alarm high", True, True)
    assert (state.silenced, state.clearable) == (False, False)
    assert alarm.silence().silenced
    assert alarm.clear().active  # its cause is still present
    ctl.write_parameter("alarm_high_setpoint", 300.0, confirm=True)
    assert (alarm.read().label, alarm.read().clearable) == ("Alarm high", True)
    assert (alarm.clear().label, alarm.read().latched) == ("None", False)


def test_a_broken_sensor_raises_an_alarm_and_reads_as_captured(
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
