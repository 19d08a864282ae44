"""One half-duplex line: what must be silent before anything is sent.

After a question that nobody answered the answer may still come, and would be taken
for the answer to the next one. So a line that has timed out is listened to until it
has been quiet for `quiet_s`, and what arrives meanwhile is thrown away. A line on
which all went well is only emptied of what is there, which costs no time.

A port that was lost is opened again by the next question. When that is in vain, or the
port is lost again before a byte has come, the questions that follow fail at once, until a
while has passed that grows with each attempt: opening may take seconds, and would take
them from every question.
"""

from __future__ import annotations

import logging
import time

from watlowlib._internal.backoff import Backoff
from watlowlib._internal.clock import Deadline
from watlowlib.errors import ErrorContext, WatlowConnectionError, WatlowLineNotQuietError
from watlowlib.protocol.stats import PortStats
from watlowlib.transport.base import Transport

log = logging.getLogger(__name__)

QUIET_S = 0.1
"""Silence after a timeout before the next question. Real PM3s answer within 50 ms."""

GAP_S = 0.02
"""Silence behind bytes that nobody asked for: above a USB adapter's 16 ms latency timer."""

SETTLE_LIMIT_S = 2.0
"""How long a line may chatter before that is an error."""

REOPEN_FIRST_S, REOPEN_MOST_S = 0.1, 5.0
"""How long a lost port is left alone after the first attempt in vain, and after many."""

WRITE_S = 1.0
NOW = Deadline(0.0)


class Line:
    """A transport together with what is known of the silence on it."""

    def __init__(self, transport: Transport, stats: PortStats, *, quiet_s: float = QUIET_S) -> None:
        self.transport = transport
        self.quiet_s = quiet_s
        self._stats = stats
        self._quiet_until_s = 0.0
        self._again = Backoff(REOPEN_FIRST_S, REOPEN_MOST_S)
        self._why = "the port was lost"
        self._was_open = False

    def open(self) -> None:
        """Open the port if it is not open, also when it was tried in vain a moment ago.

        Raises:
            WatlowConnectionError: It cannot be opened.
        """
        if self._was_open and not self.transport.is_open:
            self._open_again()
        self.transport.open()
        self._was_open = True

    def send(self, data: bytes) -> bytes:
        """Send `data` on a line that is quiet.

        Returns:
            What had to be thrown away before.

        Raises:
            WatlowLineNotQuietError: It chattered for `SETTLE_LIMIT_S`.
            WatlowConnectionError: The port is gone, or could not be opened again a moment ago.
        """
        if not self.transport.is_open:
            self._reopen()
        thrown_away = self._settle()
        self.transport.write(data, Deadline.after(WRITE_S))
        return thrown_away

    def receive(self, deadline: Deadline) -> bytes:
        """What arrives by the deadline, `b""` for nothing."""
        data = self.transport.read(deadline)
        if data and self._again.failures:
            self._again.succeeded()
        return data

    def distrust(self) -> None:
        """Something may still come: be quiet for `quiet_s` before the next question."""
        self._quiet_until_s = time.monotonic() + self.quiet_s

    def _reopen(self) -> None:
        left_s = self._again.left_s()
        if left_s:
            raise WatlowConnectionError(
                f"{self._why}; it is tried again in {left_s:.1f} s",
                context=ErrorContext(port=self.transport.port),
            )
        self._open_again()

    def _open_again(self) -> None:
        first = not self._again.failures
        # It counts as in vain until a byte has come: some ports open, and are lost at once.
        self._again.failed()
        try:
            self.transport.open()
        except WatlowConnectionError as error:
            self._why = error.message
            if first:
                log.warning("port %s was lost: %s", self.transport.port, error.message)
            raise
        log.warning("port %s is open again", self.transport.port)
        self._why = "the port was lost"
        self._stats.reconnects += 1
        self.distrust()

    def _settle(self) -> bytes:
        thrown_away = stale = self.transport.read(NOW)
        if not stale and not self._quiet_until_s:
            return b""
        limit = Deadline.after(SETTLE_LIMIT_S)
        while True:
            if stale:
                self._stats.stale_bytes += len(stale)
                self._quiet_until_s = max(self._quiet_until_s, time.monotonic() + GAP_S)
            stale = self.transport.read(Deadline(self._quiet_until_s))
            thrown_away += stale
            if not stale:
                break
            if limit.passed():
                raise WatlowLineNotQuietError(
                    f"the line has not been quiet for {SETTLE_LIMIT_S:g} s, nothing was sent; "
                    "is another master on it, or the baud rate wrong?",
                    context=ErrorContext(port=self.transport.port, reply=stale),
                )
        self._quiet_until_s = 0.0
        return thrown_away
