"""The options `rotate`, `keep`, `compress` and `min_free`, parsed; no files and no clock."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any, TypeAlias

from watlowlib._internal.validation import as_bool, shown
from watlowlib.errors import WatlowConfigurationError

Limits: TypeAlias = "str | Sequence[str] | None"
"""A time, a size, or both."""

MIN_FREE = "500 MB"
"""The default of `min_free`."""

ROTATE = (
    'a time ("1 day", or hours that divide a day such as "6 hours"; in UTC, or "1 day local"), '
    'a size ("100 MB"), or both'
)
KEEP = 'a time ("12 hours", "90 days", "8 weeks"), a size ("20 GB"), or both'
SIZE = 'a size such as "500 MB" or "1 GB"'

_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([kMGT]?B)", re.IGNORECASE)
_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_PERIOD = re.compile(r"(\d{1,2})\s*(day|hours?)(?:\s+(local|UTC))?", re.IGNORECASE)
_AGE = re.compile(r"(\d{1,5})\s*(hour|day|week)s?", re.IGNORECASE)
_HOURS = {"hour": 1, "day": 24, "week": 168}


@dataclass(frozen=True)
class Period:
    """Slots of equal length, counted from midnight in UTC or in the zone of the computer.

    Attributes:
        hours: The length of a slot; it divides 24.
        local: Whether midnight is local. On a day with a change of the clocks the last slot is
            longer or shorter.
    """

    hours: int
    local: bool

    def slot(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the start and the end, in UTC, of the slot that `now` is in."""
        today = now.astimezone(None if self.local else timezone.utc).date()
        midnight, next_midnight = self._midnight(today), self._midnight(today + timedelta(days=1))
        step = timedelta(hours=self.hours)
        last = 24 // self.hours - 1
        number = min((now - midnight) // step, last)
        start = midnight + number * step
        return start, next_midnight if number == last else min(start + step, next_midnight)

    def _midnight(self, day: date) -> datetime:
        # A time without a zone is local for `astimezone`.
        return datetime.combine(day, time(), None if self.local else timezone.utc).astimezone(
            timezone.utc
        )


@dataclass(frozen=True)
class Policy:
    """When a part is finished, and what happens to it.

    Attributes:
        period: A part has the rows of one slot of this; None for no limit.
        most_bytes: A part is finished when it has this size; None for no limit.
        keep_age: Older parts are removed; None for no limit.
        keep_bytes: The oldest parts beyond this total are removed; None for no limit.
        compress: Whether parts are compressed with gzip.
        min_free: The free bytes below which a warning is logged and parts are removed.
    """

    period: Period | None
    most_bytes: int | None
    keep_age: timedelta | None
    keep_bytes: int | None
    compress: bool
    min_free: int

    @property
    def removes(self) -> bool:
        """Whether parts may be removed."""
        return self.keep_age is not None or self.keep_bytes is not None


def make_policy(
    rotate: Limits, keep: Limits, compress: bool, min_free: str | None
) -> Policy | None:
    """Return the policy for the options of a sink; None without `rotate`.

    Raises:
        WatlowConfigurationError: An option is not allowed, or given without `rotate`.
    """
    compress = as_bool("compress", compress)
    if rotate is None:
        for name, given in (("keep", keep), ("compress", compress), ("min_free", min_free)):
            if given not in (None, False):
                raise WatlowConfigurationError(
                    f'{name}={shown(given)}: give rotate too, such as rotate="1 day"'
                )
        return None
    period, most_bytes = _limits("rotate", rotate, _period, ROTATE)
    keep_age, keep_bytes = _limits("keep", keep, _age, KEEP)
    return Policy(period, most_bytes, keep_age, keep_bytes, compress, check_min_free(min_free))


def check_rotate(given: Any) -> None:
    """Check a value of `rotate`.

    Raises:
        WatlowConfigurationError: It is not allowed.
    """
    _limits("rotate", given, _period, ROTATE)


def check_keep(given: Any) -> None:
    """Check a value of `keep`.

    Raises:
        WatlowConfigurationError: It is not allowed.
    """
    _limits("keep", given, _age, KEEP)


def check_min_free(given: Any) -> int:
    """Return a value of `min_free` in bytes.

    Raises:
        WatlowConfigurationError: It is not allowed.
    """
    size = _size(MIN_FREE if given is None else given)
    if size is None:
        raise WatlowConfigurationError(f"min_free={shown(given)}: give {SIZE}")
    return size


def _limits(name: str, given: Any, parse: Any, allowed: str) -> tuple[Any, int | None]:
    """Return the time, as `parse` returns it, and the size in `given`; None for a missing one."""
    if given is None:
        return None, None
    texts = [given] if isinstance(given, str) else given
    if isinstance(texts, Sequence) and 1 <= len(texts) <= 2:
        times = [found for each in texts if (found := parse(each)) is not None]
        sizes = [found for each in texts if (found := _size(each)) is not None]
        if len(times) + len(sizes) == len(texts) and len(times) <= 1 and len(sizes) <= 1:
            return next(iter(times), None), next(iter(sizes), None)
    raise WatlowConfigurationError(f"{name}={shown(given)}: give {allowed}")


def _matched(pattern: re.Pattern[str], given: object) -> re.Match[str] | None:
    return pattern.fullmatch(given.strip()) if isinstance(given, str) else None


def _size(given: object) -> int | None:
    found = _matched(_SIZE, given)
    return (found and round(float(found[1]) * _BYTES[found[2].lower()])) or None


def _period(given: object) -> Period | None:
    if (found := _matched(_PERIOD, given)) is None:
        return None
    hours = int(found[1]) * _HOURS[found[2].lower().removesuffix("s")]
    if hours == 0 or 24 % hours:
        return None
    return Period(hours, (found[3] or "").lower() == "local")


def _age(given: object) -> timedelta | None:
    if (found := _matched(_AGE, given)) is None:
        return None
    return timedelta(hours=int(found[1]) * _HOURS[found[2].lower()]) or None
