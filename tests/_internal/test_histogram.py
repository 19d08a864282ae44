from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from watlowlib._internal.histogram import Histogram

LONGEST_NS = 2**63


@given(
    durations=st.lists(st.integers(0, LONGEST_NS), min_size=1, max_size=200),
    percent=st.floats(0.0, 100.0),
)
def test_a_percentile_is_never_too_low_and_at_most_a_64th_too_high(
    durations: list[int], percent: float
) -> None:
    histogram = Histogram()
    for each in durations:
        histogram.add(each)
    exact = sorted(durations)[max(0, math.ceil(len(durations) * percent / 100) - 1)]
    assert exact <= histogram.percentile_ns(percent) <= exact + exact // 64


def test_short_and_lone_ones_are_exact() -> None:
    histogram = Histogram()
    for each in (5, 63, 64, 127):
        histogram.add(each)
    assert [histogram.percentile_ns(p) for p in (25, 50, 75, 100)] == [5, 63, 64, 127]
    lone = Histogram()
    lone.add(16_234_567)
    assert lone.percentile_ns(50) == 16_234_567


def test_nothing_is_nothing() -> None:
    assert Histogram().percentile_ns(99) == 0


def test_it_does_not_grow_with_what_is_in_it() -> None:
    histogram = Histogram()
    for octave in range(64):
        for part in range(1000):
            histogram.add((1 << octave) + ((1 << octave) * part) // 1000)
    assert len(histogram) < 4000
