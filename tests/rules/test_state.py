"""When a rule fires: on the times of the slots alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.sinks.samples import FIRST, START
from watlowlib import Rule, Sample
from watlowlib.registry.parameters import PARAMETERS
from watlowlib.rules.state import Change, RuleState


def state_of(when: str) -> RuleState:
    return RuleState(Rule("hot", when), lambda name: PARAMETERS)


def at(second: float, value: float | None, status: str = "ok") -> Sample:
    """Return the sample of a slot; it was received at another time, which must not matter."""
    return replace(
        FIRST, value=value, status=status, tick=round(second),
        scheduled_at=START + timedelta(seconds=second),
        received_at=START + timedelta(seconds=1000 - second),
    )  # fmt: skip


def changes(state: RuleState, values: Iterable[tuple[float, float | None]]) -> list[object]:
    """Return the slots at which the rule fired, and pairs: where it ended, how long it held."""
    found: list[object] = []
    for second, value in values:
        change = state.feed([at(second, value, "ok" if value is not None else "timeout")])
        if change is not None:
            found.append(second if change.fired else (second, change.held_s))
    return found


def test_a_rule_fires_once_per_crossing() -> None:
    state = state_of("oven_top.pv > 100")
    assert state.state == "unknown"
    values = [(0, 99.0), (1, 101.0), (2, 102.0), (3, None), (4, 103.0), (70, 100.0), (71, 101.0)]
    assert changes(state, values) == [1, (70, 69.0), 71]
    assert (state.state, state.firings) == ("active", 2)
    assert state.last_fired == START + timedelta(seconds=1000 - 71)


def test_the_condition_must_hold_in_all_samples_of_the_time() -> None:
    state = state_of("oven_top.pv > 100 for 10 s")
    assert changes(state, [(0, 101.0), (9, 101.0), (9.5, 100.0), (10, 101.0)]) == []
    assert state.state == "waiting"
    assert changes(state, [(19.9, 101.0), (20, 101.0)]) == [20]


def test_the_time_goes_on_through_gaps_of_a_tenth_of_it() -> None:
    state = state_of("oven_top.pv > 100 for 10 s")
    assert changes(state, [(0, 101.0), (5, None), (5.5, None)]) == []
    assert state.state == "unknown"
    assert changes(state, [(6, 101.0), (8, None), (9, 101.0), (9.5, None), (10, None)]) == []
    assert changes(state, [(10.5, 101.0), (12, 99.0)]) == [10.5, (12, 12.0)]


def test_the_time_starts_again_after_a_longer_gap() -> None:
    state = state_of("oven_top.pv > 100 for 10 s")
    assert changes(state, [(0, 101.0), (5, None), (5.5, None), (6.1, 101.0)]) == []
    assert changes(state, [(16, 101.0), (16.1, 101.0)]) == [16.1]


def test_a_condition_that_is_false_after_a_gap_starts_the_time_again() -> None:
    state = state_of("oven_top.pv > 100 for 10 s")
    assert changes(state, [(0, 101.0), (5, None), (5.5, 99.0), (6, 101.0), (15, 101.0)]) == []
    assert changes(state, [(16, 101.0)]) == [16]


def test_one_read_of_twenty_that_fails_does_not_prevent_a_long_time() -> None:
    state = state_of("oven_top.pv > 100 for 10 s")
    reads = [(n / 10, None if n % 20 == 7 else 101.0) for n in range(150)]
    assert changes(state, reads) == [10]


def test_the_time_starts_again_after_another_controller() -> None:
    state = state_of("oven_top.pv > 100 for 10 s")
    other = at(5.1, None, "other_device")
    assert state.feed([at(0, 101.0)]) is None
    assert state.feed([other]) is None
    assert changes(state, [(5.2, 101.0), (15.1, 101.0), (15.2, 101.0)]) == [15.2]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_a_finite_number_is_a_gap(value: float) -> None:
    for operator in (">", "<", "!="):
        state = state_of(f"oven_top.pv {operator} 100")
        assert state.feed([at(0, value)]) is None
        assert state.state == "unknown"


def test_the_time_starts_again_after_missed_samples() -> None:
    state = state_of("oven_top.pv > 100 for 10 s")
    assert changes(state, [(0, 101.0)]) == []
    state.forget()
    assert changes(state, [(10, 101.0), (20, 101.0)]) == [20]


def test_a_rule_fires_at_most_once_a_minute_and_says_what_it_left_out() -> None:
    state = state_of("oven_top.pv > 100")
    crossings = [(n, 101.0 if n % 2 else 99.0) for n in range(1, 60)]
    assert changes(state, crossings) == [1, (2, 1.0)]
    change = state.feed([at(61, 101.0)])  # it holds since 59
    assert change == Change(at(61, 101.0), 101.0, True, missed=28)
    assert state.feed([at(62, 99.0)]) == Change(at(62, 99.0), 99.0, False, held_s=3.0)


def test_a_condition_that_still_holds_after_the_minute_fires_then() -> None:
    state = state_of("oven_top.pv > 100")
    assert changes(state, [(0, 101.0), (1, 99.0), (2, 101.0), (59.9, 101.0)]) == [0, (1, 1.0)]
    assert changes(state, [(60, 101.0), (61, 101.0)]) == [60]


def test_reads_that_were_left_out_are_ignored() -> None:
    state = state_of("oven_top.pv > 100 for 2 s")
    silent = state_of("oven_top.status != ok for 2 s")
    samples = [at(0, 101.0), at(1, None, "busy"), at(2, 101.0), at(3, None, "busy")]
    assert [state.feed([each]) is not None for each in samples] == [False, False, True, False]
    samples += [at(4, None, "busy"), at(5, None, "stopped"), at(6, None, "busy")]
    # A port that stays busy is not ok.
    assert [silent.feed([each]) is not None for each in samples] == [False] * 6 + [True]


def test_other_samples_are_ignored() -> None:
    state = state_of("oven_top.pv > 100")
    state.after_tick = 4
    others = [
        replace(at(9, 101.0), device="oven_bot"),
        replace(at(9, 101.0), instance=2),
        replace(at(9, 101.0), parameter_id=7001),
    ]
    assert state.feed(others) is None
    assert state.feed([at(4, 101.0)]) is None
    assert state.state == "unknown"
    assert state.feed([*others, at(5, 101.0)]) == Change(at(5, 101.0), 101.0, True)
