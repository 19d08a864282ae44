"""A cache of a limited size, for what can be made again."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Cache(dict[K, V]):
    """At most `most` values by key; emptied when it is full. Several threads may use it."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: K, value: V) -> None:
        """Store a value."""
        if len(self) >= self._most:
            self.clear()
        self[key] = value
