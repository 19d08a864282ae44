"""A shared port: its lock, its line and its counters.

A protocol's client acquires the port for each exchange. It calls `acquire` inside a `try` and
`release` in the `finally`, so an interruption never leaves the port locked. In a forked child
`acquire` raises an error, and `release` and `close` do nothing: none of them waits for the lock,
which a thread of the parent may have held.
"""

from __future__ import annotations

import os
import time
from collections.abc import Hashable

from watlowlib._internal.clock import Deadline
from watlowlib._internal.process import OneProcess
from watlowlib.errors import ErrorContext, WatlowClosedError, WatlowPortBusyError
from watlowlib.protocol.line import QUIET_S, Line
from watlowlib.protocol.lock import FairLock
from watlowlib.protocol.stats import PortStats
from watlowlib.transport.base import Transport

ACQUIRE_S = 60.0
"""How long a thread waits for a port before `WatlowPortBusyError`."""


class Port(OneProcess):
    """A transport that several threads share; this object opens, reopens and closes it."""

    def __init__(
        self, transport: Transport, *, quiet_s: float = QUIET_S, byte_time_s: float = 0.0
    ) -> None:
        self._pid = os.getpid()
        self.stats = PortStats()
        self.line = Line(transport, self.stats, quiet_s=quiet_s)
        self.byte_time_s = byte_time_s
        """Seconds that one byte takes on the wire; 0 where it is not known."""
        self._lock = FairLock()
        self._closed = False
        self.offline: set[Hashable] = set()
        """The stations of controllers that have not replied lately."""
        self.assemblies: dict[Hashable, object] = {}
        """What has set the assembly of each station up, while it is in use."""
        self.probe_pause = Deadline(0.0)
        """Until then, no controller in `offline` is probed."""
        self.last_outage = (0.0, 0.0)
        """Start and end of the outage that ended last, on the monotonic clock."""

    @property
    def name(self) -> str:
        """The port name as the user gave it."""
        return self.line.transport.port

    def acquire(self, *, urgent: bool = False) -> None:
        """Acquire the lock to use `line`; `urgent` goes before normal waiters.

        Raises:
            WatlowProcessError: The port was opened in another process.
            WatlowClosedError: The port was closed for good.
            WatlowPortBusyError: The port was not free within `ACQUIRE_S`.
        """
        self.check_process()
        lock = self._lock
        if not (lock.acquire_now() or lock.acquire(Deadline.after(ACQUIRE_S), urgent=urgent)):
            raise WatlowPortBusyError(
                f"the port was not free within {ACQUIRE_S:g} s; too many threads wait for it",
                context=ErrorContext(port=self.name),
            )
        if self._closed:
            raise WatlowClosedError(
                "the controller was closed; open it again", context=ErrorContext(port=self.name)
            )

    def release(self) -> None:
        """Release the lock, also if Ctrl-C comes; does nothing in a thread that does not own it."""
        if self.in_other_process:
            return
        try:
            self._lock.release()
        except BaseException:
            self._lock.release()
            raise

    def note_return(self, station: Hashable, offline_since_s: float) -> None:
        """Note that a controller replies again."""
        self.offline.discard(station)
        self.last_outage = (offline_since_s, time.monotonic())

    def open(self, *, wait_for_port: bool = False) -> None:
        """Open the port if it is not open; `wait_for_port` leaves a failure to later requests."""
        try:
            self.acquire(urgent=True)
            if wait_for_port:
                self.line.open_or_wait()
            else:
                self.line.open()
        finally:
            self.release()

    def close(self) -> None:
        """Close the port after the current exchange; every later `acquire` fails."""
        self._closed = True
        if self.in_other_process:
            return
        try:
            self._lock.acquire(Deadline.after(ACQUIRE_S), urgent=True)
        finally:
            # Close also if the wait timed out or was interrupted: the port must not stay open.
            self.line.transport.close()
            self._lock.release()
