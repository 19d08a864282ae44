"""One port, whoever shares it: its lock, its line, its counters and its end.

A protocol's client takes the port for one exchange and uses `line` meanwhile: `take`
within a `try`, `give` in its `finally`, so that no interruption leaves it taken.
"""

from __future__ import annotations

import time

from watlowlib._internal.clock import Deadline
from watlowlib.errors import ErrorContext, WatlowClosedError, WatlowPortBusyError
from watlowlib.protocol.line import QUIET_S, Line
from watlowlib.protocol.lock import FairLock
from watlowlib.protocol.stats import PortStats
from watlowlib.transport.base import Transport

TURN_S = 60.0
"""How long a thread waits for its turn on a port before that is an error."""


class Port:
    """A transport that many threads use in turn.

    Args:
        transport: The port. It is opened, reopened and closed here.
        quiet_s: Silence to wait for after a timeout.
    """

    def __init__(self, transport: Transport, *, quiet_s: float = QUIET_S) -> None:
        self.stats = PortStats()
        self.line = Line(transport, self.stats, quiet_s=quiet_s)
        self._lock = FairLock()
        self._closed = False
        self.away: set[int] = set()
        """The addresses at which nobody has answered lately."""
        self.spared = Deadline(0.0)
        """Until when none of them is looked for."""
        self.last_away = (0.0, 0.0)
        """From when until when, on the monotonic clock, whoever was last back was away."""

    @property
    def name(self) -> str:
        """The port as the user named it."""
        return self.line.transport.port

    def take(self, *, urgent: bool = False) -> None:
        """Wait for the turn to use `line`; `urgent` goes ahead of those who are not.

        Raises:
            WatlowClosedError: The port was closed for good.
            WatlowPortBusyError: No turn within `TURN_S`.
        """
        if not self._lock.acquire(Deadline.after(TURN_S), urgent=urgent):
            raise WatlowPortBusyError(
                f"no turn on the port within {TURN_S:g} s; too many threads are waiting for it",
                context=ErrorContext(port=self.name),
            )
        if self._closed:
            raise WatlowClosedError(
                "the controller was closed; open it again", context=ErrorContext(port=self.name)
            )

    def give(self) -> None:
        """Let the next one use the line; nothing for who does not have it."""
        self._lock.release()

    def back(self, address: int, gone_s: float) -> None:
        """Somebody answers again who was away from `gone_s` on."""
        self.away.discard(address)
        self.last_away = (gone_s, time.monotonic())

    def open(self) -> None:
        """Open the port if it is not open."""
        try:
            self.take(urgent=True)
            self.line.open()
        finally:
            self.give()

    def close(self) -> None:
        """Close the port once the exchange on it is over; every later `take` is refused."""
        self._closed = True
        try:
            self._lock.acquire(Deadline.after(TURN_S), urgent=True)
        finally:
            # Also when the wait was in vain or interrupted: nobody may keep it open.
            self.line.transport.close()
            self._lock.release()
