from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watlowlib.schedule import Schedule, slots

SECOND = 1_000_000_000


def test_a_tick_in_time_is_followed_by_the_next() -> None:
    schedule = Schedule(0, SECOND, None)
    assert schedule.after(4, 4 * SECOND + 300) == (5, 0)


def test_a_tick_that_runs_over_lets_the_next_begin_late() -> None:
    schedule = Schedule(0, SECOND, None)
    assert schedule.after(4, 5 * SECOND + 300) == (5, 0)


def test_slots_that_went_by_are_skipped_and_counted() -> None:
    schedule = Schedule(100, SECOND, None)
    # Tick 4 ended in the middle of slot 9: slots 5 to 8 are gone, 9 runs late.
    assert schedule.after(4, 100 + 9 * SECOND + SECOND // 2) == (9, 4)


def test_skipping_ends_with_the_last_slot() -> None:
    schedule = Schedule(0, SECOND, 7)
    assert schedule.after(4, 100 * SECOND) == (7, 2)


@given(
    period=st.integers(1, 10**10),
    ends=st.lists(st.floats(0.0, 20.0), min_size=1, max_size=50),
)
def test_every_slot_is_served_or_skipped_and_none_twice(period: int, ends: list[float]) -> None:
    schedule = Schedule(0, period, None)
    tick, served, skipped_altogether = 0, [], 0
    now = 0
    for lasting in ends:
        served.append(tick)
        now = max(now, schedule.due_ns(tick)) + int(lasting * period)
        tick, skipped = schedule.after(tick, now)
        skipped_altogether += skipped
        # The slot that is served next has not gone by.
        assert now < schedule.due_ns(tick + 1)
    assert served == sorted(set(served))
    assert tick == len(served) + skipped_altogether


@pytest.mark.parametrize(
    ("rate_hz", "duration_s", "ticks"),
    [(2.0, 10.0, 20), (3.0, 10.0, 30), (1.0, 1.2, 2), (10.0, 0.3, 3), (0.1, 5.0, 1), (0.3, 10, 3)],
)
def test_how_many_slots_a_duration_has(rate_hz: float, duration_s: float, ticks: int) -> None:
    assert slots(rate_hz, duration_s)[1] == ticks


def test_no_duration_has_no_end() -> None:
    assert slots(4.0, None) == (250_000_000, None)
