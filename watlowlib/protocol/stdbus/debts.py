"""What controllers still owe us: answers to questions that have timed out.

A controller answers one question after the other. So an answer that fits what is owed may
be the late one, whatever else it fits; and an answer to a later question says that those
to earlier ones will never come. One that has not come `OWING_S` after its timeout is taken
for lost.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from watlowlib.protocol.stdbus.questions import is_refusal

OWING_S = 1.0


@dataclass(eq=False)
class Owed:
    """One answer that is owed: what it begins with, to which call, and until when."""

    expected: bytes
    call: object
    until_s: float


class Debts:
    """The answers each controller owes, by its MAC, in the order they were asked for."""

    def __init__(self) -> None:
        self._owed: dict[int, list[Owed]] = {}

    def add(self, mac: int, expected: bytes, call: object, until_s: float | None = None) -> None:
        """A question has just not been answered.

        Args:
            mac: Whom it was put to.
            expected: What the payload of an answer begins with.
            call: The call it was asked for.
            until_s: Until when it may come; None for `OWING_S` from now.
        """
        until_s = time.monotonic() + OWING_S if until_s is None else until_s
        self._owed[mac] = [*self._live(mac), Owed(expected, call, until_s)]

    def settle(self, mac: int, payload: bytes, call: object = None) -> Owed | None:
        """A reply has come; which of the answers owed to other calls than `call` it may be.

        That one, and whatever was owed before it, is owed no more. A refusal names no
        parameter and may be any of them.
        """
        queue = self._live(mac)
        for place, owed in enumerate(queue):
            fits = payload.startswith(owed.expected) or is_refusal(payload)
            if owed.call is not call and fits:
                self._owed[mac] = queue[place + 1 :]
                return owed
        return None

    def void(self, mac: int, call: object) -> None:
        """`call` has been answered: what was owed before its first question will not come."""
        queue = self._live(mac)
        while queue and queue[0].call is not call:
            del queue[0]
        self._owed[mac] = queue

    def _live(self, mac: int) -> list[Owed]:
        now_s = time.monotonic()
        return [owed for owed in self._owed.get(mac, ()) if owed.until_s > now_s]
