"""One half-duplex line: what must be silent before anything is sent.

After a question that nobody answered the answer may still come, and would be taken
for the answer to the next one. So a line that has timed out is listened to until it
has been quiet for `quiet_s`, and what arrives meanwhile is thrown away. A line on
which all went well is only emptied of what is there, which costs no time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from watlowlib.clock import Deadline
from watlowlib.errors import ErrorContext, WatlowLineNotQuietError
from watlowlib.transport.base import Transport

QUIET_S = 0.1
"""Silence after a timeout before the next question. Real PM3s answer within 50 ms."""

GAP_S = 0.02
"""Silence behind bytes that nobody asked for: above a USB adapter's 16 ms latency timer."""

SETTLE_LIMIT_S = 2.0
"""How long a line may chatter before that is an error."""

WRITE_S = 1.0
NOW = Deadline(0.0)


@dataclass
class PortStats:
    """Counters of one port since it was opened.

    Attributes:
        exchanges: Questions that were answered, also with an error code.
        timeouts: Attempts that nothing fitting answered in time.
        crc_errors: Attempts that only damaged frames answered.
        frames_skipped: Whole frames that did not fit the question: late replies, others' talk.
        echoes_skipped: Our own request, heard back on a two-wire adapter.
        stale_bytes: Bytes thrown away before a question.
        reconnects: Times the port was opened again after it was lost.
    """

    exchanges: int = 0
    timeouts: int = 0
    crc_errors: int = 0
    frames_skipped: int = 0
    echoes_skipped: int = 0
    stale_bytes: int = 0
    reconnects: int = 0


class Line:
    """A transport together with what is known of the silence on it."""

    def __init__(self, transport: Transport, stats: PortStats, *, quiet_s: float = QUIET_S) -> None:
        self.transport = transport
        self.quiet_s = quiet_s
        self._stats = stats
        self._quiet_until_s = 0.0

    def send(self, data: bytes) -> bytes:
        """Send `data` on a line that is quiet.

        Returns:
            What had to be thrown away before.

        Raises:
            WatlowLineNotQuietError: It chattered for `SETTLE_LIMIT_S`.
            WatlowConnectionError: The port is gone.
        """
        if not self.transport.is_open:
            self.transport.open()
            self._stats.reconnects += 1
            self.distrust()
        thrown_away = self._settle()
        self.transport.write(data, Deadline.after(WRITE_S))
        return thrown_away

    def receive(self, deadline: Deadline) -> bytes:
        """What arrives by the deadline, `b""` for nothing."""
        return self.transport.read(deadline)

    def distrust(self) -> None:
        """Something may still come: be quiet for `quiet_s` before the next question."""
        self._quiet_until_s = time.monotonic() + self.quiet_s

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
