"""A transport in simulated time: hours on a line take a moment in a test."""

from __future__ import annotations

import time

from watlowlib._internal.clock import Deadline, ManualClock


class ManualTimeTransport:
    """A transport whose waits advance a manual clock; a subclass produces the replies.

    Args:
        clock: Advanced by each write and each wait for a reply.
        byte_s: Time of one byte on the wire.
    """

    def __init__(self, clock: ManualClock, byte_s: float) -> None:
        self.port = "manual-time"
        self.is_open = False
        self._clock = clock
        self._byte_s = byte_s
        self._scheduled: list[tuple[float, bytes]] = []

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def write(self, data: bytes) -> None:
        began_s = time.monotonic()
        self._clock.advance(len(data) * self._byte_s)
        self.handle_request(data, began_s)

    def handle_request(self, data: bytes, began_s: float) -> None:
        """Handle a request that was sent from `began_s` until now."""
        raise NotImplementedError

    def schedule_reply(self, begin_s: float, raw: bytes) -> float:
        """Send `raw` from `begin_s` on; return the time of its last byte."""
        due_s = begin_s + len(raw) * self._byte_s
        self._scheduled.append((due_s, raw))
        return due_s

    def read(self, deadline: Deadline) -> bytes:
        if not self._scheduled or self._scheduled[0][0] > max(deadline.at_s, time.monotonic()):
            self._clock.advance(deadline.left_s())
            return b""
        due_s, raw = self._scheduled.pop(0)
        self._clock.advance(max(0.0, due_s - time.monotonic()))
        return raw
