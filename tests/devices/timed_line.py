"""A line on which waiting turns a clock: what takes hours takes a moment."""

from __future__ import annotations

import time

from watlowlib._internal.clock import Deadline, ManualClock


class TurnedLine:
    """The half of a transport that hears; what is asked is answered by who builds on it.

    Args:
        clock: What is turned.
        byte_s: How long a byte is on the wire.
    """

    def __init__(self, clock: ManualClock, byte_s: float) -> None:
        self.port = "turned"
        self.is_open = False
        self._clock = clock
        self._byte_s = byte_s
        self._coming: list[tuple[float, bytes]] = []

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def write(self, data: bytes, deadline: Deadline) -> None:
        began_s = time.monotonic()
        self._clock.advance(len(data) * self._byte_s)
        self.asked(data, began_s)

    def asked(self, data: bytes, began_s: float) -> None:
        """A question has arrived, which began then."""
        raise NotImplementedError

    def answer(self, begin_s: float, raw: bytes) -> float:
        """Let `raw` come from `begin_s` on; when all of it has come."""
        due_s = begin_s + len(raw) * self._byte_s
        self._coming.append((due_s, raw))
        return due_s

    def read(self, deadline: Deadline) -> bytes:
        if not self._coming or self._coming[0][0] > max(deadline.at_s, time.monotonic()):
            self._clock.advance(deadline.left_s())
            return b""
        due_s, raw = self._coming.pop(0)
        self._clock.advance(max(0.0, due_s - time.monotonic()))
        return raw
