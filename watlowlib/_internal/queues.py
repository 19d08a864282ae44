"""A bounded queue that can be shut down: `queue.Queue` of Python 3.13, also before it.

After `shutdown`, `put` raises `ShutDown`, and so does `get` once the queue is empty. Both wake up
when they are waiting. `put_waiting`, `get_waiting` and `wait_for_event` wait in slices: on Windows
a wait without a timeout cannot be interrupted by Ctrl-C, and elsewhere a signal that comes in the
moment before a wait does not end it.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import TypeVar

__all__ = [
    "BoundedQueue",
    "ShutDown",
    "drain",
    "get_waiting",
    "put_dropping_oldest",
    "put_waiting",
    "wait_for_event",
]

T = TypeVar("T")

SLICE_S = 1.0
"""The longest single wait."""

if sys.version_info >= (3, 13):
    from queue import Queue as BoundedQueue
    from queue import ShutDown
else:

    class ShutDown(Exception):  # noqa: N818 - the name in Python 3.13
        """The queue was shut down, and for `get` it is empty."""

    class BoundedQueue(queue.Queue[T]):
        """`queue.Queue` with the `shutdown` of Python 3.13."""

        def __init__(self, maxsize: int = 0) -> None:
            super().__init__(maxsize)
            self.is_shutdown = False

        def shutdown(self, immediate: bool = False) -> None:
            """Refuse new items and wake all waiting threads; `immediate` discards the items."""
            with self.mutex:
                self.is_shutdown = True
                if immediate:
                    self.queue.clear()
                self.not_empty.notify_all()
                self.not_full.notify_all()

        def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
            """Put an item into the queue; see `queue.Queue.put`."""
            until_s = None if timeout is None else time.monotonic() + timeout
            with self.not_full:
                while not self.is_shutdown and self._qsize() >= self.maxsize > 0:
                    left_s = None if until_s is None else until_s - time.monotonic()
                    if not block or (left_s is not None and left_s <= 0):
                        raise queue.Full
                    self.not_full.wait(left_s)
                if self.is_shutdown:
                    raise ShutDown
                self._put(item)
                self.unfinished_tasks += 1
                self.not_empty.notify()

        def get(self, block: bool = True, timeout: float | None = None) -> T:
            """Remove and return an item; see `queue.Queue.get`."""
            until_s = None if timeout is None else time.monotonic() + timeout
            with self.not_empty:
                while not self._qsize():
                    if self.is_shutdown:
                        raise ShutDown
                    left_s = None if until_s is None else until_s - time.monotonic()
                    if not block or (left_s is not None and left_s <= 0):
                        raise queue.Empty
                    self.not_empty.wait(left_s)
                item: T = self._get()
                self.not_full.notify()
                return item


def put_waiting(items: BoundedQueue[T], item: T) -> None:
    """Put `item` into the queue; wait for room without a limit. A shutdown raises `ShutDown`."""
    while True:
        try:
            return items.put(item, timeout=SLICE_S)
        except queue.Full:
            continue


def get_waiting(items: BoundedQueue[T]) -> T:
    """Return the next item; wait without a limit. At the end of the queue raise `ShutDown`."""
    while True:
        try:
            return items.get(timeout=SLICE_S)
        except queue.Empty:
            continue


def put_dropping_oldest(items: BoundedQueue[T], item: T) -> list[T]:
    """Put `item` into the queue at once; return the oldest items, removed to make room.

    Raises:
        ShutDown: The queue was shut down.
    """
    dropped: list[T] = []
    while True:
        try:
            items.put_nowait(item)
            return dropped
        except queue.Full:
            dropped += _pop(items)


def drain(items: BoundedQueue[T]) -> Iterator[T]:
    """Remove and yield everything that is in the queue."""
    while found := _pop(items):
        yield from found


def _pop(items: BoundedQueue[T]) -> list[T]:
    """Remove the next item and return it in a list, which is empty if there is none."""
    try:
        return [items.get_nowait()]
    except (queue.Empty, ShutDown):
        return []


def wait_for_event(event: threading.Event, seconds: float) -> bool:
    """Wait at most `seconds` until `event` is set; return whether it is."""
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0:
        if event.wait(min(left_s, SLICE_S)):
            return True
    return event.is_set()
