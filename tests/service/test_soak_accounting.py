"""The account of a recording's slots, which the soak test makes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from tests.service.soak_accounting import Account, Plan, Row, account
from watlowlib.model.events import Event, EventKind

STARTED = datetime(2026, 3, 1, tzinfo=timezone.utc)
SMALL = Plan(frozenset({"a", "b"}), {"pv": 1.0, "sp": 0.5})


def rows_of(plan: Plan, ticks: range) -> list[Row]:
    """Return all rows of a plan whose highest rate is 1 Hz."""
    return [
        Row(tick, device, name, STARTED + timedelta(seconds=tick))
        for tick in ticks
        for device in sorted(plan.devices)
        for name, hz in plan.rates.items()
        if tick % int(1 / hz) == 0
    ]


def event(kind: EventKind, tick: int, at_s: float, text: str = "") -> Event:
    return Event(STARTED + timedelta(seconds=at_s), tick, None, kind, text)


STOPPED = event(EventKind.RECORDING_STOPPED, 9, 9.5)


def test_the_account_of_a_complete_recording() -> None:
    assert account(rows_of(SMALL, range(10)), [STOPPED], [SMALL]) == Account(slots=15, read=15)


def test_the_account_finds_each_missing_row() -> None:
    rows = rows_of(SMALL, range(10))
    for number in range(len(rows)):
        assert account(rows[:number] + rows[number + 1 :], [STOPPED], [SMALL]).problems


def test_the_account_finds_a_row_that_is_stored_twice() -> None:
    rows = rows_of(SMALL, range(10))
    assert account([*rows, rows[7]], [STOPPED], [SMALL]).problems


def test_the_account_needs_an_event_for_skipped_slots() -> None:
    rows = [*rows_of(SMALL, range(3)), *rows_of(SMALL, range(5, 10))]
    assert account(rows, [STOPPED], [SMALL]).problems
    skipped = event(EventKind.SLOTS_SKIPPED, 2, 5.0, "2 of 1 Hz, 1 of 0.5 Hz")
    assert account(rows, [skipped, STOPPED], [SMALL]) == Account(slots=15, read=12, skipped=3)
    short = replace(skipped, text="1 of 1 Hz, 1 of 0.5 Hz")
    assert account(rows, [short, STOPPED], [SMALL]).problems


def test_the_account_follows_the_plans() -> None:
    changed = event(EventKind.PLAN_CHANGED, 4, 4.5)
    other = Plan(frozenset({"a"}), {"pv": 1.0, "sp": 0.25})
    rows = [*rows_of(SMALL, range(5)), *rows_of(other, range(5, 10))]
    assert account(rows, [changed, STOPPED], [SMALL, other]) == Account(slots=14, read=14)
    assert account(rows, [STOPPED], [SMALL]).problems
    assert account(rows, [changed, STOPPED], [SMALL, SMALL]).problems
    assert account(
        [each for each in rows if each.tick != 5], [changed, STOPPED], [SMALL, other]
    ).problems
    # No event accounts for the first slot of the new rate.
    rows = [each for each in rows if each.tick != 8 or each.parameter == "pv"]
    assert account(rows, [changed, STOPPED], [SMALL, other]).problems


def test_a_slot_of_a_new_rate_that_was_due_at_the_reload_may_be_left() -> None:
    changed = event(EventKind.PLAN_CHANGED, 3, 4.01)
    other = Plan(frozenset({"a"}), {"pv": 1.0, "sp": 0.25})
    rows = [*rows_of(SMALL, range(4)), *rows_of(other, range(4, 10))]
    assert account(rows, [changed, STOPPED], [SMALL, other]).problems == []
    rows = [each for each in rows if each.tick != 4 or each.parameter == "pv"]
    found = account(rows, [changed, STOPPED], [SMALL, other])
    assert (found.left_at_reload, found.problems) == (2, [])  # of the old and of the new rate
