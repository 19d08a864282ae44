"""The timing of a simulated line: when bytes arrive, and which bytes collide.

A byte takes the time of its bits, so a request is complete some milliseconds after it was
written, and a reply is delivered after its last bit. The line is half duplex: bytes that are
sent while other bytes are on the line collide, and both are corrupted.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field


@dataclass(order=True)
class _Transmission:
    end_s: float
    number: int
    start_s: float = field(compare=False)
    data: bytes = field(compare=False)


class TimedLine:
    """The transmissions on one line; with a byte time of 0 it has no timing and no collisions."""

    def __init__(self, byte_time_s: float) -> None:
        self.byte_time_s = byte_time_s
        self.collisions = 0
        self._replies: list[_Transmission] = []
        self._numbers = itertools.count()
        self._request_end_s = 0.0

    def request(self, now_s: float, data: bytes) -> float | None:
        """Send bytes from the host; return when they are complete, None if they collide."""
        start_s = max(now_s, self._request_end_s)
        self._request_end_s = start_s + len(data) * self.byte_time_s
        return None if self._collide(start_s, self._request_end_s) else self._request_end_s

    def reply(self, start_s: float, data: bytes) -> float:
        """Send bytes from a controller at `start_s`; return when they are complete."""
        end_s = start_s + len(data) * self.byte_time_s
        if self._collide(start_s, end_s):
            data = _inverted(data)
        heapq.heappush(self._replies, _Transmission(end_s, next(self._numbers), start_s, data))
        return end_s

    def due(self, now_s: float) -> bytes:
        """Remove and return the bytes that have arrived at the host by `now_s`."""
        arrived = b""
        while self._replies and self._replies[0].end_s <= now_s:
            arrived += heapq.heappop(self._replies).data
        return arrived

    def next_s(self) -> float | None:
        """Return when the next bytes arrive at the host, None without any."""
        return self._replies[0].end_s if self._replies else None

    def clear(self) -> None:
        """Discard the replies on the line."""
        self._replies.clear()

    def _collide(self, start_s: float, end_s: float) -> bool:
        """Corrupt every reply on the line between the two times; return whether there was one."""
        hit = [each for each in self._replies if each.start_s < end_s and each.end_s > start_s]
        for each in hit if self.byte_time_s else ():
            each.data = _inverted(each.data)
            self.collisions += 1
        return bool(hit and self.byte_time_s)


def _inverted(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)
