"""Conversion of single cells: times to text or numbers, and a cache of converted cells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Cache(dict[Any, T]):
    """Cache of formatted cells, for columns with few different cells.

    It holds at most `LIMIT` cells, because a column may have a different cell in each row.
    """

    LIMIT = 10_000

    def __init__(self, format_cell: Callable[[Any], T]) -> None:
        self._format_cell = format_cell

    def __missing__(self, cell: Any) -> T:
        if len(self) >= self.LIMIT:
            self.clear()
        self[cell] = formatted = self._format_cell(cell)
        return formatted


_NEVER = datetime.min.replace(tzinfo=timezone.utc)
_ONE_SECOND = timedelta(seconds=1)


class _BySecond(Generic[T]):
    """Converter of times that keeps the second of the last time, in UTC, converted.

    Converting each time completely would take longer than the rest of the row. The second, its end
    and its conversion are one tuple: two threads may convert times at once.
    """

    def __init__(self) -> None:
        self._kept = (_NEVER, _NEVER, self._convert_second(_NEVER))

    def _second_of(self, when: datetime) -> T:
        begin, end, converted = self._kept
        if not begin <= when < end:
            begin = when.astimezone(timezone.utc).replace(microsecond=0)
            converted = self._convert_second(begin)
            self._kept = begin, begin + _ONE_SECOND, converted
        return converted

    def _convert_second(self, second: datetime) -> T:
        raise NotImplementedError


class TimeText(_BySecond[str]):
    """Formatter of times as ISO 8601 in UTC.

    Args:
        quote: What to write before and after each time.
    """

    def __init__(self, quote: str = "") -> None:
        self._quote = quote
        super().__init__()

    def _convert_second(self, second: datetime) -> str:
        return f"{self._quote}{second.isoformat()[:19]}.%06d+00:00{self._quote}"

    def __call__(self, when: datetime) -> str:
        """Return `when` as text."""
        return self._second_of(when) % when.microsecond


class TimeCount(_BySecond[int]):
    """Converter of times to microseconds since `epoch`."""

    def __init__(self, epoch: datetime) -> None:
        self._epoch = epoch
        super().__init__()

    def _convert_second(self, second: datetime) -> int:
        return (second - self._epoch) // timedelta(microseconds=1)

    def __call__(self, when: datetime) -> int:
        """Return the microseconds from `epoch` to `when`."""
        return self._second_of(when) + when.microsecond
