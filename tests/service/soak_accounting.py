"""Accounts for every slot of a recording from its stored rows and events.

A slot of a rate either is in a tick with rows, or the recorder has skipped it and an event counts
it. At a reload the slots of a rate that is removed end, and those of a rate that is added begin:
one slot of such a rate that was due at that time may be in neither, and so may one at the end.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import NamedTuple

from watlowlib.model.events import Event, EventKind

CLOCK = timedelta(seconds=0.05)
"""How much the wall clock, which gives the time of a reload, may differ from the schedule's."""

MICROSECOND = timedelta(microseconds=1)
ENDS = (EventKind.PLAN_CHANGED, EventKind.RECORDING_STOPPED)


class Plan(NamedTuple):
    """What a rig file records: each parameter of each of the devices at its rate in Hz."""

    devices: frozenset[str]
    rates: Mapping[str, float]

    def reads(self, hz: float) -> set[tuple[str, str]]:
        """Return the devices and parameters of a rate."""
        parameters = [name for name, rate in self.rates.items() if rate == hz]
        return set(itertools.product(self.devices, parameters))


class Row(NamedTuple):
    """What is accounted for of a stored row."""

    tick: int
    device: str
    parameter: str
    scheduled_at: datetime


@dataclass
class Account:
    """What became of the slots of all rates, and what is wrong."""

    slots: int = 0
    read: int = 0
    skipped: int = 0
    left_at_reload: int = 0
    left_at_stop: int = 0
    problems: list[str] = field(default_factory=list)


class Tick(NamedTuple):
    """A tick with rows: its number, how long after the first it was due, and what it read."""

    number: int
    offset: timedelta
    reads: frozenset[tuple[str, str]]


class Segment(NamedTuple):
    """The time in which one plan was used, its ticks, and the skipped slots by rate."""

    plan: Plan
    begin: timedelta
    end: timedelta
    ticks: list[Tick]
    skipped: Mapping[float, int]


def account(rows: Iterable[Row], events: Sequence[Event], plans: Sequence[Plan]) -> Account:
    """Return the account of a recording whose file was loaded again for each plan but the first."""
    result = Account()
    ends = [each for each in events if each.kind in ENDS]
    if [each.kind for each in ends] != [ENDS[0]] * (len(plans) - 1) + [ENDS[1]]:
        result.problems.append(f"{len(plans)} plans, but these events: {ends}")
        return result
    start, ticks = _ticks(rows, result)
    segments = _segments(start, ticks, events, plans)
    for segment in segments:
        _check_ticks(segment, result)
    for hz in {hz for plan in plans for hz in plan.rates.values()}:
        for recorded, run in itertools.groupby(segments, partial(_has_rate, hz)):
            if recorded:
                _account_rate(hz, list(run), segments, result)
    return result


def _ticks(rows: Iterable[Row], result: Account) -> tuple[datetime, list[Tick]]:
    due: dict[int, datetime] = {}
    reads: dict[int, set[tuple[str, str]]] = {}
    for row in rows:
        if due.setdefault(row.tick, row.scheduled_at) != row.scheduled_at:
            result.problems.append(f"tick {row.tick} has two instants")
        read = (row.device, row.parameter)
        if read in reads.setdefault(row.tick, set()):
            result.problems.append(f"twice: {row}")
        reads[row.tick].add(read)
    ticks = [Tick(n, due[n] - due[0], frozenset(reads[n])) for n in sorted(due)]
    for before, after in itertools.pairwise(ticks):
        if before.offset >= after.offset:
            result.problems.append(f"tick {after.number} was due before tick {before.number}")
    return due[0], ticks


def _segments(
    start: datetime, ticks: Sequence[Tick], events: Sequence[Event], plans: Sequence[Plan]
) -> list[Segment]:
    left = iter(events)
    segments = []
    last, begin = -1, timedelta(0)
    for plan in plans:
        skipped: Counter[float] = Counter()
        for event in left:
            if event.kind == EventKind.SLOTS_SKIPPED:
                for count, hz in re.findall(r"(\d+) of ([\d.]+) Hz", event.text):
                    skipped[float(hz)] += int(count)
            if event.kind in ENDS:
                break
        assert event.tick is not None
        end = event.time - start
        own = [each for each in ticks if last < each.number <= event.tick]
        segments.append(Segment(plan, begin, end, own, skipped))
        last, begin = event.tick, end
    return segments


def _has_rate(hz: float, segment: Segment) -> bool:
    return hz in segment.plan.rates.values()


def _check_ticks(segment: Segment, result: Account) -> None:
    """Check that a tick has all reads of each of its rates, and that no number is left out."""
    rates = sorted(set(segment.plan.rates.values()))
    for tick in segment.ticks:
        due = [hz for hz in rates if segment.plan.reads(hz) & tick.reads]
        expected = set().union(*map(segment.plan.reads, due))
        if tick.reads != expected:
            differing = sorted(tick.reads ^ expected)
            result.problems.append(f"tick {tick.number}: rows missing or too many: {differing}")
    for before, after in itertools.pairwise(segment.ticks):
        slots = (_slots(hz, before.offset + MICROSECOND, after.offset) for hz in rates)
        if after.number - before.number != len(set(itertools.chain(*slots))):
            result.problems.append(f"tick {after.number} does not count from {before.number}")


def _account_rate(
    hz: float, run: Sequence[Segment], segments: Sequence[Segment], result: Account
) -> None:
    """Account for the slots of a rate in adjacent segments that have it."""
    is_first, is_last = run[0] is segments[0], run[-1] is segments[-1]
    begin = run[0].begin if is_first else run[0].begin - CLOCK
    slots = _slots(hz, begin, run[-1].end + CLOCK)
    ticks = [tick for each in run for tick in each.ticks if each.plan.reads(hz) & tick.reads]
    # A late tick also reads the rates that became due meanwhile: their slot is the next one.
    numbers = [bisect_left(slots, tick.offset) for tick in ticks]
    if len(set(numbers)) < len(numbers) or len(slots) in numbers:
        result.problems.append(f"{hz} Hz: a slot was read twice")
    skipped = sum(each.skipped.get(hz, 0) for each in run)
    left = len(slots) - len(ticks) - skipped
    unread = set(range(len(slots))) - set(numbers)
    at_begin = {n for n in unread & {0} if not is_first and slots[n] <= run[0].begin + CLOCK}
    last = max((tick.offset for each in run for tick in each.ticks), default=run[0].begin)
    at_end = {n for n in unread & {len(slots) - 1} if slots[n] > last}
    if not 0 <= left <= len(at_begin | at_end):
        result.problems.append(
            f"{hz} Hz from {begin} to {run[-1].end}: {len(slots)} slots, {len(ticks)} read, "
            f"{skipped} skipped"
        )
    result.slots += len(slots)
    result.read += len(ticks)
    result.skipped += skipped
    at_stop = min(left, len(at_end)) if is_last else 0
    result.left_at_stop += at_stop
    result.left_at_reload += left - at_stop


def _slots(hz: float, begin: timedelta, end: timedelta) -> list[timedelta]:
    """Return the instants of the slots of a rate from `begin` to `end`, which is included."""
    period = 10**6 / Fraction(str(hz))
    first = -((-begin // MICROSECOND) // period)
    return [
        timedelta(microseconds=int(n * period))
        for n in range(max(0, int(first)), int(end // MICROSECOND // period) + 1)
    ]
