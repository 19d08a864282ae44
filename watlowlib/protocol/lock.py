"""The lock of a port: first come, first served, and whoever is urgent goes next.

`threading.Lock` makes no promise about order: under a saturated recording another
thread can wait for seconds. Here each waiter has a place in a queue and is woken by
the one before it. A write is urgent: it waits for the exchange on the line, not for
the polls queued up behind it.
"""

from __future__ import annotations

import threading
from collections import deque

from watlowlib.clock import Deadline


class FairLock:
    """A lock handed from one waiter to the next in order; not re-entrant."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held = False
        self._urgent: deque[threading.Lock] = deque()
        self._patient: deque[threading.Lock] = deque()

    def acquire(self, deadline: Deadline, *, urgent: bool = False) -> bool:
        """Take the lock, or return False when the deadline passed first."""
        queue = self._urgent if urgent else self._patient
        with self._mutex:
            if not self._held:
                self._held = True
                return True
            turn = threading.Lock()
            turn.acquire()
            queue.append(turn)
        try:
            if turn.acquire(timeout=deadline.left_s()):
                return True
        except BaseException:
            if not self._leave(queue, turn):
                self.release()
            raise
        return not self._leave(queue, turn)

    def _leave(self, queue: deque[threading.Lock], turn: threading.Lock) -> bool:
        """Give up the place in the queue; False when the lock was handed over meanwhile."""
        with self._mutex:
            if turn in queue:
                queue.remove(turn)
                return True
            return False

    def release(self) -> None:
        """Hand the lock to the next in line, or free it."""
        with self._mutex:
            queue = self._urgent or self._patient
            if queue:
                queue.popleft().release()
            else:
                self._held = False
