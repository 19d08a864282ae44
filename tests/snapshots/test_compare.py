"""The differences between two snapshots."""

from __future__ import annotations

import pytest

from tests.snapshots.settings import entry, snapshot
from watlowlib import snapshots
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import Unit
from watlowlib.snapshots import SnapshotEntry

A = snapshot(
    entry("setpoint", 75.0),
    entry("heat_algorithm", 71),
    entry("process_value", 70.0),
    entry(9001, 1.0),
)
B = snapshot(
    entry("setpoint", 80.0),
    entry("heat_algorithm", 71),
    entry("process_value", 71.0),
    entry(9002, 2.0),
)


def test_settings_that_differ_are_listed_by_number() -> None:
    found = snapshots.diff(A, B)
    assert [(each.name, each.kind) for each in found] == [
        ("setpoint", "setpoint"),
        ("alarm_high_setpoint", "alarm"),
        ("alarm_low_setpoint", "alarm"),
    ]
    pairs = [(each.before and each.before.value, each.after and each.after.value) for each in found]
    assert pairs == [(75.0, 80.0), (1.0, None), (None, 2.0)]


def test_state_is_compared_on_request() -> None:
    names = [each.name for each in snapshots.diff(A, B, state=True)]
    assert names == ["process_value", "setpoint", "alarm_high_setpoint", "alarm_low_setpoint"]


def test_equal_snapshots_have_no_differences() -> None:
    assert snapshots.diff(A, A, state=True) == ()


@pytest.mark.parametrize(
    ("unit", "differences"), [(None, 0), (Unit.CELSIUS, 0), (Unit.FAHRENHEIT, 1)]
)
def test_a_unit_counts_where_both_are_known(unit: Unit | None, differences: int) -> None:
    celsius = snapshot(entry("setpoint", 75.0, unit=Unit.CELSIUS))
    assert len(snapshots.diff(celsius, snapshot(entry("setpoint", 75.0, unit=unit)))) == differences


def test_a_parameter_of_a_later_version_is_shown() -> None:
    later = snapshot(SnapshotEntry(99001, "afterburner", 1, 5))
    (change,) = snapshots.diff(snapshot(), later)
    assert (change.name, change.kind) == ("afterburner", "unknown")


def test_other_families_are_not_compared() -> None:
    with pytest.raises(WatlowConfigurationError, match="pm and sd"):
        snapshots.diff(A, snapshot(family="sd"))
