"""Conditions: what is a condition, and for which samples it holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sinks.samples import FIRST
from watlowlib import WatlowConfigurationError
from watlowlib.rules.condition import Condition, parse_condition

OK = replace(FIRST, value=250.0)
GAP = replace(FIRST, value=None, status="timeout")
BROKEN = replace(FIRST, value=250.0, status="sensor_error")


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("top.pv > 250", Condition("top", "pv", 1, False, ">", 250.0, 0.0)),
        ("top.pv>250", Condition("top", "pv", 1, False, ">", 250.0, 0.0)),
        (" top.4001:2 <= -1e3 for 10 s ", Condition("top", 4001, 2, False, "<=", -1000.0, 10.0)),
        ('"oven 1.5".pv == 0 for 1.5min', Condition("oven 1.5", "pv", 1, False, "==", 0.0, 90.0)),
        ("rig@1.pv != 1 for 500 ms", Condition("rig@1", "pv", 1, False, "!=", 1.0, 0.5)),
        ("top.status != ok for 2 h", Condition("top", None, 1, True, "!=", "ok", 7200.0)),
        ("top.pv:2.status == crc", Condition("top", "pv", 2, True, "==", "crc", 0.0)),
    ],
)
def test_a_condition_is_parsed(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "give DEVICE.PARAMETER > NUMBER for TIME"),
        ("top.pv", "give DEVICE.PARAMETER > NUMBER for TIME"),
        ("top.pv > 250 during 10 s", "give DEVICE.PARAMETER > NUMBER for TIME"),
        ("top.pv > 250 or top.pv < 1", "give DEVICE.PARAMETER > NUMBER for TIME"),
        ("top > 250", "'top' has no parameter"),
        ("top.pv => 250", "no operator '=>' here; give one of <= >= == != < >"),
        ("top.status > ok", "no operator '>' here; give one of == !="),
        ("top.pv > warm", "'warm' is not a number"),
        ("top.pv > nan", "'nan' is not a number"),
        ("top.pv > 1 for 10", "give a time such as 500 ms, 10 s"),
        ("top.pv > 1 for 10 days", "give a time such as 500 ms, 10 s"),
        ("top.pv > 1 for 0 s", "give a time such as 500 ms, 10 s"),
        ("top.pv > 1 for 25 h", "up to 24 h"),
        ("top.status != okay", "did you mean 'ok'?"),
        ("top.status != timeouts", "did you mean 'timeout'?"),
    ],
)
def test_what_is_not_a_condition_is_refused_with_what_to_give(text: str, message: str) -> None:
    with pytest.raises(WatlowConfigurationError) as caught:
        parse_condition(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [
        ("<", True, False, False), ("<=", True, True, False), ("==", False, True, False),
        ("!=", True, False, True), (">=", False, True, True), (">", False, False, True),
    ],
)  # fmt: skip
def test_numbers_with_the_digits_of_the_wire_are_equal(
    operator: str, below: bool, equal: bool, above: bool
) -> None:
    condition = parse_condition(f"top.pv {operator} 75.1")
    for value, expected in ((75.0, below), (75.0999984741211, equal), (75.2, above)):
        assert condition.holds([replace(OK, value=value)]) is expected


def test_a_gap_or_a_value_of_a_broken_sensor_is_not_known() -> None:
    condition = parse_condition("top.pv > 100")
    assert [condition.holds([each]) for each in (OK, GAP, BROKEN)] == [True, None, None]


def test_the_status_of_a_controller_is_ok_if_one_read_is() -> None:
    condition = parse_condition("top.status != ok")
    assert condition.holds([GAP, OK]) is False
    assert condition.holds([GAP, BROKEN]) is True
    assert parse_condition("top.status == timeout").holds([GAP, BROKEN]) is True
    assert parse_condition("top.status == sensor_error").holds([GAP, BROKEN]) is False
