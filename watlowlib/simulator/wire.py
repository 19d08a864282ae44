"""What is on the simulated wire and when it gets to its end.

A byte takes its bits' time, so a request is complete some milliseconds after it was
written, and a reply is handed over when its last bit has passed. The line is half
duplex: what is sent while something else is on the wire collides, and both are spoilt.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field


@dataclass(order=True)
class _OnTheWire:
    end_s: float
    number: int
    start_s: float = field(compare=False)
    data: bytes = field(compare=False)


class Wire:
    """Times and collisions of one line.

    Args:
        byte_time_s: Seconds a byte takes; 0 for a wire that takes no time, on which
            nothing collides.
    """

    def __init__(self, byte_time_s: float) -> None:
        self.byte_time_s = byte_time_s
        self.collisions = 0
        self._replies: list[_OnTheWire] = []
        self._numbers = itertools.count()
        self._request_end_s = 0.0

    def request(self, now_s: float, data: bytes) -> float | None:
        """Bytes the host starts to send; when they are complete, None if they collide."""
        start_s = max(now_s, self._request_end_s)
        self._request_end_s = start_s + len(data) * self.byte_time_s
        return None if self._spoil(start_s, self._request_end_s) else self._request_end_s

    def reply(self, start_s: float, data: bytes) -> float:
        """Bytes a controller sends from `start_s` on; when they are complete."""
        end_s = start_s + len(data) * self.byte_time_s
        if self._spoil(start_s, end_s):
            data = _spoilt(data)
        heapq.heappush(self._replies, _OnTheWire(end_s, next(self._numbers), start_s, data))
        return end_s

    def due(self, now_s: float) -> bytes:
        """What has arrived at the host by now."""
        arrived = b""
        while self._replies and self._replies[0].end_s <= now_s:
            arrived += heapq.heappop(self._replies).data
        return arrived

    def next_s(self) -> float | None:
        """When the next bytes arrive at the host."""
        return self._replies[0].end_s if self._replies else None

    def clear(self) -> None:
        """Forget what is on the wire."""
        self._replies.clear()

    def _spoil(self, start_s: float, end_s: float) -> bool:
        """Spoil every reply that is on the wire between the two; whether there was one."""
        hit = [each for each in self._replies if each.start_s < end_s and each.end_s > start_s]
        for each in hit if self.byte_time_s else ():
            each.data = _spoilt(each.data)
            self.collisions += 1
        return bool(hit and self.byte_time_s)


def _spoilt(data: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in data)
