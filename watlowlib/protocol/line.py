"""One half-duplex line: the silence before each request, and reopening a lost port.

After a timeout the reply may still come, and would be taken for the reply to the next
request. So after a timeout the line must be quiet for `quiet_s` before the next request;
bytes received meanwhile are discarded. After a successful exchange the line is only emptied
of bytes already received, which takes no time.

The next request opens a lost port again. If opening fails, or the port is lost again before a
byte was received, further requests fail at once until a back-off pause has passed: opening may
take seconds, which every request would lose.
"""

from __future__ import annotations

import time

from watlowlib._internal.backoff import Backoff
from watlowlib._internal.clock import Deadline
from watlowlib._internal.log import logger
from watlowlib._internal.process import NotCopied
from watlowlib.errors import (
    ErrorContext,
    WatlowConnectionError,
    WatlowError,
    WatlowLineNotQuietError,
)
from watlowlib.protocol.exchange import MOST_RECEIVED
from watlowlib.protocol.stats import PortStats
from watlowlib.transport.base import Transport

log = logger(__name__)

QUIET_S = 0.1
"""Silence after a timeout before the next request. Real PM3s reply within 50 ms."""

GAP_S = 0.02
"""Silence after stale bytes: longer than the 16 ms latency timer of a USB adapter."""

SETTLE_LIMIT_S = 2.0
"""How long to wait for the line to become quiet."""

REOPEN_FIRST_S, REOPEN_MOST_S = 0.1, 5.0
"""The longest pauses after the first failed attempt to open a port, and after many."""

NOW = Deadline(0.0)


class InterruptionError(WatlowConnectionError):
    """Another controller may be connected than the one a request was for; nothing was sent."""


class PortReopenedError(InterruptionError):
    """The port was opened again."""


class OutageError(InterruptionError):
    """`OFFLINE_AFTER` attempts in a row got no reply."""

    status = "timeout"


class Line(NotCopied):
    """A transport that sends only while the line is quiet."""

    def __init__(self, transport: Transport, stats: PortStats, *, quiet_s: float = QUIET_S) -> None:
        self.transport = transport
        self.quiet_s = quiet_s
        self._stats = stats
        self._quiet_until_s = 0.0
        self._backoff = Backoff(REOPEN_FIRST_S, REOPEN_MOST_S)
        self._last_error = "the port was lost"
        self._loss: str | None = None
        """Why the port was lost since it was last opened, if known."""
        self._loss_before: str | None = None
        """Why the port was lost before it was last opened, if known."""
        self._was_open = self._awaited = False

    def open(self) -> None:
        """Open the port if it is not open, without regard to the back-off.

        Raises:
            WatlowConnectionError: It cannot be opened.
        """
        if self._was_open and not self.transport.is_open:
            self._open_again()
        self.transport.open()
        self._was_open = True

    def open_or_wait(self) -> None:
        """Open the port; if that fails, later requests try it again, with a back-off."""
        try:
            self.open()
        except WatlowConnectionError as error:
            if not self._backoff.failures:
                log.warning("waiting for port %s: %s", self.transport.port, error.message)
                self._awaited = True
            self._backoff.failed()
            self._last_error = error.message

    def prepare(self, opening: int | None = None) -> bytes:
        """Open the port if it was lost, and wait until the line is quiet.

        Args:
            opening: The value that `PortStats.reconnects` must have; None for any.

        Returns:
            The stale bytes that were discarded, of many the last `MOST_RECEIVED`.

        Raises:
            WatlowLineNotQuietError: The line was not quiet within `SETTLE_LIMIT_S`.
            WatlowConnectionError: The port is lost, and opening it failed or is not due yet.
            PortReopenedError: The port was opened again since `opening`.
        """
        if not self.transport.is_open:
            self._reopen()
        if opening not in (None, self._stats.reconnects):
            cause = f" ({self._loss_before})" if self._loss_before else ""
            raise PortReopenedError(
                f"the port was opened again after it was lost{cause}; nothing was sent, because "
                "another controller may be connected now; repeat the request",
                context=ErrorContext(port=self.transport.port),
            )
        stale = self.transport.read(NOW)
        return self._wait_until_quiet(stale) if stale or self._quiet_until_s else b""

    def send(self, data: bytes) -> None:
        """Send `data` on the prepared line."""
        self.transport.write(data)

    def receive(self, deadline: Deadline) -> bytes:
        """Return what arrives by the deadline, `b""` for nothing."""
        data = self.transport.read(deadline)
        if data and self._backoff.failures:
            self._backoff.succeeded()
        return data

    def require_silence(self, silence_s: float | None = None) -> None:
        """Require silence before the next request; for `quiet_s`, because bytes may still come."""
        until_s = time.monotonic() + (self.quiet_s if silence_s is None else silence_s)
        self._quiet_until_s = max(self._quiet_until_s, until_s)

    def note_failure(self, error: BaseException) -> None:
        """Require silence after an exchange has failed; store why the port was lost."""
        self.require_silence()
        if isinstance(error, WatlowError) and not self.transport.is_open:
            self._loss = self._loss or error.message

    def _reopen(self) -> None:
        left_s = self._backoff.left_s()
        if left_s:
            self._loss = self._loss or self._last_error
            raise WatlowConnectionError(
                f"{self._last_error}; the next attempt to open it is in {left_s:.1f} s",
                context=ErrorContext(port=self.transport.port),
            )
        self._open_again()

    def _open_again(self) -> None:
        first = not self._backoff.failures
        # A failure until a byte is received: some ports open, and are lost again at once.
        self._backoff.failed()
        try:
            self.transport.open()
        except WatlowConnectionError as error:
            self._last_error = error.message
            if first:
                log.warning("port %s was lost: %s", self.transport.port, error.message)
            raise
        log.warning("port %s is open%s", self.transport.port, "" if self._awaited else " again")
        self._awaited = False
        self._last_error = "the port was lost"
        self._loss_before, self._loss = self._loss, None
        self._stats.reconnects += 1
        self.require_silence()

    def _wait_until_quiet(self, stale: bytes) -> bytes:
        """Read until the line is quiet; return the discarded bytes, `stale` among them."""
        discarded = stale
        limit = Deadline.after(SETTLE_LIMIT_S)
        while True:
            if stale:
                self._stats.stale_bytes += len(stale)
                gap_s = min(GAP_S, self.quiet_s)
                self._quiet_until_s = max(self._quiet_until_s, time.monotonic() + gap_s)
            stale = self.transport.read(Deadline(self._quiet_until_s))
            discarded = (discarded + stale)[-MOST_RECEIVED:]
            if not stale:
                break
            if limit.passed():
                raise WatlowLineNotQuietError(
                    f"the line has not been quiet for {SETTLE_LIMIT_S:g} s, nothing was sent; "
                    "is another master on it, or is the baud rate wrong?",
                    context=ErrorContext(port=self.transport.port, reply=stale),
                )
        self._quiet_until_s = 0.0
        return discarded[-MOST_RECEIVED:]
