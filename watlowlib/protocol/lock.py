"""The lock of a port: first come, first served, and whoever is urgent goes next.

`threading.Lock` makes no promise about order: under a saturated recording another
thread can wait for seconds. Here each waiter has a place in a queue and is woken by
the one before it. A write is urgent: it waits for the exchange on the line, not for
the polls queued up behind it. After an urgent one somebody patient has a turn, so that
those who write without a pause do not starve those who read.
"""

from __future__ import annotations

import threading
from collections import deque

from watlowlib._internal.clock import Deadline


class _Waiter:
    """A thread in the queue; its gate opens when the lock is its own."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.gate = threading.Lock()
        self.gate.acquire()
        self.served = False


class FairLock:
    """A lock handed from one waiter to the next in order; not re-entrant.

    It belongs to a thread. Releasing it from another one does nothing, so that `release`
    may stand in a `finally` around an `acquire` that was interrupted at any moment.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._owner: int | None = None
        self._last_was_urgent = False
        self._urgent: deque[_Waiter] = deque()
        self._patient: deque[_Waiter] = deque()

    def acquire(self, deadline: Deadline, *, urgent: bool = False) -> bool:
        """Take the lock, or return False when the deadline passed first."""
        with self._mutex:
            if self._owner is None:
                self._owner = threading.get_ident()
                return True
            waiter = _Waiter()
            queue = self._urgent if urgent else self._patient
            queue.append(waiter)
        try:
            if waiter.gate.acquire(timeout=deadline.left_s()):
                return True
        finally:
            with self._mutex:
                if waiter in queue:
                    queue.remove(waiter)
        # Too late; unless it was handed over at that very moment.
        return waiter.served

    def release(self) -> None:
        """Hand the lock to the next in line, or free it; nothing for who does not have it."""
        with self._mutex:
            if self._owner != threading.get_ident():
                return
            urgent = self._urgent and not (self._last_was_urgent and self._patient)
            self._last_was_urgent = bool(urgent)
            queue = self._urgent if urgent else self._patient
            if queue:
                waiter = queue.popleft()
                self._owner, waiter.served = waiter.thread, True
                waiter.gate.release()
            else:
                self._owner = None
