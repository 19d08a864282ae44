"""The bounded queue between one thread and the next.

What `queue.Queue` cannot do before Python 3.13: be closed, from either side, so that
whoever waits wakes up. What was put in before can still be taken out. And Ctrl-C while
something is taken out loses nothing, which needs care: it may come after any call.
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
"""The longest single wait: on Windows a wait without end cannot be interrupted."""


class QueueClosed(Exception):  # noqa: N818 - an end, like StopIteration, not an error
    """Nothing can be put in any more, or nothing will ever come out."""


class ClosableQueue(Generic[T]):
    """A first-in-first-out queue of at most `capacity` items."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._next = iter(self._items.popleft, None)
        self._closed = False
        # `with` takes the bare lock and Ctrl-C comes before or after; in Condition.__enter__ it
        # may come in between, and the lock would never be let go.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)

    def put(self, item: T, timeout_s: float | None = None) -> bool:
        """Hand `item` over; False when it stayed full for `timeout_s` (None: wait for room).

        Raises:
            HandoverClosed: It was closed, before or meanwhile.
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
        """Hand `item` over at once; when it is full, the oldest item makes room.

        Returns:
            The item that made room, if one had to.

        Raises:
            HandoverClosed: It was closed.
        """
        with self._lock:
            if self._closed:
                raise QueueClosed
            oldest = self._items.popleft() if len(self._items) >= self._capacity else None
            self._items.append(item)
            self._changed.notify_all()
            return oldest

    def get(self, timeout_s: float | None = None) -> T | None:
        """Take the next item out; None when there was none for `timeout_s`.

        Raises:
            HandoverClosed: It is closed and empty.
        """
        hand: list[T] = []
        return hand[0] if self.move_to(hand, timeout_s) else None

    def move_to(self, hand: list[T], timeout_s: float | None = None) -> bool:
        """Move the next item to `hand`; False when there was none for `timeout_s`.

        Whatever interrupts this, the item is either here or there.

        Raises:
            HandoverClosed: It is closed and empty.
        """
        with self._lock:
            self._wait(lambda: bool(self._items), timeout_s)
            if self._items:
                hand.extend(islice(self._next, 1))  # one call: Ctrl-C comes before or after it
                self._changed.notify_all()
                return True
            if self._closed:
                raise QueueClosed
            return False

    def __len__(self) -> int:
        return len(self._items)

    def close(self) -> None:
        """Take nothing in any more, and wake whoever waits."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    def clear(self) -> list[T]:
        """Throw away what is in it; what that was."""
        with self._lock:
            thrown_away = list(self._items)
            self._items.clear()
            self._changed.notify_all()
            return thrown_away

    def _wait(self, ready: Callable[[], bool], timeout_s: float | None) -> None:
        """Wait until `ready`, closed or too late; in slices, so that Ctrl-C gets through."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not ready() and not self._closed:
            left_s = SLICE_S if until_s is None else until_s - time.monotonic()
            if left_s <= 0:
                return
            self._changed.wait(min(left_s, SLICE_S))
