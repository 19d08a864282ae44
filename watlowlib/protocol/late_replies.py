"""What controllers still owe us: answers to questions that have timed out.

A controller answers one question after the other. So an answer that fits what is owed may
be the late one, whatever else it fits; and an answer to a later question says that those
to earlier ones will never come. One that has not come `OWING_S` after its timeout, the usual
one also for who was waited for less, is taken for lost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

OWING_S = 1.0


@dataclass(eq=False)
class Owed:
    """One answer that is owed: what it begins with, to which call, and until when.

    Where one has come, and it is in doubt whose it was, another is owed no longer than that one.
    """

    expected: bytes
    call: object
    until_s: float
    doubted: bool


class Debts:
    """The answers each controller owes, by its station, in the order they were asked for."""

    def __init__(self) -> None:
        self._owed: dict[int, list[Owed]] = {}

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
        self._owed[station] = [*self._live(station), Owed(expected, call, until_s, doubted)]

    def settle(
        self, station: int, payload: bytes, call: object = None, *, refusal: bool = False
    ) -> Owed | None:
        """A reply has come; which of the answers owed to other calls than `call` it may be.

        That one, and whatever was owed before it, is owed no more. A refusal does not name
        what was asked and may be any of them.
        """
        queue = self._live(station)
        for place, owed in enumerate(queue):
            fits = refusal or payload.startswith(owed.expected)
            if owed.call is not call and fits:
                self._owed[station] = queue[place + 1 :]
                return owed
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
        timed_out = bool(queue) and not any(owed.doubted for owed in queue)
        self._owed[station] = queue[timed_out:]
        return timed_out

    def _live(self, station: int) -> list[Owed]:
        now_s = time.monotonic()
        return [owed for owed in self._owed.get(station, ()) if owed.until_s > now_s]
