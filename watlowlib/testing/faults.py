"""Faults of a line in words: `bus.faults.drop(every=10)`."""

from __future__ import annotations

from dataclasses import dataclass

from watlowlib._internal.validation import as_int, as_positive
from watlowlib.simulator.faults import Fault, FaultPlan

MOST = 1_000_000_000
MOST_S = 3600.0


@dataclass
class _Rule:
    fault: Fault
    every: int
    left: int | None
    """How many replies will still have the fault; None without a limit."""
    delay_s: float = 0.0
    replies: int = 0

    def is_due(self) -> bool:
        """Count a reply, and return whether it may have the fault."""
        self.replies += 1
        return self.left != 0 and self.replies % self.every == 0


class Faults(FaultPlan):
    """The faults of a `TestBus`.

    Each method begins a fault, for the replies from now on: every reply, or with `every=10` each
    tenth. `times` limits how many replies have it. A reply has at most one fault: one with
    `times` before one without, and a rare one before a frequent one.

    Attributes:
        happened: The number of faults so far, by name, such as `happened["drop"]`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rules: list[_Rule] = []

    def __repr__(self) -> str:
        rules = [f"{each.fault.value} every {each.every}" for each in self._rules if each.left != 0]
        return f"<Faults: {', '.join(rules) or 'none'}; faults so far: {self.happened.total()}>"

    def drop(self, *, every: int = 1, times: int | None = None) -> None:
        """Lose replies; the controller has carried out the request."""
        self._add(Fault.DROP, every, times)

    def corrupt(self, *, every: int = 1, times: int | None = None) -> None:
        """Invert one bit of replies."""
        self._add(Fault.CORRUPT, every, times)

    def delay(self, seconds: float, *, every: int = 1, times: int | None = None) -> None:
        """Delay replies by `seconds`, above 0 and up to 3600."""
        self._add(Fault.DELAY, every, times, as_positive("seconds", seconds, MOST_S, "seconds"))

    def echo(self, *, every: int = 1, times: int | None = None) -> None:
        """Send the request back before the reply, as some two-wire adapters do."""
        self._add(Fault.ECHO, every, times)

    def none(self) -> None:
        """End all faults; also those of `next_are`."""
        self._rules = []
        self._script.clear()

    def _add(self, fault: Fault, every: int, times: int | None, delay_s: float = 0.0) -> None:
        as_int("every", every, 1, MOST, "give 1 for every reply, 10 for each tenth")
        if times is not None:
            as_int("times", times, 1, MOST, "give a whole number from 1, or None for no limit")
        current = [each for each in self._rules if each.left != 0]
        # A new list: the thread of the bus may be reading the other one.
        self._rules = [*current, _Rule(fault, every, times, delay_s)]

    def _unscripted(self) -> Fault | None:
        due = [each for each in self._rules if each.is_due()]
        if not due:
            return None
        rule = max(due, key=lambda each: (each.left is not None, each.every))
        if rule.left is not None:
            rule.left -= 1
        self.delay_s = rule.delay_s
        return rule.fault
