"""Late replies: which replies to timed-out requests may still come.

A controller replies to one request after the other. A reply that matches a pending one may
therefore be the late reply, even if it also matches the current request. A reply to a later
request shows that the replies to earlier ones will never come. A pending reply expires
`LATE_REPLY_S` after the timeout, or after the full timeout where it was shortened.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

LATE_REPLY_S = 1.0


@dataclass(eq=False)
class PendingReply:
    """A reply that may still come: the first bytes of its payload, and the call of its request.

    It expires at `until_s` on the monotonic clock. `ambiguous`: a reply has come that may be this
    one or an older one, whose expiry applies.
    """

    expected: bytes
    call: object
    until_s: float
    ambiguous: bool = False


class PendingReplies:
    """The pending replies of each controller, by station, in the order of the requests."""

    def __init__(self) -> None:
        self._pending: dict[int, list[PendingReply]] = {}

    def add(self, station: int, reply: PendingReply) -> None:
        """Add the reply to a request to `station` that has just failed."""
        self._pending[station] = [*self._unexpired(station), reply]

    def match(
        self, station: int, payload: bytes, call: object = None, *, is_error: bool = False
    ) -> PendingReply | None:
        """Return the pending reply of another call than `call` that a reply may be.

        That pending reply and all earlier ones are removed. An error reply does not name its
        request and matches every pending reply.
        """
        queue = self._unexpired(station)
        for place, pending in enumerate(queue):
            fits = is_error or payload.startswith(pending.expected)
            if pending.call is not call and fits:
                self._pending[station] = queue[place + 1 :]
                return pending
        return None

    def drop_older(self, station: int, call: object) -> bool:
        """Remove the replies to requests sent before the first one of `call`, which got a reply.

        Returns:
            Whether that reply may belong to an earlier request of the same call, which timed
            out: then the reply to the call's last request is pending.
        """
        queue = self._unexpired(station)
        while queue and queue[0].call is not call:
            del queue[0]
        timed_out = bool(queue) and not any(pending.ambiguous for pending in queue)
        self._pending[station] = queue[timed_out:]
        return timed_out

    def _unexpired(self, station: int) -> list[PendingReply]:
        now_s = time.monotonic()
        return [pending for pending in self._pending.get(station, ()) if pending.until_s > now_s]
