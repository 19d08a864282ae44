"""Two threads that interrupt each other at the worst moment, to test for missing locks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

MEETING_S = 0.3
"""How long a thread waits for the other one, which a lock may keep away."""
TIMEOUT_S = 10.0


class Meeting:
    """A place between two steps at which two threads wait for each other, at most once."""

    def __init__(self) -> None:
        self._barrier = threading.Barrier(2)

    def wait(self) -> None:
        """Wait for the other thread; continue alone if a lock keeps it away."""
        with suppress(threading.BrokenBarrierError):
            self._barrier.wait(MEETING_S)
            self._barrier.abort()


def run_in_two_threads(*calls: Callable[[], object]) -> list[Exception]:
    """Run both functions at the same time; return the exceptions that they raised."""
    errors: list[Exception] = []

    def run(call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()
    return errors
