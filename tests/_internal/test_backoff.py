from __future__ import annotations

import random

from watlowlib._internal.backoff import Backoff


def test_each_pause_is_longer_than_the_one_before_up_to_the_most() -> None:
    for seed in range(200):
        again = Backoff(0.1, 5.0, random.Random(seed))
        pauses_s = [again.failed() for _ in range(100)]
        for n, pause_s in enumerate(pauses_s):
            whole_s = min(0.1 * 2.0**n, 5.0)
            assert whole_s / 2 <= pause_s <= whole_s
        assert again.failures == 100


def test_those_that_failed_together_are_not_tried_together() -> None:
    pauses_s = [Backoff(5.0, 5.0).failed() for _ in range(50)]
    assert max(pauses_s) - min(pauses_s) > 1.0


def test_it_is_time_before_any_failure_and_after_a_success() -> None:
    again = Backoff(1000.0, 1000.0)
    assert again.left_s() == 0.0
    again.failed()
    assert 400.0 < again.left_s() <= 1000.0
    again.succeeded()
    assert (again.left_s(), again.failures) == (0.0, 0)


def test_pauses_can_be_spread_about_a_longer_one() -> None:
    pauses_s = [Backoff(4.0, 4.0).failed(about_s=100.0) for _ in range(300)]
    assert 50.0 <= min(pauses_s) < 60.0
    assert 140.0 < max(pauses_s) <= 150.0
    assert 90.0 < sum(pauses_s) / len(pauses_s) < 110.0
