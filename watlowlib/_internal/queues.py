"""A bounded queue between two threads that either side can close.

`queue.Queue` cannot be closed before Python 3.13. Closing wakes all waiting threads; items
already in the queue can still be taken out. `move_to` is safe against Ctrl-C: no item is lost
whichever call is interrupted.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")

SLICE_S = 1.0
"""The longest single wait: on Windows an unlimited wait cannot be interrupted."""


class QueueClosed(Exception):  # noqa: N818 - signals the end, like StopIteration
    """The queue is closed for `put`, or closed and empty for `get`."""


class ClosableQueue(Generic[T]):
    """A first-in-first-out queue of at most `capacity` items."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._next = iter(self._items.popleft, None)
        self._closed = False
        # Use the bare lock in `with`: Ctrl-C comes before or after it is acquired. Inside
        # Condition.__enter__ it may come in between, and the lock would never be released.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    def put(self, item: T, timeout_s: float | None = None) -> bool:
        """Add `item`; return False if the queue stays full for `timeout_s` (None: no limit).

        Raises:
            QueueClosed: The queue was closed before or during the call.
        """
        with self._lock:
            self._wait(lambda: len(self._items) < self._capacity, timeout_s)
            if self._closed:
                raise QueueClosed
            if len(self._items) >= self._capacity:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def push(self, item: T) -> T | None:
        """Add `item` without waiting; a full queue drops its oldest item.

        Returns:
            The dropped item, or None.

        Raises:
            QueueClosed: The queue is closed.
        """
        with self._lock:
            if self._closed:
                raise QueueClosed
            oldest = self._items.popleft() if len(self._items) >= self._capacity else None
            self._items.append(item)
            self._changed.notify_all()
            return oldest

    def get(self, timeout_s: float | None = None) -> T | None:
        """Take the next item out; return None if there is none for `timeout_s`.

        Raises:
            QueueClosed: The queue is closed and empty.
        """
        items: list[T] = []
        return items[0] if self.move_to(items, timeout_s) else None

    def move_to(self, target: list[T], timeout_s: float | None = None) -> bool:
        """Move the next item to `target`; return False if there is none for `timeout_s`.

        After an interruption the item is either in the queue or in `target`.

        Raises:
            QueueClosed: The queue is closed and empty.
        """
        with self._lock:
            self._wait(lambda: bool(self._items), timeout_s)
            if self._items:
                target.extend(islice(self._next, 1))  # one call: Ctrl-C comes before or after it
                self._changed.notify_all()
                return True
            if self._closed:
                raise QueueClosed
            return False

    def __len__(self) -> int:
        return len(self._items)

    def close(self) -> None:
        """Refuse further items and wake all waiting threads."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    def clear(self) -> list[T]:
        """Remove all items and return them."""
        with self._lock:
            removed = list(self._items)
            self._items.clear()
            self._changed.notify_all()
            return removed

    def _wait(self, ready: Callable[[], bool], timeout_s: float | None) -> None:
        """Wait until `ready`, closed or timed out; in slices, to let Ctrl-C through."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not ready() and not self._closed:
            left_s = SLICE_S if until_s is None else until_s - time.monotonic()
            if left_s <= 0:
                return
            self._changed.wait(min(left_s, SLICE_S))
