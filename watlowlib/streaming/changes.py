"""Changes of the plan of a running recording, handed from any thread to the recorder's."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, NamedTuple

from watlowlib._internal.queues import BoundedQueue, ShutDown, drain
from watlowlib.errors import WatlowClosedError, WatlowPortBusyError
from watlowlib.streaming.plan import Plan

USE_S = 60.0
"""Seconds that a change waits for the end of the tick that is being read."""


class Change(NamedTuple):
    """A plan to continue with, its metadata, and the result: None once it is in use."""

    plan: Plan
    metadata: Mapping[str, Any]
    used: Future[None]


class Changes:
    """At most one change that waits for the recorder; `wake` is set when there is one."""

    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake
        self._waiting: BoundedQueue[Change] = BoundedQueue(1)

    def ask(self, plan: Plan, metadata: Mapping[str, Any]) -> None:
        """Hand `plan` to the recorder, and wait until it is in use.

        Raises:
            WatlowClosedError: The recording has ended.
            WatlowPortBusyError: Another change waits, or the tick that is being read has not
                ended within `USE_S`; the change is withdrawn.
        """
        used: Future[None] = Future()
        try:
            self._waiting.put_nowait(Change(plan, metadata, used))
        except ShutDown:
            raise _ended() from None
        except queue.Full:
            raise WatlowPortBusyError("another change waits for the end of the tick") from None
        self._wake.set()
        try:
            used.result(USE_S)
        except FutureTimeoutError:
            if used.cancel():
                raise WatlowPortBusyError(
                    f"the tick that is being read has not ended within {USE_S:g} s; the recording "
                    "continues as before"
                ) from None
            used.result(USE_S)

    def take(self) -> Iterator[Change]:
        """Yield what waits and was not withdrawn; the recorder then sets the result."""
        return (each for each in drain(self._waiting) if each.used.set_running_or_notify_cancel())

    def close(self) -> None:
        """Refuse what waits and what is asked for later: the recording has ended."""
        self._waiting.shutdown()
        for each in self.take():
            each.used.set_exception(_ended())


def _ended() -> WatlowClosedError:
    return WatlowClosedError("the recording has ended")
