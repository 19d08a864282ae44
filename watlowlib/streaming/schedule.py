"""The schedule of a recording: when its ticks are due, at one rate or at several.

Slot n of a rate is due at start + n * period, rounded down to a nanosecond. The period is an
exact fraction: the third slot of 3 Hz and the second of 2 Hz are the same instant, however long
the recording runs. A tick is an instant at which at least one rate has a slot due. It serves
all rates that have one. Each rate counts its own slots.

Ticks are numbered from 0 in the order in which they are due. At one rate the number of a tick is
that of its slot. Skipped ticks leave out their numbers.

If a tick takes longer than a period, the next slot begins late. Slots that have passed
completely are skipped, counted and not repeated. This module has no clock and no thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

MAX_PERIOD_NS = 10**18
"""The longest period, about 30 years."""


class Slots:
    """The slots of one rate, in nanoseconds from the start.

    Slot n belongs to the recording if n / rate_hz < duration_s; there is at least one slot.

    Args:
        rate_hz: Slots per second, above 0.
        duration_s: The duration in seconds; None for no end.
    """

    def __init__(self, rate_hz: float, duration_s: float | None) -> None:
        self.period_ns = Fraction(min(1e9 / rate_hz, MAX_PERIOD_NS)).limit_denominator(1000)
        # A millionth of a slot allows for rounding: 0.1 * 3 is not exactly 0.3.
        self.count = None if duration_s is None else max(1, math.ceil(duration_s * rate_hz - 1e-6))

    def due_ns(self, slot: int) -> int:
        """Return when `slot` is due."""
        return slot * self.period_ns.numerator // self.period_ns.denominator

    def current(self, now_ns: int) -> int:
        """Return the last slot that is due at or before `now_ns`."""
        return count_until(now_ns, self.period_ns) - 1

    def past_end(self, slot: int) -> bool:
        """Whether `slot` comes after the last one."""
        return self.count is not None and slot >= self.count


def count_until(now_ns: int, period_ns: Fraction) -> int:
    """Return how many multiples of a period, from 0, are due at or before `now_ns`."""
    return -(-(now_ns + 1) * period_ns.denominator // period_ns.numerator)


class Schedule:
    """An iteration over the slots of several rates; slot 0 of each is due at `start_ns`."""

    def __init__(self, start_ns: int, rates: Sequence[Slots]) -> None:
        self._start_ns = start_ns
        self._rates = rates
        self._next = [0] * len(rates)
        self._due_ns: list[int | None] = [start_ns] * len(rates)
        self._periods_ns = _signed_periods(rates)
        self._numbers_before = 0

    def next_ns(self) -> int | None:
        """Return when the next tick is due; None if there is none."""
        return min((due_ns for due_ns in self._due_ns if due_ns is not None), default=None)

    def number(self, due_ns: int) -> int:
        """Return the number of the tick that is due at `due_ns`."""
        elapsed_ns = due_ns - self._start_ns
        count = sum(sign * count_until(elapsed_ns, each) for sign, each in self._periods_ns)
        return self._numbers_before + count - 1

    def take(self, now_ns: int) -> tuple[tuple[int, ...], int]:
        """Advance each rate whose next slot is due at `now_ns`.

        Returns:
            The indices of the rates that were due, and how long ago the earliest was due.
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
        """Skip the slots that have passed at `now_ns`: all before the current one.

        Returns:
            The number of skipped slots of each rate.
        """
        skipped = [0] * len(self._rates)
        for number, (rate, due_ns) in enumerate(zip(self._rates, self._due_ns)):
            if due_ns is not None and due_ns < now_ns:
                current = rate.current(now_ns - self._start_ns)
                if rate.count is not None:
                    current = min(current, rate.count)
                skipped[number] = current - self._next[number]
                self._go_to(number, current)
        return skipped

    def continue_from(self, earlier: Schedule, now_ns: int) -> None:
        """Continue after `earlier`, a schedule with the same start.

        A rate of both schedules continues with its next slot in `earlier`. A new rate begins with
        its first slot that is due at `now_ns` or later. The numbers of ticks continue.
        """
        slots = dict(zip((rate.period_ns for rate in earlier._rates), earlier._next))
        for number, rate in enumerate(self._rates):
            first = count_until(now_ns - 1 - self._start_ns, rate.period_ns)
            self._go_to(number, slots.get(rate.period_ns, first))
        next_ns, before_ns = self.next_ns(), earlier.next_ns()
        if next_ns is not None and before_ns is not None:
            self._numbers_before = earlier.number(before_ns) - self.number(next_ns)

    def _go_to(self, number: int, slot: int) -> None:
        rate = self._rates[number]
        self._next[number] = slot
        self._due_ns[number] = None if rate.past_end(slot) else self._start_ns + rate.due_ns(slot)


def _signed_periods(rates: Sequence[Slots]) -> list[tuple[int, Fraction]]:
    """Return the periods whose counts, with their signs, add up to the number of ticks.

    A slot that several rates share is one tick. By inclusion and exclusion, the slots common to
    an even number of rates are subtracted, and those common to an odd number are added.
    """
    periods = dict.fromkeys(rate.period_ns for rate in rates)
    return [
        ((-1) ** (size - 1), _common_period(chosen))
        for size in range(1, len(periods) + 1)
        for chosen in combinations(periods, size)
    ]


def _common_period(periods: Sequence[Fraction]) -> Fraction:
    """Return the least common multiple of fractions in lowest terms."""
    numerator = math.lcm(*(each.numerator for each in periods))
    return Fraction(numerator, math.gcd(*(each.denominator for each in periods)))
