"""What went over a line, counted: for each controller, and for the port as a whole."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass
class DeviceStats:
    """Counters of one controller since its port was opened.

    Attributes:
        exchanges: Questions that were answered, also with an error code.
        retries: Questions that were asked once more.
        timeouts: Attempts that nothing fitting answered in time.
        crc_errors: Attempts that only damaged frames answered.
        late_replies: Answers that came after their question had been given up, and were dropped.
        frames_skipped: Other whole frames that did not fit the question: others' talk.
        echoes_skipped: Our own request, heard back on a two-wire adapter.
        unanswered: Attempts in a row, up to now, that nothing answered.
    """

    exchanges: int = 0
    retries: int = 0
    timeouts: int = 0
    crc_errors: int = 0
    late_replies: int = 0
    frames_skipped: int = 0
    echoes_skipped: int = 0
    unanswered: int = 0

    def __str__(self) -> str:
        parts = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ", ".join(f"{name} {count}" for name, count in parts if count) or "nothing asked"


@dataclass
class PortStats(DeviceStats):
    """Counters of one port since it was opened, all its controllers together.

    Attributes:
        stale_bytes: Bytes thrown away before a question.
        reconnects: Times the port was opened again after it was lost.
    """

    stale_bytes: int = 0
    reconnects: int = 0

    __str__ = DeviceStats.__str__

    @property
    def strays(self) -> int:
        """A number that changes when something comes that was not waited for."""
        return self.late_replies + self.frames_skipped + self.stale_bytes
