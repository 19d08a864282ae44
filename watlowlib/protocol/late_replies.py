"""What controllers still owe us: answers to questions that have timed out.

A controller answers one question after the other. So an answer that fits what is owed may
be the late one, whatever else it fits; and an answer to a later question says that those
to earlier ones will never come. One that has not come `LATE_REPLY_S` after its timeout, the usual
one also for who was waited for less, is taken for lost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

LATE_REPLY_S = 1.0


@dataclass(eq=False)
class PendingReply:
    """One answer that is owed: what it begins with, to which call, and until when.

    Where one has come, and it is in doubt whose it was, another is owed no longer than that one.
    """

    expected: bytes
    call: object
    until_s: float
    doubted: bool


class PendingReplies:
    """The answers each controller owes, by its station, in the order they were asked for."""

    def __init__(self) -> None:
        self._pending: dict[int, list[PendingReply]] = {}

    def add(
        self,
        station: int,
        expected: bytes,
        call: object,
        until_s: float,
        *,
        doubted: bool = False,
    ) -> None:
        """A question has just not been answered.

        Args:
            station: Whom it was put to.
            expected: What the payload of an answer begins with.
            call: The call it was asked for.
            until_s: Until when it may come.
            doubted: Whether one has come that may have been it.
        """
        self._pending[station] = [
            *self._live(station),
            PendingReply(expected, call, until_s, doubted),
        ]

    def settle(
        self, station: int, payload: bytes, call: object = None, *, is_error: bool = False
    ) -> PendingReply | None:
        """A reply has come; which of the answers owed to other calls than `call` it may be.

        That one, and whatever was owed before it, is owed no more. A refusal does not name
        what was asked and may be any of them.
        """
        queue = self._live(station)
        for place, pending in enumerate(queue):
            fits = is_error or payload.startswith(pending.expected)
            if pending.call is not call and fits:
                self._pending[station] = queue[place + 1 :]
                return pending
        return None

    def void(self, station: int, call: object) -> bool:
        """`call` has been answered: what was owed before its first question will not come.

        Returns:
            Whether it may have been the answer to an earlier question of the same call that
            has timed out: then the last question's is owed now.
        """
        queue = self._live(station)
        while queue and queue[0].call is not call:
            del queue[0]
        timed_out = bool(queue) and not any(pending.doubted for pending in queue)
        self._pending[station] = queue[timed_out:]
        return timed_out

    def _live(self, station: int) -> list[PendingReply]:
        now_s = time.monotonic()
        return [pending for pending in self._pending.get(station, ()) if pending.until_s > now_s]
