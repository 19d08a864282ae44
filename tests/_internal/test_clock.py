"""`StepDetector` (steps of the wall clock against the monotonic clock) and `parse_time`."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from watlowlib._internal.clock import ManualClock, StepDetector, parse_time


class InterruptedClock(ManualClock):
    """A clock that advances by `delay_s` between its two readings."""

    delay_s = 0.0

    def now_ns(self) -> int:
        now_ns = super().now_ns()
        self.advance(self.delay_s)
        return now_ns


@pytest.mark.parametrize("step_s", [-3600.0, -1.01, 1.01, 3600.0])
def test_a_step_of_more_than_a_second_is_found_once(step_s: float) -> None:
    clock = ManualClock(start_ns=10**18)
    detector = StepDetector(clock)
    assert detector.step_s() == 0.0
    clock.step_wall(step_s)
    clock.advance(60.0)
    assert detector.step_s() == pytest.approx(step_s)
    clock.advance(60.0)
    assert detector.step_s() == 0.0


def test_an_interrupted_comparison_is_not_a_step() -> None:
    clock = InterruptedClock()
    detector = StepDetector(clock)
    assert detector.step_s() == 0.0
    clock.delay_s = 5.0
    assert detector.step_s() == 0.0
    clock.delay_s = 0.0
    assert detector.step_s() == 0.0
    clock.step_wall(2.0)
    assert detector.step_s() == 2.0


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-03-01T12:00:00Z", 0),
        ("2026-03-01T12:00:00.5+00:00", 500_000),
        ("2026-03-01T12:00:00.123Z", 123_000),
        ("2026-03-01T12:00:00.1234567+00:00", 123_456),
    ],
)
def test_times_are_parsed_on_each_python(text: str, microsecond: int) -> None:
    expected = datetime(2026, 3, 1, 12, 0, 0, microsecond, tzinfo=timezone.utc)
    assert parse_time(text) == expected
