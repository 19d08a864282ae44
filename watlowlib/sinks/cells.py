"""Conversion of times in cells to text or numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Generic, TypeVar

from watlowlib.errors import WatlowSinkError

T = TypeVar("T")


_NEVER = datetime.min.replace(tzinfo=timezone.utc)
_LAST_SECOND = datetime.max.replace(microsecond=0, tzinfo=timezone.utc)
_ONE_SECOND = timedelta(seconds=1)


class _BySecond(Generic[T]):
    """Converter of times that keeps how the times of the last second, in UTC, are converted.

    Converting each time completely would take longer than the rest of the row. The second, its end
    and the function for its microseconds are one tuple: two threads may convert times at once.
    """

    def __init__(self) -> None:
        self._kept = (_NEVER, _NEVER, self._convert_second(_NEVER))

    def __call__(self, when: datetime) -> T:
        """Return `when` converted."""
        begin, end, convert = self._kept
        if not begin <= when < end:
            _, _, convert = self._kept = self._second_of(when)
        return convert(when.microsecond)

    def column(self, times: Iterable[datetime]) -> list[T]:
        """Return `times` converted: faster than a call for each."""
        begin, end, convert = self._kept
        column: list[T] = []
        add = column.append
        for when in times:
            if not begin <= when < end:
                begin, end, convert = self._kept = self._second_of(when)
            add(convert(when.microsecond))
        return column

    def _second_of(self, when: datetime) -> tuple[datetime, datetime, Callable[[int], T]]:
        try:
            begin = when.astimezone(timezone.utc).replace(microsecond=0)
        except OverflowError:
            raise WatlowSinkError(
                f"{when.isoformat()} is before the year 1 or after 9999 in UTC; give another time"
            ) from None
        end = begin + _ONE_SECOND if begin < _LAST_SECOND else _LAST_SECOND
        return begin, end, self._convert_second(begin)

    def _convert_second(self, second: datetime) -> Callable[[int], T]:
        """Return the function that converts the microseconds of times in `second`."""
        raise NotImplementedError


class TimeText(_BySecond[str]):
    """Formatter of times as ISO 8601 in UTC.

    Args:
        quote: What to write before and after each time.
    """

    def __init__(self, quote: str = "") -> None:
        self._quote = quote
        super().__init__()

    def _convert_second(self, second: datetime) -> Callable[[int], str]:
        return f"{self._quote}{second.isoformat()[:19]}.%06d+00:00{self._quote}".__mod__


class TimeCount(_BySecond[int]):
    """Converter of times to microseconds since `epoch`."""

    def __init__(self, epoch: datetime) -> None:
        self._epoch = epoch
        super().__init__()

    def _convert_second(self, second: datetime) -> Callable[[int], int]:
        return ((second - self._epoch) // timedelta(microseconds=1)).__add__
