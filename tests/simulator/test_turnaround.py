"""The turnaround of a simulated controller."""

from __future__ import annotations

import random

import pytest

from watlowlib import WatlowConfigurationError
from watlowlib.simulator.turnaround import PM3_TURNAROUND_S, Turnaround


def drawn(seconds: object, count: int = 10_000) -> list[float]:
    turnaround = Turnaround(seconds, random.Random(1))
    return [turnaround.draw_s() for _ in range(count)]


def test_pm3_turnaround_varies_and_one_percent_is_slow() -> None:
    times_s = drawn(PM3_TURNAROUND_S)
    slow_s = [each for each in times_s if each > 0.04]
    assert 50 < len(slow_s) < 200  # 1 %
    assert 0.002 <= min(times_s) < 0.003
    assert max(each for each in times_s if each <= 0.04) > 0.039
    assert 0.2 < max(times_s) <= 0.25


def test_two_numbers_have_no_slow_replies_and_one_number_is_constant() -> None:
    assert 0.2 <= min(drawn((0.2, 0.3))) < max(drawn([0.2, 0.3])) <= 0.3
    assert set(drawn(0.2)) == {0.2}
    assert set(drawn(0)) == {0.0}


@pytest.mark.parametrize(
    "seconds", [(), (0.1,), (0.2, 0.1), (0.1, 0.2, 0.1), (0, 1, 2, 3), -0.1, "fast", (0.1, None)]
)
def test_invalid_turnarounds_are_rejected(seconds: object) -> None:
    with pytest.raises(
        WatlowConfigurationError, match=r"give one number, \(minimum, maximum\) or .*, in seconds"
    ):
        Turnaround(seconds, random.Random(1))
