"""The simulated oven and its PID loop."""

from __future__ import annotations

import math
import statistics

import pytest

from watlowlib.simulator.oven import STEP_S, Oven, PidLoop, Tuning


def steps(seconds: float) -> range:
    return range(round(seconds / STEP_S))


def noiseless_oven(**changes: float) -> Oven:
    return Oven(**{"noise": 0.0, **changes})  # type: ignore[arg-type]


def test_full_power_gives_63_percent_of_the_rise_in_one_time_constant() -> None:
    oven = noiseless_oven(ambient=70.0, rise=400.0, lag_s=30.0, dead_time_s=0.1)
    for _ in steps(30.0):
        oven.step(100.0)
    assert oven.temperature == pytest.approx(70.0 + 400.0 * (1 - math.exp(-1)), rel=0.01)


def test_power_has_no_effect_during_the_dead_time() -> None:
    oven = noiseless_oven(dead_time_s=2.0)
    for _ in steps(2.0):
        oven.step(100.0)
    assert oven.temperature == oven.ambient
    oven.step(100.0)
    assert oven.temperature > oven.ambient


def test_the_same_seed_gives_the_same_measurements() -> None:
    one, two, other = Oven(seed=1), Oven(seed=1), Oven(seed=2)
    measured = [[oven.step(50.0) or oven.measured for _ in range(50)] for oven in (one, two, other)]
    assert measured[0] == measured[1] != measured[2]


def test_the_noise_has_the_given_standard_deviation() -> None:
    oven = Oven(noise=0.5, seed=4)
    errors = []
    for _ in range(3000):
        oven.step(0.0)
        errors.append(oven.measured - oven.temperature)
    assert statistics.pstdev(errors) == pytest.approx(0.5, rel=0.1)
    assert statistics.fmean(errors) == pytest.approx(0.0, abs=0.05)


def test_a_set_point_is_reached_and_held() -> None:
    oven, pid, tuning = noiseless_oven(), PidLoop(), Tuning(setpoint=250.0)
    highest = 0.0
    for _ in steps(1800.0):
        oven.step(pid.step(oven.measured, tuning))
        highest = max(highest, oven.temperature)
    assert oven.temperature == pytest.approx(250.0, abs=0.5)
    assert highest < 260.0
    # The steady power is (250 - 72) / 500 of full power.
    assert pid.power == pytest.approx(35.6, abs=1.0)


def test_the_power_is_limited_to_0_and_100_percent() -> None:
    pid = PidLoop()
    assert pid.step(72.0, Tuning(setpoint=400.0)) == 100.0
    assert pid.step(500.0, Tuning(setpoint=400.0)) == 0.0
