"""The kind of each parameter: what is restored, and when."""

from __future__ import annotations

import pytest

from watlowlib.devices.values import COMMUNICATION_SETTINGS, NEEDS_CONFIRM, ONE_SHOT_REQUESTS
from watlowlib.registry.parameters import PARAMETERS, SD_PARAMETERS, ParameterSpec
from watlowlib.snapshots.kinds import NAMED_ONLY, ORDER, kind_of

ALL: list[ParameterSpec] = [*PARAMETERS, *SD_PARAMETERS]
BY_NUMBER = {spec.number: spec for spec in PARAMETERS}
PLACES = [
    ("sensor", "input_sensor_type"),
    ("limit", "limit_high_setpoint"),
    ("limit", "setpoint_maximum"),
    ("alarm", "alarm_high_setpoint"),
    ("setpoint", "setpoint"),
    ("control_mode", "control_mode"),
]


def test_every_parameter_has_a_kind() -> None:
    assert {kind_of(spec) for spec in ALL} == {*ORDER, "state"}


def test_read_only_parameters_and_actions_are_never_written() -> None:
    for number in (*NEEDS_CONFIRM, *ONE_SHOT_REQUESTS):
        assert kind_of(BY_NUMBER[number]) == "state", number
    for spec in ALL:
        if not spec.writable:
            assert kind_of(spec) == "state", spec.name


@pytest.mark.parametrize(
    "name", ["profile_start", "clock_hours", "assembly_value_1", "profile_event_1", "output_power"]
)
def test_what_changes_by_itself_is_state(name: str) -> None:
    registry = SD_PARAMETERS if name == "output_power" else PARAMETERS
    assert kind_of(registry.resolve(name)) == "state"


def test_every_other_stored_parameter_is_a_setting() -> None:
    state = {spec.name for spec in ALL if spec.persistent and kind_of(spec) == "state"}
    assert {name for name in state if not name.startswith("assembly_value_")} == {"profile_start"}


def test_communication_lock_and_calibration_must_be_named() -> None:
    names = "input_calibration_offset display_read_lock display_write_security protocol"
    for name in (*names.split(), *set().union(*COMMUNICATION_SETTINGS.values())):
        assert kind_of(PARAMETERS.resolve(name)) in NAMED_ONLY, name


def test_sensor_and_limits_come_first_and_the_control_mode_last() -> None:
    assert [kind_of(PARAMETERS.resolve(name)) for _, name in PLACES] == [kind for kind, _ in PLACES]
    places = [ORDER.index(kind) for kind, _ in PLACES]
    assert places == sorted(places)
    assert {*ORDER[ORDER.index("control_mode") + 1 :]} <= NAMED_ONLY
