"""How long a simulated controller takes to answer."""

from __future__ import annotations

import random

import pytest

from watlowlib import WatlowConfigurationError
from watlowlib.simulator.turnaround import LIKE_A_PM3, Turnaround


def drawn(given: object, count: int = 10_000) -> list[float]:
    turnaround = Turnaround(given, random.Random(1))
    return [turnaround.draw_s() for _ in range(count)]


def test_a_pm3_is_uneven_and_now_and_then_slow() -> None:
    times_s = drawn(LIKE_A_PM3)
    slow_s = [each for each in times_s if each > 0.04]
    assert 50 < len(slow_s) < 200  # one in a hundred
    assert 0.002 <= min(times_s) < 0.003
    assert max(each for each in times_s if each <= 0.04) > 0.039
    assert 0.2 < max(times_s) <= 0.25


def test_two_numbers_are_without_slow_ones_and_one_is_always_the_same() -> None:
    assert 0.2 <= min(drawn((0.2, 0.3))) < max(drawn([0.2, 0.3])) <= 0.3
    assert set(drawn(0.2)) == {0.2}
    assert set(drawn(0)) == {0.0}


@pytest.mark.parametrize(
    "given", [(), (0.1,), (0.2, 0.1), (0.1, 0.2, 0.1), (0, 1, 2, 3), -0.1, "fast", (0.1, None)]
)
def test_turnarounds_that_cannot_be(given: object) -> None:
    with pytest.raises(WatlowConfigurationError, match="least and the most seconds"):
        Turnaround(given, random.Random(1))
