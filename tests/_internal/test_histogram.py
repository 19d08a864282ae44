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
def test_percentile_is_never_too_low_and_at_most_a_64th_too_high(
    durations: list[int], percent: float
) -> None:
    histogram = Histogram()
    for duration_ns in durations:
        histogram.add(duration_ns)
    exact = sorted(durations)[max(0, math.ceil(len(durations) * percent / 100) - 1)]
    assert exact <= histogram.percentile_ns(percent) <= exact + exact // 64


def test_short_and_single_durations_are_exact() -> None:
    histogram = Histogram()
    for duration_ns in (5, 63, 64, 127):
        histogram.add(duration_ns)
    assert [histogram.percentile_ns(p) for p in (25, 50, 75, 100)] == [5, 63, 64, 127]
    single = Histogram()
    single.add(16_234_567)
    assert single.percentile_ns(50) == 16_234_567


def test_percentile_of_no_durations_is_zero() -> None:
    assert Histogram().percentile_ns(99) == 0


def test_number_of_buckets_is_bounded() -> None:
    histogram = Histogram()
    for octave in range(64):
        for part in range(1000):
            histogram.add((1 << octave) + ((1 << octave) * part) // 1000)
    assert len(histogram) < 4000
