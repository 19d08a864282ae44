"""The lock of a port: first in, first out, with priority for urgent waiters.

`threading.Lock` does not guarantee any order: during a saturated recording another thread
can wait for seconds. Here waiting threads queue, and each release wakes the next one. A write
is urgent: it waits for the exchange in progress, but not for the queued reads. After an
urgent waiter a normal one is served, so continuous writes do not starve reads.
"""

from __future__ import annotations

import threading
from collections import deque

from watlowlib._internal.clock import Deadline
from watlowlib._internal.process import NotCopied


class _Waiter:
    """A thread in the queue; its gate opens when the thread owns the lock."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.gate = threading.Lock()
        self.gate.acquire()
        self.acquired = False


class FairLock(NotCopied):
    """A lock that is passed from one waiter to the next in order; not re-entrant.

    A thread owns the lock; `release` from another thread does nothing. So `release` can be
    called in a `finally` around an `acquire` that may be interrupted at any moment.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._owner: int | None = None
        self._last_was_urgent = False
        self._urgent: deque[_Waiter] = deque()
        self._normal: deque[_Waiter] = deque()

    def acquire_now(self) -> bool:
        """Acquire the lock if it is free; return whether it was."""
        with self._mutex:
            if self._owner is None:
                self._owner = threading.get_ident()
                return True
        return False

    def acquire(self, deadline: Deadline, *, urgent: bool = False) -> bool:
        """Acquire the lock; return False if the deadline passes first."""
        if self.acquire_now():
            return True
        waiter = _Waiter()
        queue = self._urgent if urgent else self._normal
        try:
            with self._mutex:
                queue.append(waiter)
                if self._owner is None:  # released meanwhile
                    self._pass_on()
            if waiter.gate.acquire(timeout=deadline.left_s()):
                return True
        finally:
            with self._mutex:
                if waiter in queue:
                    queue.remove(waiter)
        # Timed out, unless the lock was passed to us just then.
        return waiter.acquired

    def release(self) -> None:
        """Pass the lock to the next waiter, or free it; does nothing if not owned."""
        with self._mutex:
            if self._owner != threading.get_ident():
                return
            self._pass_on()

    def _pass_on(self) -> None:
        """Make the next waiter the owner, if there is one."""
        urgent = bool(self._urgent) and not (self._last_was_urgent and self._normal)
        self._last_was_urgent = urgent
        queue = self._urgent if urgent else self._normal
        if queue:
            waiter = queue[0]
            self._owner, waiter.acquired = waiter.thread, True
            waiter.gate.release()
            # After the calls: Ctrl-C may come after each of them. The waiter removes itself then.
            queue.popleft()
        else:
            self._owner = None
