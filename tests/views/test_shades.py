"""Intervals of gaps, alarms and pauses."""

from __future__ import annotations

from typing import Any

import pytest

np = pytest.importorskip("numpy")

from watlowlib.views.shades import LIMIT, Intervals, Pauses, Runs, joined  # noqa: E402


def intervals(found: list[tuple[int, Any, Any]]) -> list[tuple[int, int, int]]:
    return sorted(
        (begin, end, int(code))
        for code, begins, ends in found
        for begin, end in zip(begins.tolist(), ends.tolist())
    )


@pytest.mark.parametrize("parts", [1, 2, 4, 8])
def test_a_run_lasts_until_the_next_row(parts: int) -> None:
    times = np.arange(8) * 10
    codes = np.array([0, 1, 1, 2, 0, 0, 1, 1])
    runs = Runs()
    found = []
    for part in np.array_split(np.arange(8), parts):
        found += runs.add(times[part], codes[part])
    assert intervals(found) == [(10, 30, 1), (30, 40, 2)]
    assert intervals(runs.finish()) == [(60, 70, 1)]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_a_pause_is_much_longer_than_the_times_before_and_after(size: int) -> None:
    # A missed tick and a lower rate are no pauses.
    times = np.cumsum([5] * 10 + [500] + [5] * 10 + [15] + [5] * 3 + [60] * 10 + [5] * 3)
    pauses = Pauses()
    found = [pauses.add(times[at : at + size]) for at in range(0, len(times), size)]
    assert [each.tolist() for each in map(np.concatenate, zip(*found))] == [[50], [550]]


def test_intervals_are_joined_if_they_are_near() -> None:
    begins, ends = np.array([30, 0, 5, 45]), np.array([40, 20, 10, 50])
    assert [each.tolist() for each in joined(begins, ends, 4)] == [[0, 30, 45], [20, 40, 50]]
    assert [each.tolist() for each in joined(begins, ends, 5)] == [[0, 30], [20, 50]]


def test_the_number_of_intervals_is_limited_without_a_loss_of_time() -> None:
    kept = Intervals(100)
    for start in range(0, 5 * LIMIT, LIMIT):
        begins = np.arange(start, start + LIMIT) * 10
        kept.add(begins, begins + 1)
    begins, ends = kept.intervals(0)
    assert len(begins) <= LIMIT
    assert (begins[0], ends[-1]) == (0, 5 * LIMIT * 10 - 9)
