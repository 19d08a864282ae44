"""The only module that creates threads.

A `Worker` is a daemon thread. Its owner stops it and joins it with a deadline; the exception
that ended it is kept for `reraise`. Workers that still run when the interpreter exits are
stopped in reverse order of creation: a recording that was never closed does not block the
exit and is not cut off in the middle of a write. In a forked child, a worker of the parent counts
as ended.
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from watlowlib._internal.log import logger
from watlowlib._internal.process import OneProcess
from watlowlib._internal.queues import SLICE_S

log = logger(__name__)

PREFIX = "watlowlib-"
_numbers = itertools.count(1)
_running: weakref.WeakSet[Worker] = weakref.WeakSet()


class Worker(OneProcess):
    """A named thread that keeps the exception that ended it.

    Args:
        role: The thread's task; the thread is named `watlowlib-<role>-<number>`.
        run: The function to run. An exception that it raises is kept in `failure`.
        stop: Asks `run` to end; called from any thread, must not block.
    """

    _kind = "thread"

    def __init__(self, role: str, run: Callable[[], None], stop: Callable[[], None]) -> None:
        self.number = next(_numbers)
        self.name = f"{PREFIX}{role}-{self.number}"
        self.failure: BaseException | None = None
        self._run = run
        self._stop = stop
        # Not Thread.join: before Python 3.13, Ctrl-C during a join marks the thread as ended.
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run_and_catch, name=self.name, daemon=True)

    def start(self) -> None:
        """Start the thread; owners call this last in their set-up."""
        self.check_process()
        self._pid = os.getpid()
        _running.add(self)
        self._thread.start()

    def _run_and_catch(self) -> None:
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - kept for the owner
            self.failure = error
            log.debug("%s ended with %r", self.name, error)
        finally:
            self._ended.set()

    @property
    def alive(self) -> bool:
        """Whether the thread is running."""
        started = self._thread.ident is not None and not self.in_other_process
        return started and not self._ended.is_set()

    def stop(self) -> None:
        """Ask the thread to end, without waiting."""
        if not self.in_other_process:  # there, `_stop` may wait for a lock of the thread
            self._stop()

    def wait(self) -> None:
        """Wait until the thread has ended, however long it takes; Ctrl-C interrupts it."""
        while self.alive:
            self._ended.wait(SLICE_S)
        self.join(SLICE_S)

    def join(self, timeout_s: float) -> bool:
        """Wait until the thread has ended; on timeout log a warning and return False."""
        if self._thread.ident is None or self.in_other_process:
            return True
        if not self._ended.wait(timeout_s):
            log.warning(
                "thread %s has not ended within %g s; it is probably waiting for a disk, "
                "a server or a port that does not respond",
                self.name,
                timeout_s,
            )
            return False
        self._thread.join()
        _running.discard(self)
        return True

    def reraise(self) -> None:
        """Raise the exception that ended the thread, if any; only once."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


def make_pool(role: str, workers: int) -> ThreadPoolExecutor:
    """Return a ThreadPoolExecutor whose threads are named as in `Worker`."""
    return ThreadPoolExecutor(
        max_workers=workers, thread_name_prefix=f"{PREFIX}{role}-{next(_numbers)}"
    )


def _stop_all(timeout_s: float = 5.0) -> None:
    """Stop all running workers, the newest first."""
    for worker in sorted(_running, key=lambda worker: -worker.number):
        if worker.alive:
            worker.stop()
            worker.join(timeout_s)


atexit.register(_stop_all)
