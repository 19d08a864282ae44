"""When the ticks of a recording are due, at one rate or at several on the same schedule.

Slot n of a rate is due at start + n * period, rounded down to a nanosecond: the period is
an exact fraction, so that the third slot of 3 Hz and the second of 2 Hz are one instant,
today and after a weekend. A tick is an instant at which at least one rate has a slot due;
all rates that have one are served by it. Each rate counts its own slots.

A tick that takes longer than a period lets the next slot begin late; slots that went by
altogether are skipped, counted and never made up for. No clock and no thread here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

MOST_NS = 10**18
"""The longest period, some 30 years."""


class Slots:
    """The slots of one rate, in nanoseconds from the start.

    Slot n belongs to the recording when n / rate_hz < duration_s; there is at least one.

    Args:
        rate_hz: Slots a second, above 0.
        duration_s: How long there are slots; None for no end.
    """

    def __init__(self, rate_hz: float, duration_s: float | None) -> None:
        period = Fraction(min(1e9 / rate_hz, MOST_NS)).limit_denominator(1000)
        self._numerator, self._denominator = period.numerator, period.denominator
        # The millionth part of a slot forgives 0.1 * 3 not being 0.3.
        self.count = None if duration_s is None else max(1, math.ceil(duration_s * rate_hz - 1e-6))

    def due_ns(self, slot: int) -> int:
        """When `slot` is due."""
        return slot * self._numerator // self._denominator

    def running(self, now_ns: int) -> int:
        """The last slot that is due by `now_ns`."""
        return -(-(now_ns + 1) * self._denominator // self._numerator) - 1

    def ended(self, slot: int) -> bool:
        """Whether `slot` comes after the last one."""
        return self.count is not None and slot >= self.count


class Schedule:
    """Goes through the slots of several rates.

    Args:
        start_ns: When slot 0 of each is due.
        rates: The slots of each rate.
    """

    def __init__(self, start_ns: int, rates: Sequence[Slots]) -> None:
        self._start_ns = start_ns
        self._rates = rates
        self._next = [0] * len(rates)
        self._due_ns: list[int | None] = [start_ns] * len(rates)

    def next_ns(self) -> int | None:
        """When the next tick is due; None when there is no more."""
        return min((due_ns for due_ns in self._due_ns if due_ns is not None), default=None)

    def take(self, now_ns: int) -> tuple[tuple[int, ...], int]:
        """Serve the slots that are due at `now_ns`, the next one of each rate.

        Returns:
            The numbers of the rates that have one, and how long ago the earliest was due.
        """
        late_ns = {
            number: now_ns - due_ns
            for number, due_ns in enumerate(self._due_ns)
            if due_ns is not None and due_ns <= now_ns
        }
        for number in late_ns:
            self._go_to(number, self._next[number] + 1)
        return tuple(late_ns), max(late_ns.values(), default=0)

    def skip(self, now_ns: int) -> list[int]:
        """Give up the slots that went by before `now_ns`: all before the running one.

        Returns:
            How many, for each rate.
        """
        skipped = [0] * len(self._rates)
        for number, (rate, due_ns) in enumerate(zip(self._rates, self._due_ns)):
            if due_ns is not None and due_ns < now_ns:
                running = rate.running(now_ns - self._start_ns)
                if rate.count is not None:
                    running = min(running, rate.count)
                skipped[number] = running - self._next[number]
                self._go_to(number, running)
        return skipped

    def _go_to(self, number: int, slot: int) -> None:
        rate = self._rates[number]
        self._next[number] = slot
        self._due_ns[number] = None if rate.ended(slot) else self._start_ns + rate.due_ns(slot)
