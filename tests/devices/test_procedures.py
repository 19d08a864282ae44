"""Procedures: waiting until a temperature has settled, and ramps."""

from __future__ import annotations

import threading

import pytest

from watlowlib._internal.clock import ManualClock
from watlowlib.devices.controller import Controller
from watlowlib.devices.procedures import ramp_to, wait_until
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowTimeoutError,
    WatlowWriteError,
)
from watlowlib.model import Reading
from watlowlib.protocol.exchange import WriteOptions
from watlowlib.registry.parameters import ParameterSpec
from watlowlib.simulator import SimulatedBus, SimulatedController


def test_wait_until_returns_a_settled_reading(instant_clock: ManualClock, ctl: Controller) -> None:
    ctl.set_setpoint(150.0, confirm=True)
    began_s = instant_clock.now_ns() / 1e9
    reading = wait_until(ctl.session, 150.0, 1.0, 3600.0, clock=instant_clock)
    assert reading.value == pytest.approx(150.0, abs=1.0)
    assert 20.0 < instant_clock.now_ns() / 1e9 - began_s < 3600.0


def test_wait_until_raises_a_timeout(instant_clock: ManualClock, ctl: Controller) -> None:
    with pytest.raises(WatlowTimeoutError, match="process_value is 7.* after 5 s"):
        wait_until(ctl.session, 150.0, 1.0, 5.0, clock=instant_clock)
    for wrong in ({"tolerance": 0.0}, {"timeout": -1.0}):
        with pytest.raises(WatlowConfigurationError, match="above 0"):
            wait_until(
                ctl.session,
                150.0,
                **{"tolerance": 1.0, "timeout": 5.0, **wrong},
                clock=instant_clock,
            )


def test_the_controller_ramps_and_its_ramp_settings_are_restored(
    unit: SimulatedController, instant_clock: ManualClock, ctl: Controller
) -> None:
    ctl.write_parameter("ramp_rate", 7.0, confirm=True)
    began_s, writes = instant_clock.now_ns() / 1e9, len(unit.writes)
    ramp_to(ctl.session, 135.0, 30.0, confirm=True, clock=instant_clock)
    # 60 degrees at 30 degrees per minute take two minutes.
    assert instant_clock.now_ns() / 1e9 - began_s == pytest.approx(120.0, abs=3.0)
    assert ctl.read_setpoint().value == 135.0
    settings = [unit.get(name) for name in ("ramp_action", "ramp_rate", "ramp_scale")]
    assert settings == [62, 7.0, 57]
    assert len(unit.writes) - writes <= 6


def test_an_interrupted_ramp_keeps_the_set_point_reached(
    unit: SimulatedController,
    instant_clock: ManualClock,
    ctl: Controller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(due_ns: int, stop: threading.Event) -> bool:
        instant_clock.advance(1.0)
        if instant_clock.now_ns() / 1e9 > 60.0:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(instant_clock, "wait_until", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ramp_to(ctl.session, 135.0, 30.0, confirm=True, clock=instant_clock)
    assert unit.get("ramp_action") == 62
    # After one of two minutes: half the way, not the goal.
    assert unit.get("setpoint") == pytest.approx(105.0, abs=2.0)
    assert unit.get("setpoint_active") == pytest.approx(105.0, abs=2.0)


def test_an_interrupted_ramp_continues_when_the_set_point_cannot_be_written(
    bus: SimulatedBus,
    unit: SimulatedController,
    instant_clock: ManualClock,
    ctl: Controller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(due_ns: int, stop: threading.Event) -> bool:
        instant_clock.advance(10.0)
        bus.power_off(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(instant_clock, "wait_until", interrupt)
    with pytest.raises(WatlowTimeoutError):
        ramp_to(ctl.session, 135.0, 30.0, confirm=True, clock=instant_clock)
    # The set point could not be stopped: it must not jump but continue at the set rate.
    assert (unit.get("ramp_action"), unit.get("ramp_rate")) == (85, 30.0)
    assert unit.get("setpoint_active") == pytest.approx(80.0, abs=1.0)


def test_a_ramp_setting_that_cannot_be_restored_is_named_and_the_others_are_restored(
    unit: SimulatedController, instant_clock: ManualClock, ctl: Controller
) -> None:
    ctl.write_parameter("ramp_rate", 7.0, confirm=True)
    write = ctl.session.write

    def failing_write(
        spec: ParameterSpec, instance: int, value: float, options: WriteOptions
    ) -> Reading:
        if spec.name == "ramp_action" and value == 62:
            raise WatlowTimeoutError("no reply")
        return write(spec, instance, value, options)

    ctl.session.write = failing_write  # type: ignore[method-assign]
    with pytest.raises(WatlowWriteError, match="set them by hand: {'ramp_action': 62}"):
        ramp_to(ctl.session, 80.0, 600.0, confirm=True, clock=instant_clock)
    assert unit.get("ramp_rate") == 7.0


def test_a_ramp_beyond_the_controllers_own_limits_writes_nothing(
    unit: SimulatedController, ctl: Controller
) -> None:
    unit.set("setpoint_maximum", 200.0)
    with pytest.raises(WatlowConfigurationError, match="own limits"):
        ctl.ramp_to(300.0, 10.0, confirm=True)
    assert unit.writes == []


def test_a_refused_ramp_writes_nothing(unit: SimulatedController, ctl: Controller) -> None:
    with pytest.raises(WatlowConfigurationError):
        ctl.ramp_to(135.0, 0.0, confirm=True)
    with pytest.raises(WatlowConfigurationError):
        ctl.ramp_to(1e6, 10.0, confirm=True)
    with pytest.raises(WatlowConfirmationError):
        ctl.ramp_to(135.0, 10.0)
    assert unit.writes == []


@pytest.mark.parametrize("wrong", [("80", 10.0), (80.0, "10"), (float("nan"), 10.0), (80.0, None)])
def test_procedures_refuse_arguments_that_are_not_numbers(
    ctl: Controller, wrong: tuple[float, float]
) -> None:
    with pytest.raises(WatlowConfigurationError):
        ctl.ramp_to(*wrong, confirm=True)
    with pytest.raises(WatlowConfigurationError):
        ctl.wait_until(wrong[0], 1.0, wrong[1])
    assert ctl.stats.exchanges == 0
