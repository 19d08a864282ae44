"""The trend of one series: buckets, gaps, and constant memory."""

from __future__ import annotations

from watlowlib.views.web.history import BUCKETS, WINDOWS, History

FIVE_MINUTES, HOUR = 300, 3600


def test_a_bucket_has_the_lowest_and_the_highest_value() -> None:
    history = History()
    for at_s, value in ((100.0, 5.0), (103.0, 2.0), (104.5, 7.5), (110.0, 1.0)):
        history.add(at_s, value)
    assert history.buckets(HOUR) == [[100.0, 2.0, 7.5, False], [110.0, 1.0, 1.0, False]]


def test_a_read_without_a_value_marks_its_bucket_in_every_window() -> None:
    history = History()
    history.add(100.0, 5.0)
    history.add(101.0, None)
    history.add(102.0, 6.0)
    assert history.buckets(FIVE_MINUTES)[1] == [101.0, None, None, True]
    assert history.buckets(HOUR) == [[100.0, 5.0, 6.0, True]]


def test_a_bucket_keeps_a_value_after_a_gap() -> None:
    history = History()
    history.add(100.0, None)
    history.add(100.5, 4.0)
    assert history.buckets(FIVE_MINUTES) == [[100.0, 4.0, 4.0, True]]


def test_the_buckets_of_a_window_reach_over_all_of_it_and_stay_bounded() -> None:
    history = History()
    for second in range(0, 3 * 86400, 60):
        history.add(float(second), 1.0)
    for window_s, step_s in WINDOWS.items():
        assert BUCKETS * step_s >= window_s
        assert len(history.buckets(window_s)) == BUCKETS


def test_an_earlier_time_changes_nothing() -> None:
    history = History()
    history.add(100.0, 5.0)
    history.add(50.0, 9.0)
    assert history.buckets(FIVE_MINUTES) == [[100.0, 5.0, 5.0, False]]


def test_the_period_is_that_of_most_points() -> None:
    history = History()
    assert history.period_s == 0.0
    for at_s in (0.0, 2.0, 4.0, 30.0, 32.0, 34.0):
        history.add(at_s, 1.0)
    assert history.period_s == 2.0
