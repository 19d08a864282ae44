from __future__ import annotations

import random

from watlowlib.backoff import Backoff


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


def test_a_pause_can_be_made_longer_and_still_differs() -> None:
    pauses_s = [Backoff(5.0, 5.0).failed(at_least_s=100.0) for _ in range(50)]
    assert min(pauses_s) >= 100.0
    assert max(pauses_s) - min(pauses_s) > 10.0
