"""Counters of the traffic, for each controller and for the whole port."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, fields

OFFLINE_AFTER = 2
"""Attempts in a row without a reply after which a controller counts as offline."""


@dataclass
class DeviceStats:
    """Counters of one controller since its port was opened.

    Attributes:
        exchanges: Requests that got a reply, error replies included.
        retries: Requests that were sent again.
        timeouts: Attempts without a matching reply before the deadline.
        crc_errors: Attempts that got only damaged frames.
        late_replies: Replies that came after the timeout of their request, and were dropped.
        frames_skipped: Other complete frames that did not match the request.
        echoes_skipped: Our own requests, echoed by a two-wire adapter.
        unanswered: Attempts without any reply in a row, up to now.
        outages: How often `unanswered` has reached `OFFLINE_AFTER`.
    """

    exchanges: int = 0
    retries: int = 0
    timeouts: int = 0
    crc_errors: int = 0
    late_replies: int = 0
    frames_skipped: int = 0
    echoes_skipped: int = 0
    unanswered: int = 0
    outages: int = 0

    def __str__(self) -> str:
        parts = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ", ".join(f"{name} {count}" for name, count in parts if count) or "no requests"


class DeviceCounters(dict[Hashable, DeviceStats]):
    """The counters of each controller on a port, made when they are first needed.

    Threads that need them at once get the same ones: a driver keeps its own.
    """

    def __missing__(self, counter: Hashable) -> DeviceStats:
        return self.setdefault(counter, DeviceStats())


@dataclass
class PortStats(DeviceStats):
    """Counters of one port since it was opened, for all its controllers together.

    Attributes:
        stale_bytes: Bytes discarded before a request.
        reconnects: How often the port was opened again after it was lost.
    """

    stale_bytes: int = 0
    reconnects: int = 0

    __str__ = DeviceStats.__str__

    @property
    def strays(self) -> int:
        """A number that changes when unexpected bytes or frames arrive."""
        return self.late_replies + self.frames_skipped + self.stale_bytes
