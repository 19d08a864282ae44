from __future__ import annotations

import random

from watlowlib._internal.backoff import Backoff


def test_pauses_double_up_to_the_maximum() -> None:
    for seed in range(200):
        backoff = Backoff(0.1, 5.0, random.Random(seed))
        pauses_s = [backoff.failed() for _ in range(100)]
        for n, pause_s in enumerate(pauses_s):
            whole_s = min(0.1 * 2.0**n, 5.0)
            assert whole_s / 2 <= pause_s <= whole_s
        assert backoff.failures == 100


def test_pauses_are_spread_by_jitter() -> None:
    pauses_s = [Backoff(5.0, 5.0).failed() for _ in range(50)]
    assert max(pauses_s) - min(pauses_s) > 1.0


def test_no_pause_before_a_failure_or_after_a_success() -> None:
    backoff = Backoff(1000.0, 1000.0)
    assert backoff.left_s() == 0.0
    backoff.failed()
    assert 400.0 < backoff.left_s() <= 1000.0
    backoff.succeeded()
    assert (backoff.left_s(), backoff.failures) == (0.0, 0)


def test_pauses_spread_around_a_given_average() -> None:
    pauses_s = [Backoff(4.0, 4.0).failed(about_s=100.0) for _ in range(300)]
    assert 50.0 <= min(pauses_s) < 60.0
    assert 140.0 < max(pauses_s) <= 150.0
    assert 90.0 < sum(pauses_s) / len(pauses_s) < 110.0
