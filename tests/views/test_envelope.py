"""A curve of any length as few points, in which every spike and gap is left."""

from __future__ import annotations

from typing import Any

import pytest

np = pytest.importorskip("numpy")

from watlowlib.views.envelope import CAPACITY, Envelope, alone, reduced  # noqa: E402

NAN = float("nan")


def brute_force(times: Any, values: Any, width_us: int) -> set[int]:
    """The times of the first, smallest, largest and last value, and first and last gap."""
    columns: dict[int, list[tuple[int, float]]] = {}
    for time, value in zip(times.tolist(), values.tolist()):
        columns.setdefault(time // width_us, []).append((time, value))
    kept: set[int] = set()
    for points in columns.values():
        known = [point for point in points if point[1] == point[1]]
        gaps = [point for point in points if point[1] != point[1]]
        if known:
            low, high = (pick(known, key=lambda point: point[1]) for pick in (min, max))
            kept |= {known[0][0], low[0], high[0], known[-1][0]}
        if gaps:
            kept |= {gaps[0][0], gaps[-1][0]}
    return kept


@pytest.mark.parametrize("width_us", [1, 4, 64, 1 << 20])
@pytest.mark.parametrize("gaps", [0.0, 0.3, 1.0])
def test_a_column_keeps_first_smallest_largest_and_last(width_us: int, gaps: float) -> None:
    random = np.random.default_rng(seed=width_us)
    times = np.cumsum(random.integers(1, 20, 2000))
    values = random.integers(0, 50, 2000).astype(float)  # with equal extremes
    values[random.random(2000) < gaps] = NAN
    found, kept = reduced(times, values, width_us)
    assert set(found.tolist()) == brute_force(times, values, width_us)
    assert len(found) == len(set(found.tolist()))
    at = dict(zip(times.tolist(), values.tolist()))
    np.testing.assert_array_equal(kept, [at[time] for time in found.tolist()])


def test_reducing_twice_equals_reducing_once() -> None:
    random = np.random.default_rng(seed=1)
    times = np.cumsum(random.integers(1, 20, 5000))
    values = random.normal(size=5000)
    values[::7] = NAN
    once = reduced(times, values, 1024)
    np.testing.assert_array_equal(reduced(*reduced(times, values, 64), 1024), once)


def test_no_rows_have_no_points() -> None:
    assert [len(each) for each in Envelope(100).points()] == [0, 0]


def test_one_spike_among_100000_values_is_kept() -> None:
    random = np.random.default_rng(seed=2)
    times = np.arange(100_000) * 1_000_000
    values = random.normal(size=100_000)
    values[12_345] = 500.0
    envelope = Envelope(1000)
    for part in np.array_split(np.arange(100_000), 41):
        envelope.add(times[part], values[part])
    found, kept = envelope.points()
    assert kept[found == 12_345_000_000] == [500.0]
    assert len(found) <= 4 * (2 * 1000 + 1)
    width_us = 1 << 26  # the largest that has 1000 columns: 99,999 s / 1000 is 1.5 times as much
    begins = np.arange(0, 100_000 * 1_000_000, width_us)
    inside, left = np.searchsorted(times, begins), np.searchsorted(found, begins)
    for extreme in (np.minimum, np.maximum):
        np.testing.assert_array_equal(
            extreme.reduceat(values, inside), extreme.reduceat(kept, left)
        )


def test_rows_in_any_order_give_the_same_points() -> None:
    random = np.random.default_rng(seed=3)
    times = np.arange(3 * CAPACITY)
    values = random.normal(size=len(times))
    forward, backward = Envelope(300), Envelope(300)
    parts = np.array_split(np.arange(len(times)), 30)
    for part in parts:
        forward.add(times[part], values[part])
    for part in reversed(parts):
        backward.add(times[part], values[part])
    np.testing.assert_array_equal(forward.points(), backward.points())


def test_a_value_between_gaps_is_alone() -> None:
    values = np.array([1.0, NAN, 2.0, NAN, 3.0, 4.0, NAN, 5.0])
    assert alone(values).tolist() == [True, False, True, False, False, False, False, True]
