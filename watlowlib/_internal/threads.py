"""The one place where threads are made, named and ended, and where their failures stay.

A `Worker` is a daemon thread that is told to stop by its owner, joined with a
deadline, and keeps the exception that ended it until the owner asks. Workers that
nobody ended are stopped, in reverse order, when the interpreter exits: a forgotten
recording does not hang the exit and does not die in the middle of a write.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger(__name__)

PREFIX = "watlowlib-"
_numbers = itertools.count(1)
_running: weakref.WeakSet[Worker] = weakref.WeakSet()


class Worker:
    """One named thread, from `start` to `join`.

    Args:
        role: What it does; the thread is called `watlowlib-<role>-<number>`.
        run: Its whole work. What it raises is kept in `failure`.
        stop: Asks `run` to end, from any thread; it must not block.
    """

    def __init__(self, role: str, run: Callable[[], None], stop: Callable[[], None]) -> None:
        self.number = next(_numbers)
        self.name = f"{PREFIX}{role}-{self.number}"
        self.failure: BaseException | None = None
        self._run = run
        self._stop = stop
        self._thread = threading.Thread(target=self._guarded, name=self.name, daemon=True)

    def start(self) -> None:
        """Set it going; the last thing its owner does while getting ready."""
        _running.add(self)
        self._thread.start()

    def _guarded(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - kept for the owner
            self.failure = error
            log.debug("%s ended with %r", self.name, error)

    @property
    def alive(self) -> bool:
        """Whether the thread is still at work."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask it to end, without waiting."""
        self._stop()

    def join(self, timeout_s: float) -> bool:
        """Wait until it has ended; False, with a warning in the log, if it has not in time."""
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            log.warning(
                "thread %s has not ended within %g s; it is probably waiting for a disk, "
                "a server or a port that does not answer",
                self.name,
                timeout_s,
            )
            return False
        _running.discard(self)
        return True

    def reraise(self) -> None:
        """Raise in the caller what ended the thread, once."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


def make_pool(role: str, workers: int) -> ThreadPoolExecutor:
    """A ThreadPoolExecutor whose threads carry this library's names."""
    return ThreadPoolExecutor(
        max_workers=workers, thread_name_prefix=f"{PREFIX}{role}-{next(_numbers)}"
    )


def _end_all(timeout_s: float = 5.0) -> None:
    """Stop whatever is still running, youngest first."""
    for worker in sorted(_running, key=lambda worker: -worker.number):
        if worker.alive:
            worker.stop()
            worker.join(timeout_s)


atexit.register(_end_all)
