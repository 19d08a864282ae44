"""Values in a scale other than that of the wire: writes, procedures and recordings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.devices.conftest import InstantClock
from watlowlib import (
    Controller,
    ControllerFamily,
    PollSource,
    ProtocolKind,
    Quantity,
    Unit,
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowManager,
    WatlowUncertainError,
    open_device,
    record,
)
from watlowlib.devices.procedures import ramp_to, wait_until
from watlowlib.devices.values import quantity_of
from watlowlib.registry.parameters import PARAMETERS
from watlowlib.simulator import SimulatedBus, SimulatedController, SimulatedSD
from watlowlib.units import converted

F, C = Unit.FAHRENHEIT, Unit.CELSIUS


@pytest.fixture
def ctl(bus: SimulatedBus) -> Iterator[Controller]:
    """Controller 1, declared to be in °F, as it is."""
    with open_device(bus.port, temperature_unit="F") as opened:
        yield opened


@pytest.fixture
def undeclared(bus: SimulatedBus) -> Iterator[Controller]:
    with open_device(bus.port, address=2) as opened:
        yield opened


@pytest.fixture
def sd() -> SimulatedSD:
    return SimulatedSD(1)


@pytest.fixture
def sd_ctl(sd: SimulatedSD) -> Iterator[Controller]:
    with SimulatedBus([sd], baudrate=None, turnaround_s=0.0) as bus:
        options: Any = {"protocol": ProtocolKind.MODBUS_RTU, "family": ControllerFamily.SD}
        with open_device(bus.port, **options) as opened:
            yield opened


def test_a_set_point_in_celsius_is_written_in_fahrenheit(
    ctl: Controller, unit: SimulatedController
) -> None:
    held = ctl.set_setpoint(30, unit="C", confirm=True)
    assert unit.get("setpoint") == 86.0
    assert (held.value, held.unit) == (30.0, C)
    held = ctl.loop(1).set_setpoint(100, unit=C, confirm=True, verify=True)
    assert (held.value, held.unit, unit.get("setpoint")) == (100.0, C, 212.0)


def test_a_value_in_the_scale_of_the_wire_is_not_converted(
    ctl: Controller, unit: SimulatedController
) -> None:
    assert ctl.set_setpoint(86.5, unit="F", confirm=True).value == unit.get("setpoint") == 86.5


def test_a_difference_and_a_rate_are_written_without_the_offset(
    ctl: Controller, unit: SimulatedController
) -> None:
    ctl.write_parameter("heat_hysteresis", 5, unit="C", confirm=True)
    held = ctl.write_parameter("ramp_rate", 10, unit="C", confirm=True)
    assert (unit.get("heat_hysteresis"), unit.get("ramp_rate")) == (9.0, 18.0)
    assert (held.value, held.unit, held.quantity) == (10.0, None, Quantity.RATE)
    assert ctl.read_parameter("ramp_rate").to("C").value == 10.0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("setpoint", 6000, "^6000 °C is 10832 °F on the wire: .* allowed is -1999 to 9999"),
        ("output_power", 5, "read-only|not known to be a temperature"),
        ("manual_power", 5, "not known to be a temperature"),
        ("heat_algorithm", "PID", "give a number, or leave the unit out"),
        ("alarm_high_setpoint", 30, "not known to be a temperature"),
        ("setpoint", float("nan"), "give a number"),
    ],
)
def test_a_converted_write_is_refused_before_anything_is_sent(
    ctl: Controller, name: str, value: Any, message: str
) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        ctl.write_parameter(name, value, unit="C", confirm=True)
    assert ctl.stats.exchanges == 0


def test_an_error_of_the_own_limits_has_both_values(
    ctl: Controller, unit: SimulatedController
) -> None:
    unit.set("setpoint_maximum", 200.0)
    with pytest.raises(WatlowConfigurationError, match=r"^100 °C is 212 °F on the wire: .* 200$"):
        ctl.set_setpoint(100, unit="C", confirm=True)
    assert unit.writes == []


@pytest.mark.parametrize(
    "call",
    [
        lambda ctl: ctl.set_setpoint(30, unit="C", confirm=True),
        lambda ctl: ctl.loop(1).set_setpoint(30, unit="C", confirm=True),
        lambda ctl: ctl.wait_until(30, 1, 5, unit="C"),
        lambda ctl: ctl.ramp_to(30, 1, unit="C", confirm=True),
        lambda ctl: record(ctl, parameters=["pv"], rate_hz=1.0, show_unit="C"),
    ],
)
def test_without_a_known_scale_nothing_is_converted_or_sent(
    undeclared: Controller, call: Any
) -> None:
    with pytest.raises(WatlowConfigurationError, match="is not known; open .*temperature_unit"):
        call(undeclared)
    assert undeclared.stats.exchanges == 0


def test_wait_until_compares_in_the_given_unit(
    ctl: Controller, unit: SimulatedController, instant_clock: InstantClock
) -> None:
    unit.open_sensor()
    unit.set("process_value", 86.9)
    reached = wait_until(ctl.session, 30.0, 0.55, 5.0, unit="C", clock=instant_clock)
    assert (reached.value, reached.unit) == (pytest.approx(30.5), C)


def test_a_ramp_converts_its_goal_and_its_rate(
    ctl: Controller, unit: SimulatedController, instant_clock: InstantClock
) -> None:
    reached = ramp_to(ctl.session, 30.0, 10.0, unit="C", confirm=True, clock=instant_clock)
    assert (reached.value, reached.unit) == (pytest.approx(30.0, abs=0.05), C)
    assert [each.value for each in unit.writes if each.number == 7017] == [18.0, 1.0]
    assert unit.get("setpoint") == 86.0


def test_a_recording_shows_temperatures_in_the_wanted_unit(
    bus: SimulatedBus, unit: SimulatedController
) -> None:
    unit.set("setpoint", 86.0)
    unit.set("heat_hysteresis", 9.0)
    unit.set("ramp_rate", 18.0)
    unit.set("alarm_high_setpoint", 300.0)
    unit.set("manual_power", 50.0)
    names = [
        "setpoint",
        "heat_hysteresis",
        "ramp_rate",
        "alarm_high_setpoint",
        "manual_power",
        8003,
    ]
    with WatlowManager() as mgr:
        for address, name in enumerate(("here", "gone"), 1):
            address = 9 if name == "gone" else address
            options: Any = {"timeout_s": 0.05, "retries": 0} if name == "gone" else {}
            mgr.add(name, bus.port, address=address, temperature_unit="F", **options)
        with record(mgr, parameters=names, rate_hz=50.0, duration=0.01, show_unit="c") as stream:
            samples = next(iter(stream))
    here, gone = samples[:6], samples[6:]
    assert [(each.value, each.unit) for each in here] == [
        (30.0, C),
        (5.0, C),
        (10.0, None),
        (300.0, F),  # a difference, if it is a deviation alarm
        (50.0, Unit.PERCENT),
        (71, None),
    ]
    assert here[0].raw is not None
    assert here[0].raw[15:19] == bytes.fromhex("42ac0000")  # 86.0, as received
    assert [each.unit for each in gone] == [each.unit for each in here]
    assert {each.value for each in gone} == {None}


def test_a_recording_without_temperatures_needs_no_scale(undeclared: Controller) -> None:
    record(undeclared, parameters=["output_power"], rate_hz=1.0, show_unit="C")


def test_a_source_that_cannot_convert_is_refused() -> None:
    class Scale:
        def poll(self, parameters: list[str | int], **options: Any) -> list[Any]:
            return []

    assert not isinstance(Scale(), PollSource)
    with pytest.raises(WatlowConfigurationError, match="cannot convert .*; leave show_unit out"):
        record(Scale(), parameters=["x"], rate_hz=1.0, show_unit="C")


def test_a_series_sd_is_asked_for_its_scale(sd_ctl: Controller, sd: SimulatedSD) -> None:
    held = sd_ctl.set_setpoint(30, unit="C", confirm=True)
    assert (held.value, held.unit, sd.get("setpoint")) == (30.0, C, 86.0)
    with record(sd_ctl, parameters=["sp"], rate_hz=50.0, duration=0.01, show_unit="C") as stream:
        (sample,) = next(iter(stream))
    assert (sample.value, sample.unit) == (30.0, C)


def test_a_series_sd_is_asked_only_after_the_confirmation(sd_ctl: Controller) -> None:
    with pytest.raises(WatlowConfirmationError, match="writing 30 °C to setpoint"):
        sd_ctl.set_setpoint(30, unit="C")
    assert sd_ctl.stats.exchanges == 0


def test_a_converted_value_is_not_written_in_another_scale(
    sd_ctl: Controller, sd: SimulatedSD, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_write = type(sd_ctl).check_write

    def then_the_keys_change_it(self: Controller, *args: Any, **options: Any) -> Any:
        checked = check_write(self, *args, **options)
        sd.set(18, 1)
        assert sd_ctl.read_setpoint().unit is C  # another thread learns the new scale
        return checked

    monkeypatch.setattr(type(sd_ctl), "check_write", then_the_keys_change_it)
    with pytest.raises(WatlowUncertainError, match="nothing was written"):
        sd_ctl.set_setpoint(30, unit="C", confirm=True)
    assert sd.writes == []


@pytest.mark.parametrize(("fixed_wire_scale", "read"), [(True, 86.0), (False, 30.0)])
def test_17050_sets_the_scale_of_the_wire_or_is_a_label(
    fixed_wire_scale: bool, read: float
) -> None:
    unit = SimulatedController(1, setpoint=86.0, fixed_wire_scale=fixed_wire_scale)
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus, open_device(bus.port) as ctl:
        ctl.write_parameter(17050, "°C", confirm=True)
        assert ctl.read_parameter(17050).label == "°C"
        assert ctl.read_setpoint().value == read
        ctl.set_setpoint(40.0, confirm=True)
        assert ctl.read_setpoint().value == 40.0
        assert unit.get("setpoint") == (40.0 if fixed_wire_scale else 104.0)


MISPRINTED = {7016, 8031, 21006, 22007, 22041, 31023, 34004}
"""Parameters whose two ranges in the list are not the same range in two scales."""


def test_the_ranges_of_the_list_are_converted_into_each_other() -> None:
    ranges = [
        (spec, *limits)
        for spec in PARAMETERS
        if quantity_of(spec) and spec.number not in MISPRINTED
        for limits in zip(spec.limits_f, spec.limits_c)
    ]
    assert len(ranges) > 100
    for spec, in_fahrenheit, in_celsius in ranges:
        if in_fahrenheit is not None:
            value = converted(spec.name, in_fahrenheit, quantity_of(spec), F, C)
            assert value == pytest.approx(in_celsius, abs=1.0), spec.name
