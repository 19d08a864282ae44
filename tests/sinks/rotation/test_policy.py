"""The options of a rotation, and the slots of days and hours."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from watlowlib import WatlowConfigurationError
from watlowlib.sinks.rotation.policy import Period, make_policy


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc, arg-type]


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if sys.platform == "win32":
        pytest.skip("needs time.tzset")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("rotate", "period", "size"),
    [
        ("1 day", Period(24, local=False), None),
        ("1 day UTC", Period(24, local=False), None),
        ("1 day local", Period(24, local=True), None),
        ("6 hours", Period(6, local=False), None),
        ("1 hour local", Period(1, local=True), None),
        ("100 MB", None, 100_000_000),
        ("1.5kB", None, 1500),
        (("1 day", "2 GB"), Period(24, local=False), 2_000_000_000),
        (["2 GB", "1 day"], Period(24, local=False), 2_000_000_000),
    ],
)
def test_rotate_takes_a_time_a_size_or_both(
    rotate: Any, period: Period | None, size: int | None
) -> None:
    policy = make_policy(rotate, None, False, None)
    assert policy is not None
    assert (policy.period, policy.most_bytes, policy.removes) == (period, size, False)


def test_keep_takes_a_time_a_size_or_both() -> None:
    policy = make_policy("1 day", ("8 weeks", "1 TB"), False, "1 GB")
    assert policy is not None
    assert (policy.keep_age, policy.keep_bytes) == (timedelta(days=56), 10**12)
    assert (policy.removes, policy.min_free) == (True, 10**9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rotate": "1 fortnight"}, "rotate='1 fortnight': give a time"),
        ({"rotate": "7 hours"}, "rotate='7 hours': give a time"),
        ({"rotate": "0 MB"}, "rotate='0 MB': give a time"),
        ({"rotate": "2 days"}, "rotate='2 days': give a time"),
        ({"rotate": ("1 day", "6 hours")}, "rotate=.* or both"),
        ({"rotate": ()}, "rotate=.*give a time"),
        ({"rotate": 86400}, "rotate=86400: give a time"),
        ({"rotate": "1 day", "keep": "long"}, "keep='long': give a time \\(\"12 hours\""),
        ({"rotate": "1 day", "min_free": "5 %"}, "min_free='5 %': give a size"),
        ({"rotate": "1 day", "compress": "no"}, "compress='no': give True or False"),
        ({"keep": "90 days"}, "keep='90 days': give rotate too"),
        ({"compress": True}, "compress=True: give rotate too"),
        ({"min_free": "1 GB"}, "min_free='1 GB': give rotate too"),
    ],
)
def test_a_wrong_option_is_refused(options: dict[str, Any], message: str) -> None:
    defaults: dict[str, Any] = {"rotate": None, "keep": None, "compress": False, "min_free": None}
    with pytest.raises(WatlowConfigurationError, match=message):
        make_policy(**defaults | options)


def test_slots_in_utc_begin_at_midnight() -> None:
    assert Period(24, local=False).slot(utc(2026, 11, 21, 23, 59, 59)) == (
        utc(2026, 11, 21),
        utc(2026, 11, 22),
    )
    assert Period(6, local=False).slot(utc(2026, 11, 21, 18)) == (
        utc(2026, 11, 21, 18),
        utc(2026, 11, 22),
    )


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("hours", "day", "starts"),
    [
        (24, utc(2026, 7, 1, 12), [utc(2026, 6, 30, 22), utc(2026, 7, 1, 22)]),
        # 23 hours: the clocks go forward.
        (24, utc(2026, 3, 29, 12), [utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)]),
        # 25 hours: the clocks go back, and the last slot is an hour longer.
        (24, utc(2026, 10, 25, 12), [utc(2026, 10, 24, 22), utc(2026, 10, 25, 23)]),
        (
            12,
            utc(2026, 10, 25, 12),
            [utc(2026, 10, 24, 22), utc(2026, 10, 25, 10), utc(2026, 10, 25, 23)],
        ),
        (
            12,
            utc(2026, 3, 29, 12),
            [utc(2026, 3, 28, 23), utc(2026, 3, 29, 11), utc(2026, 3, 29, 22)],
        ),
    ],
)
def test_local_slots_follow_the_change_of_the_clocks(
    hours: int, day: datetime, starts: list[datetime]
) -> None:
    period = Period(hours, local=True)
    found = []
    at = starts[0]
    while at < starts[-1]:
        start, end = period.slot(at)
        assert start == at
        assert period.slot(end - timedelta(microseconds=1)) == (start, end)
        found.append(start)
        at = end
    assert [*found, at] == starts
    assert starts[0] < day < starts[-1]
