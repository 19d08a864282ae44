"""Numbers with their nouns, for messages."""

from __future__ import annotations


def counted(count: int, one: str, several: str | None = None) -> str:
    """Return "1 row" or "1,200 rows".

    Args:
        count: The number.
        one: What follows the number 1, such as "row" or "row waits".
        several: What follows other numbers, such as "rows wait". Default: `one` with an s.
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def times(count: int) -> str:
    """Return "once" or "3 times"."""
    return "once" if count == 1 else counted(count, "time")
