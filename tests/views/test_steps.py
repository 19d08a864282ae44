"""Step responses, compared with the formulas of a second-order system."""

from __future__ import annotations

import math
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from watlowlib.views.steps import largest_change, measure  # noqa: E402

NAN = float("nan")


def second_order(times_s: Any, damping: float, omega: float) -> Any:
    """The response of an underdamped second-order system to a step from 0 to 1."""
    damped = omega * math.sqrt(1.0 - damping**2)
    phase = math.acos(damping)
    envelope = np.exp(-damping * omega * times_s) / math.sqrt(1.0 - damping**2)
    return 1.0 - envelope * np.sin(damped * times_s + phase)


def root(function: Any, low: float, high: float) -> float:
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if function(middle) * function(low) > 0 else (low, middle)
    return low


@pytest.mark.parametrize("damping", [0.2, 0.5, 0.7])
@pytest.mark.parametrize(("start", "target"), [(0.0, 1.0), (20.0, 120.0), (150.0, 70.0)])
def test_a_second_order_response_matches_the_formulas(
    damping: float, start: float, target: float
) -> None:
    omega, way = 0.05, target - start
    damped = omega * math.sqrt(1.0 - damping**2)
    times_s = np.arange(0.0, 3000.0, 0.5)
    values = start + way * second_order(times_s, damping, omega)
    found = measure(times_s, values, target, start, 0.02 * abs(way))
    overshoot = math.exp(-math.pi * damping / math.sqrt(1.0 - damping**2))
    assert found["overshoot"] == pytest.approx(abs(way) * overshoot, rel=1e-3)
    assert found["peak_s"] == pytest.approx(math.pi / damped, abs=0.5)
    for name, level in (("rise_begin_s", 0.1), ("rise_end_s", 0.9)):
        exact = root(lambda s, x=level: second_order(s, damping, omega) - x, 0.0, found["peak_s"])
        assert found[name] == pytest.approx(exact, abs=0.05)
    fine = np.arange(0.0, 3000.0, 0.01)
    outside = fine[np.abs(second_order(fine, damping, omega) - 1.0) > 0.02]
    assert found["settled_s"] == pytest.approx(outside[-1], abs=0.2)
    assert found["steady_deviation"] == pytest.approx(0.0, abs=1e-3 * abs(way))


def test_a_slow_response_has_no_overshoot() -> None:
    times_s = np.arange(0.0, 1000.0)
    found = measure(times_s, 100.0 * (1.0 - np.exp(-times_s / 100.0)), 100.0, 0.0, 2.0)
    assert (found["overshoot"], found["peak_s"]) == (0.0, None)
    assert found["settled_s"] == pytest.approx(100.0 * math.log(50.0), abs=0.1)
    assert found["rise_end_s"] == pytest.approx(100.0 * math.log(10.0), abs=0.1)


def test_a_response_beside_the_set_point_is_steady_but_not_settled() -> None:
    times_s = np.arange(0.0, 1000.0)
    found = measure(times_s, 95.0 * (1.0 - np.exp(-times_s / 50.0)), 100.0, 0.0, 2.0)
    assert found["settled_s"] is None
    assert found["steady_deviation"] == pytest.approx(-5.0, abs=1e-3)


def test_a_response_that_has_not_ended_has_no_figures() -> None:
    times_s = np.arange(0.0, 50.0)
    found = measure(times_s, times_s.copy(), 100.0, 0.0, 2.0)
    assert (found["rise_end_s"], found["settled_s"], found["peak_s"]) == (None, None, None)
    assert found["rise_begin_s"] == pytest.approx(10.0)
    found = measure(times_s, 40.0 + times_s, 100.0, 40.0, 0.5)
    assert found["steady_deviation"] is None


def test_the_largest_change_is_chosen_and_of_equal_ones_the_last() -> None:
    setpoints = np.array([10.0, 10.0, NAN, 30.0, 30.0, 10.0, NAN, 10.0, 15.0, 15.0])
    assert largest_change(np.arange(10), setpoints) == (4, 5, 7)
    assert largest_change(np.arange(4), setpoints[:4]) == (1, 3, 3)
    assert largest_change(np.arange(2), setpoints[:2]) is None
    assert largest_change(np.arange(1), np.array([NAN])) is None
