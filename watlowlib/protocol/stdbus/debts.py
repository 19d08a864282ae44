"""What controllers still owe us: answers to questions that have timed out.

A controller answers one question after the other. So an answer that fits what is owed may
be the late one, whatever else it fits; and an answer to a later question says that those
to earlier ones will never come. One that has not come `OWING_S` after its timeout is taken
for lost.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from watlowlib.protocol.stdbus.questions import is_refusal

OWING_S = 1.0


@dataclass(eq=False)
class Owed:
    """One answer that is owed: what it begins with, since when, and until when."""

    expected: bytes
    since_s: float
    until_s: float


class Debts:
    """The answers each controller owes, by its MAC, in the order they were asked for."""

    def __init__(self) -> None:
        self._owed: dict[int, list[Owed]] = {}

    def add(self, mac: int, expected: bytes, until_s: float | None = None) -> None:
        """A question has just not been answered.

        Args:
            mac: Whom it was put to.
            expected: What the payload of an answer begins with.
            until_s: Until when it may come; None for `OWING_S` from now.
        """
        now_s = time.monotonic()
        until_s = now_s + OWING_S if until_s is None else until_s
        self._owed.setdefault(mac, []).append(Owed(expected, now_s, until_s))

    def settle(self, mac: int, payload: bytes, before_s: float = math.inf) -> Owed | None:
        """A reply has come; which of the answers owed since before `before_s` it may be.

        That one, and whatever was owed before it, is owed no more. A refusal names no
        parameter and may be any of them.
        """
        for owed in self._live(mac, before_s):
            if payload.startswith(owed.expected) or is_refusal(payload):
                self._void(mac, owed.since_s)
                return owed
        return None

    def void(self, mac: int, before_s: float) -> None:
        """What was owed since before `before_s` will not come any more."""
        if mac in self._owed:
            self._void(mac, before_s)

    def _void(self, mac: int, since_s: float) -> None:
        self._owed[mac] = [owed for owed in self._owed[mac] if owed.since_s > since_s]

    def _live(self, mac: int, before_s: float) -> list[Owed]:
        now_s = time.monotonic()
        return [
            owed
            for owed in self._owed.get(mac, ())
            if owed.until_s > now_s and owed.since_s < before_s
        ]
