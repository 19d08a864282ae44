"""Restoring a snapshot: the order of the writes, what is never written, and interruptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.snapshots.settings import entry, snapshot
from watlowlib import snapshots
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import open_device
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowError,
)
from watlowlib.model import ProtocolKind, Unit, Value
from watlowlib.registry.parameters import ParameterSpec
from watlowlib.simulator import SimulatedBus, SimulatedController, SimulatedSD, Write
from watlowlib.snapshots import Change, Snapshot, SnapshotEntry

SETTINGS = snapshot(
    entry("control_mode", 62),
    entry("setpoint", 300.0),
    entry("alarm_high_setpoint", 350.0),
    entry("heat_proportional_band", 30.0),
    entry("setpoint_maximum", 400.0),
    entry("input_filter", 2.5),
    entry("time_integral", 180.0),
)
IN_ORDER = [
    ("input_filter", 2.5),
    ("setpoint_maximum", 400.0),
    ("heat_proportional_band", 30.0),
    ("alarm_high_setpoint", 350.0),
    ("setpoint", 300.0),
    ("control_mode", 62),
]


@pytest.fixture
def unit(bus: SimulatedBus) -> SimulatedController:
    """Controller 1, whose set point may be at most 200."""
    unit = bus.controllers[1]
    assert isinstance(unit, SimulatedController)
    unit.set("setpoint_maximum", 200.0)
    unit.set("time_integral", 180.0)
    return unit


@pytest.fixture
def ctl(unit: SimulatedController, bus: SimulatedBus) -> Iterator[Controller]:
    with open_device(bus.port, timeout_s=0.25, retries=0) as opened:
        yield opened


def written(unit: SimulatedController, ctl: Controller) -> list[tuple[str, Value]]:
    return [(ctl.registry.resolve(each.number).name, each.value) for each in unit.writes]


def test_differences_are_written_in_the_order_of_their_kinds(
    unit: SimulatedController, ctl: Controller
) -> None:
    # 300 is above the maximum of 200, which is therefore written first; the integral is equal.
    report = snapshots.restore(ctl, SETTINGS, confirm=True)
    assert written(unit, ctl) == IN_ORDER
    assert [each.name for each in report.written] == [name for name, _ in IN_ORDER]
    assert (report.refused, report.left_out) == ((), ())
    assert snapshots.plan(ctl, SETTINGS).writes == ()


def test_nothing_is_sent_without_confirm(unit: SimulatedController, ctl: Controller) -> None:
    with pytest.raises(WatlowConfirmationError):
        snapshots.restore(ctl, SETTINGS)
    assert ctl.stats.exchanges == 0


def test_a_plan_writes_nothing_and_shows_both_values(
    unit: SimulatedController, ctl: Controller
) -> None:
    plan = snapshots.plan(ctl, SETTINGS)
    shown = [(each.name, each.before and each.before.value) for each in plan.writes]
    assert shown[1:3] == [("setpoint_maximum", 200.0), ("heat_proportional_band", 25.0)]
    assert unit.writes == []


class Interrupted:
    """Ends a restoration after some writes."""

    def __init__(self, after: int, bus: SimulatedBus | None = None) -> None:
        self.left = after
        self.bus = bus

    def __call__(self, change: Change, reason: str | None) -> None:
        self.left -= 1
        if self.left == 0 and self.bus is None:
            raise KeyboardInterrupt
        if self.left == 0 and self.bus is not None:
            self.bus.unplug()


def test_after_ctrl_c_the_same_call_writes_the_rest(
    unit: SimulatedController, ctl: Controller
) -> None:
    with pytest.raises(KeyboardInterrupt):
        snapshots.restore(ctl, SETTINGS, confirm=True, on_write=Interrupted(after=2))
    assert written(unit, ctl) == IN_ORDER[:2]
    snapshots.restore(ctl, SETTINGS, confirm=True)
    assert written(unit, ctl) == IN_ORDER


def test_after_a_lost_port_the_same_call_writes_the_rest(
    bus: SimulatedBus, unit: SimulatedController, ctl: Controller
) -> None:
    interruption = Interrupted(3, bus)
    with pytest.raises(WatlowError):
        snapshots.restore(ctl, SETTINGS, confirm=True, on_write=interruption)
    assert interruption.left == 0  # the rest was not tried
    assert written(unit, ctl) == IN_ORDER[:3]
    bus.replug()
    with open_device(bus.port) as again:
        snapshots.restore(again, SETTINGS, confirm=True)
    assert written(unit, ctl) == IN_ORDER


def test_refusals_are_listed_and_the_rest_is_written(
    unit: SimulatedController, ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = unit.accepts_wire_value

    def refuse(spec: ParameterSpec, instance: int, value: Value) -> bool:
        return spec.name != "heat_proportional_band" and takes(spec, instance, value)

    monkeypatch.setattr(unit, "accepts_wire_value", refuse)
    told: list[tuple[str, bool]] = []
    report = snapshots.restore(
        ctl,
        SETTINGS,
        confirm=True,
        on_write=lambda each, why: told.append((each.name, why is None)),
    )
    (refused,) = report.refused
    assert refused.change.name == "heat_proportional_band"
    assert "denied" in refused.reason
    others = [name for name, _ in IN_ORDER if name != "heat_proportional_band"]
    assert [each.name for each in report.written] == others
    assert sorted(told) == sorted([(name, name in others) for name, _ in IN_ORDER])


def test_a_value_that_was_confirmed_but_not_stored_is_a_refusal(
    unit: SimulatedController, ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "write_wire_value", lambda spec, instance, value: None)
    report = snapshots.restore(ctl, snapshot(entry("input_filter", 2.5)), confirm=True)
    assert report.written == ()
    assert "read back after the write" in report.refused[0].reason


def test_a_write_that_needs_another_of_its_kind_is_tried_again(
    unit: SimulatedController, ctl: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    takes = unit.accepts_wire_value

    def refuse(spec: ParameterSpec, instance: int, value: Value) -> bool:
        # The minimum must stay below the maximum.
        too_high = spec.name == "setpoint_minimum" and value >= unit.get("setpoint_maximum")  # type: ignore[operator]
        return not too_high and takes(spec, instance, value)

    monkeypatch.setattr(unit, "accepts_wire_value", refuse)
    limits = snapshot(entry("setpoint_minimum", 250.0), entry("setpoint_maximum", 400.0))
    assert snapshots.restore(ctl, limits, confirm=True).refused == ()
    assert [unit.get(name) for name in ("setpoint_minimum", "setpoint_maximum")] == [250.0, 400.0]


@pytest.fixture
def reset_by_sensor(unit: SimulatedController, monkeypatch: pytest.MonkeyPatch) -> Snapshot:
    """Let a new sensor type reset the filter; return a snapshot with both."""
    take = unit.write_wire_value

    def take_and_reset(spec: ParameterSpec, instance: int, value: Value) -> None:
        take(spec, instance, value)
        if spec.name == "input_sensor_type":
            unit.set("input_filter", 0.5)

    monkeypatch.setattr(unit, "write_wire_value", take_and_reset)
    unit.set("input_sensor_type", 95)
    unit.set("input_filter", 2.0)
    return snapshot(entry("input_filter", 2.0), entry("input_sensor_type", 113))


def test_what_a_new_sensor_type_has_reset_is_written_too(
    unit: SimulatedController, ctl: Controller, reset_by_sensor: Snapshot
) -> None:
    report = snapshots.restore(ctl, reset_by_sensor, confirm=True)
    assert [each.name for each in report.written] == ["input_sensor_type", "input_filter"]
    assert unit.get("input_filter") == 2.0


@pytest.mark.parametrize("approved", [True, False])
def test_what_a_new_sensor_type_has_reset_can_need_an_approval(
    approved: bool, unit: SimulatedController, ctl: Controller, reset_by_sensor: Snapshot
) -> None:
    asked: list[str] = []

    def approve(changes: Sequence[Change]) -> bool:
        asked.extend(each.name for each in changes)
        return approved

    plan = snapshots.plan(ctl, reset_by_sensor)
    report = snapshots.carry_out(ctl, plan, confirm=True, approve=approve)
    assert asked == ["input_filter"]
    assert unit.get("input_filter") == (2.0 if approved else 0.5)
    assert [each.change.name for each in report.left_out] == ([] if approved else asked)


def test_state_actions_and_read_only_parameters_are_never_written(
    unit: SimulatedController, ctl: Controller
) -> None:
    state = snapshot(
        entry("process_value", 500.0),
        entry("autotune_request", 106),
        entry("profile_action_request", 77),
        entry("limit_clear_request", 0),
        entry("alarm_clear_request", 0),
        entry("restore_settings_from", 31),
        entry("clock_hours", 3),
        entry("profile_start", 5),
    )
    report = snapshots.restore(ctl, state, confirm=True)
    assert (report.written, report.refused, report.left_out) == ((), (), ())
    assert unit.writes == []


NAMED = snapshot(
    entry("input_calibration_offset", 1.5),
    entry("display_read_lock", 3),
    entry("modbus_address", 7),
    entry("non_volatile_save", 59),
)


def test_calibration_lock_and_communication_are_written_only_if_named(
    unit: SimulatedController, ctl: Controller
) -> None:
    report = snapshots.restore(ctl, NAMED, confirm=True)
    assert unit.writes == []
    assert [each.change.name for each in report.left_out] == [
        "input_calibration_offset",
        "display_read_lock",
        "modbus_address",
        "non_volatile_save",
    ]
    snapshots.restore(ctl, NAMED, confirm=True, include=["calibration_offset", 3010, 17007])
    assert written(unit, ctl) == [
        ("input_calibration_offset", 1.5),
        ("display_read_lock", 3),
        ("modbus_address", 7),
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("setpoint", "none of the calibration"),
        ("protocoll", "did you mean 'protocol'"),
        ("display_write_security", "the snapshot has no value of display_write_security"),
    ],
)
def test_an_unusable_name_in_include_is_refused(ctl: Controller, name: str, message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        snapshots.plan(ctl, NAMED, include=name)


def test_a_named_address_is_changed_last(unit: SimulatedController, ctl: Controller) -> None:
    moved = snapshot(entry("standard_bus_address", 5), entry("control_mode", 62))
    report = snapshots.restore(ctl, moved, confirm=True, include="standard_bus_address")
    assert [each.name for each in report.written] == ["control_mode", "standard_bus_address"]
    assert (unit.address, ctl.address) == (5, 5)
    assert ctl.read_setpoint().value == 75.0


def test_a_named_protocol_and_baud_rate_are_changed_by_maintenance(
    unit: SimulatedController, ctl: Controller
) -> None:
    unit.set("part_number", "PM3R1CA-1AAAAAA")
    changed = snapshot(
        entry("modbus_baudrate", 190), entry("protocol", 1057), part_number="PM3R1CA-1AAAAAA"
    )
    include = ["modbus_baudrate", "protocol"]
    report = snapshots.restore(ctl, changed, confirm=True, include=include)
    assert [each.name for each in report.written] == include
    assert unit.get("modbus_baudrate") == 190
    assert unit.protocol is ProtocolKind.MODBUS_RTU


def test_an_address_in_use_is_a_refusal(unit: SimulatedController, ctl: Controller) -> None:
    taken = snapshot(entry("standard_bus_address", 2))
    report = snapshots.restore(ctl, taken, confirm=True, include="standard_bus_address")
    assert "another controller replies there" in report.refused[0].reason
    assert unit.address == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (entry("setpoint", 99999.0), "allowed is"),
        (entry("heat_algorithm", 9), "allowed are"),
        (entry("device_name", "Oven"), "is not supported"),
        (entry("setpoint", 80.0, instance=2), "does not have this instance"),
        (SnapshotEntry(99001, "afterburner", 1, 5), "does not know it"),
        (SnapshotEntry(8001, "setpoint", 1, 62), "8001 is control_mode, not setpoint"),
        (SnapshotEntry(7001, "setpoint", 300, 80.0), "instances 1 to 2"),
    ],
)
def test_what_cannot_be_written_is_left_out(
    unit: SimulatedController, ctl: Controller, given: SnapshotEntry, reason: str
) -> None:
    report = snapshots.restore(ctl, snapshot(given), confirm=True)
    (left_out,) = report.left_out
    assert reason in left_out.reason
    assert (left_out.change.key, unit.writes) == (given.key, [])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (snapshot(family="sd"), "family sd"),
        (snapshot(part_number="PM6C1CA-AAAAAAA"), "of a PM6C1CA-AAAAAAA"),
        (snapshot(temperature_unit="°C"), "temperature_unit='C'"),
        (snapshot(scale=15), "is °C in the snapshot and °F in the controller"),
        (snapshot(scale=None), "is unknown in the snapshot and °F in the controller"),
    ],
)
def test_a_snapshot_of_another_kind_of_unit_is_refused(
    unit: SimulatedController, ctl: Controller, given: Snapshot, message: str
) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        snapshots.restore(ctl, given, confirm=True)
    assert unit.writes == []


@pytest.mark.parametrize(("declared", "allowed"), [("°F", True), ("°C", False), (None, False)])
def test_the_declared_scales_must_be_equal(
    bus: SimulatedBus, declared: str | None, allowed: bool
) -> None:
    given = snapshot(temperature_unit=declared)
    with open_device(bus.port, temperature_unit="F") as ctl:
        if allowed:
            assert snapshots.plan(ctl, given).writes == ()
        else:
            with pytest.raises(WatlowConfigurationError, match="temperature_unit"):
                snapshots.plan(ctl, given)


def test_another_part_number_is_accepted_on_request(ctl: Controller) -> None:
    other = snapshot(entry("setpoint", 80.0), part_number="PM6C1CA-AAAAAAA")
    assert len(snapshots.plan(ctl, other, other_unit=True).writes) == 1


@pytest.mark.parametrize(("name", "code"), [("profile_state", 149), ("autotune_request", 106)])
def test_a_busy_controller_is_refused(
    unit: SimulatedController, ctl: Controller, name: str, code: int
) -> None:
    unit.set(name, code)
    with pytest.raises(WatlowConfigurationError, match=name):
        snapshots.plan(ctl, SETTINGS)


def test_a_complete_snapshot_restores_another_controller_over_modbus() -> None:
    good, bare = (SimulatedController(n, protocol="modbus_rtu", loops=2) for n in (1, 2))
    good.set("setpoint", 82.5, 2)
    good.set("alarm_low_setpoint", -5.0, 4)
    with SimulatedBus([good, bare], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol="modbus_rtu", temperature_unit="F") as first:
            taken = first.read_all()
        options = {"address": 2, "protocol": "modbus_rtu", "temperature_unit": "F"}
        with open_device(bus.port, **options) as second:  # type: ignore[arg-type]
            report = snapshots.restore(second, taken, confirm=True)
    assert bare.writes == [Write(9002, 4, -5.0), Write(7001, 2, 82.5)]
    assert {each.change.kind for each in report.left_out} == {"communication"}


def test_a_series_sd_is_restored_unless_its_scale_has_changed() -> None:
    options: Any = {"protocol": "modbus_rtu", "family": "sd"}
    with SimulatedBus([SimulatedSD(1)], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, **options) as ctl:
            before = ctl.read_setpoint().value
            taken = ctl.read_all()
            ctl.set_setpoint(before + 5, confirm=True)
        with open_device(bus.port, **options) as ctl:
            report = snapshots.restore(ctl, taken, confirm=True)
            assert ctl.read_setpoint().value == before
            ctl.write_parameter("communications_display_units", "C", confirm=True)
        with open_device(bus.port, **options) as ctl:
            with pytest.raises(WatlowConfigurationError, match="those of this controller in °C"):
                snapshots.restore(ctl, taken, confirm=True)
    assert [each.name for each in report.written] == ["setpoint"]


def test_a_value_with_another_unit_than_the_controllers_is_left_out(bus: SimulatedBus) -> None:
    given = snapshot(entry("setpoint", 30.0, unit=Unit.CELSIUS), temperature_unit="°F")
    with open_device(bus.port, temperature_unit="F") as ctl:
        (left_out,) = snapshots.restore(ctl, given, confirm=True).left_out
    assert left_out.reason == "its unit is °C in the snapshot and °F in the controller"
    assert bus.controllers[1].get("setpoint") == 75.0


def test_a_value_is_compared_as_the_controller_stores_it(
    unit: SimulatedController, ctl: Controller
) -> None:
    # As edited by hand: a number that no 32-bit float has, and a label in place of the code.
    edited = snapshot(
        entry("setpoint", 80.1), SnapshotEntry(8001, "control_mode", 1, "Off", "Auto")
    )
    report = snapshots.restore(ctl, edited, confirm=True)
    assert [each.name for each in report.written] == ["setpoint", "control_mode"]
    assert report.written[1].after == SnapshotEntry(8001, "control_mode", 1, 62, "Off")
    assert snapshots.plan(ctl, edited).writes == ()


def test_an_address_that_is_no_number_is_not_reported_as_written(
    unit: SimulatedController, ctl: Controller
) -> None:
    moved = snapshot(entry("standard_bus_address", "5"))
    report = snapshots.restore(ctl, moved, confirm=True, include="standard_bus_address")
    assert (report.written, unit.address) == ((), 1)
    assert "give a whole number" in report.left_out[0].reason


@pytest.mark.parametrize(
    ("setting", "code", "message"),
    [
        ("communications_display_units", 15, "is °F in the snapshot and °C"),
        ("profile_state", 149, "end the profile"),
    ],
)
def test_a_plan_is_refused_if_scale_or_profile_have_changed_since(
    unit: SimulatedController, ctl: Controller, setting: str, code: int, message: str
) -> None:
    plan = snapshots.plan(ctl, SETTINGS)
    unit.set(setting, code)
    with pytest.raises(WatlowConfigurationError, match=message):
        snapshots.carry_out(ctl, plan, confirm=True)
    assert unit.writes == []
