"""Caches of a limited size, for values that can be made again."""

from __future__ import annotations

from collections.abc import Callable
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


class Memo(Cache[K, V]):
    """A cache that makes a missing value with a function of its key."""

    def __init__(self, make: Callable[[K], V], most: int = 10_000) -> None:
        super().__init__(most)
        self._make = make

    def __missing__(self, key: K) -> V:
        value = self._make(key)
        self.keep(key, value)
        return value
