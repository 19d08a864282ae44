from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watlowlib.streaming.schedule import Schedule, Slots

SECOND = 1_000_000_000


def make_schedule(*rates_hz: float, start_ns: int = 0, duration_s: float | None = None) -> Schedule:
    return Schedule(start_ns, [Slots(hz, duration_s) for hz in rates_hz])


def take_all(schedule: Schedule, until_ns: int) -> list[tuple[int, tuple[int, ...]]]:
    """Take every tick up to `until_ns` on time; return their times and rates."""
    ticks = []
    while (due_ns := schedule.next_ns()) is not None and due_ns <= until_ns:
        rates, late_ns = schedule.take(due_ns)
        assert late_ns == 0
        assert schedule.skip(due_ns) == [0] * len(schedule._rates)
        ticks.append((due_ns, rates))
    return ticks


def test_an_on_time_tick_is_followed_by_the_next() -> None:
    schedule = make_schedule(1.0, start_ns=100)
    assert take_all(schedule, 4 * SECOND) == [(100 + n * SECOND, (0,)) for n in range(4)]
    assert schedule.skip(3 * SECOND + 300) == [0]
    assert schedule.next_ns() == 100 + 4 * SECOND


def test_a_tick_longer_than_a_period_delays_the_next() -> None:
    schedule = make_schedule(1.0)
    take_all(schedule, 4 * SECOND)
    assert schedule.skip(5 * SECOND + 300) == [0]
    assert schedule.take(5 * SECOND + 300) == ((0,), 300)
    assert schedule.next_ns() == 6 * SECOND


def test_passed_slots_are_skipped_and_counted() -> None:
    schedule = make_schedule(1.0, start_ns=100)
    take_all(schedule, 4 * SECOND + 100)
    # Tick 4 ended in the middle of slot 9: slots 5 to 8 are skipped, slot 9 is late.
    now_ns = 100 + 9 * SECOND + SECOND // 2
    assert schedule.skip(now_ns) == [4]
    assert schedule.take(now_ns) == ((0,), SECOND // 2)


def test_skip_stops_at_the_last_slot() -> None:
    schedule = make_schedule(1.0, duration_s=7.0)
    take_all(schedule, 4 * SECOND)
    assert schedule.skip(100 * SECOND) == [2]
    assert schedule.take(100 * SECOND) == ((), 0)
    assert schedule.next_ns() is None


def test_rates_due_at_the_same_instant_share_one_tick() -> None:
    # The slots of 3 Hz are at thirds of a second, those of 2 Hz at halves.
    assert take_all(make_schedule(3.0, 2.0), SECOND) == [
        (0, (0, 1)),
        (333_333_333, (0,)),
        (500_000_000, (1,)),
        (666_666_666, (0,)),
        (SECOND, (0, 1)),
    ]


def test_ticks_are_numbered_in_order_without_gaps() -> None:
    schedule = make_schedule(3.0, 2.0, 0.2, start_ns=100)
    due_ns = [each for each, _ in take_all(schedule, 100 + 2 * SECOND)]
    assert [schedule.number(each) for each in due_ns] == list(range(9))


def test_skipped_ticks_leave_out_their_numbers() -> None:
    schedule = make_schedule(10.0, 1.0)
    take_all(schedule, 0)
    schedule.skip(7 * SECOND // 10 + 5)  # slots 1 to 6 of 10 Hz
    assert schedule.next_ns() == 7 * SECOND // 10
    assert schedule.number(7 * SECOND // 10) == 7


@given(st.lists(st.sampled_from([0.1, 0.3, 1.0, 2.0, 3.0, 7.0, 10.0]), min_size=1, max_size=6))
def test_the_number_of_a_tick_counts_the_instants_before_it(rates_hz: list[float]) -> None:
    schedule = make_schedule(*rates_hz)
    exact_hz = [Fraction(str(hz)) for hz in rates_hz]
    instants = sorted({n / hz for hz in exact_hz for n in range(int(12 * hz) + 1)})
    for number, seconds in enumerate(instants):
        assert schedule.number(int(seconds * SECOND)) == number


def test_rates_still_coincide_after_a_weekend() -> None:
    weekend_ns = 3 * 24 * 3600 * SECOND
    schedule = make_schedule(3.0, 7.0, 0.2)
    schedule.skip(weekend_ns - 1)
    assert schedule.take(weekend_ns - 1)[0] == (0, 1, 2)  # the current slots
    assert schedule.next_ns() == weekend_ns
    assert schedule.take(weekend_ns) == ((0, 1, 2), 0)


def test_a_long_tick_skips_only_the_passed_slots_of_each_rate() -> None:
    schedule = make_schedule(10.0, 0.5)
    assert schedule.take(0) == ((0, 1), 0)
    # The first tick takes 0.75 s: six slots of 10 Hz are skipped, none of 0.5 Hz.
    assert schedule.skip(750_000_000) == [6, 0]
    assert schedule.take(750_000_000) == ((0,), 50_000_000)


@given(
    rates=st.lists(st.integers(1, 1000).map(lambda n: n / 7), min_size=1, max_size=4, unique=True),
    duration_s=st.floats(0.1, 3.0),
    durations_ns=st.lists(st.integers(0, SECOND // 3), min_size=1, max_size=30),
)
def test_every_slot_is_taken_or_skipped_exactly_once(
    rates: list[float], duration_s: float, durations_ns: list[int]
) -> None:
    slots = [Slots(hz, duration_s) for hz in rates]
    schedule = Schedule(0, slots)
    counts = [0] * len(rates)
    skipped = [0] * len(rates)
    now_ns, n = 0, 0
    while (due_ns := schedule.next_ns()) is not None:
        now_ns = max(now_ns, due_ns)
        due, late_ns = schedule.take(now_ns)
        assert due
        for number in due:
            # The slot that is taken is due, and the one after it is not.
            slot = counts[number] + skipped[number]
            assert 0 <= now_ns - slots[number].due_ns(slot) <= late_ns
            assert now_ns < slots[number].due_ns(slot + 1)
            counts[number] += 1
        now_ns += durations_ns[n % len(durations_ns)]
        skipped = [sum(both) for both in zip(skipped, schedule.skip(now_ns))]
        n += 1
    assert [sum(both) for both in zip(counts, skipped)] == [each.count for each in slots]


@given(numerator=st.integers(1, 1000), denominator=st.integers(1, 40), slot=st.integers(0, 10**7))
def test_a_slot_is_due_at_n_periods_to_the_nanosecond(
    numerator: int, denominator: int, slot: int
) -> None:
    slots = Slots(numerator / denominator, None)
    exact = slot * Fraction(SECOND * denominator, numerator)
    assert slots.due_ns(slot) == int(exact)
    assert slots.current(slots.due_ns(slot)) == slot
    assert slots.current(slots.due_ns(slot) - 1) == slot - 1


@pytest.mark.parametrize(
    ("rate_hz", "duration_s", "count"),
    [(2.0, 10.0, 20), (3.0, 10.0, 30), (1.0, 1.2, 2), (10.0, 0.3, 3), (0.1, 5.0, 1), (0.3, 10, 3)],
)
def test_slot_count_of_a_duration(rate_hz: float, duration_s: float, count: int) -> None:
    assert Slots(rate_hz, duration_s).count == count


@pytest.mark.parametrize(
    ("rate_hz", "duration_s", "count"),
    [(50.0, 1.1, 55), (100.0, 0.07, 7), (50.0, 4.9, 245), (50.0, 16.1, 805)],
)
def test_a_rounding_error_of_the_duration_adds_no_slot(
    rate_hz: float, duration_s: float, count: int
) -> None:
    assert rate_hz * duration_s > count
    assert Slots(rate_hz, duration_s).count == count


def test_a_hundredth_of_a_slot_more_adds_a_slot() -> None:
    assert Slots(10.0, 1.001).count == 11


def test_slots_without_duration_have_no_end() -> None:
    assert Slots(4.0, None).count is None
    assert not Slots(4.0, None).past_end(10**12)


def test_a_tiny_rate_has_one_slot() -> None:
    assert Slots(5e-324, 10.0).count == 1
    assert Slots(5e-324, None).due_ns(1) == 10**18
