"""Another plan for a running recording: no slot of what stays is lost."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests.streaming.test_recorder import PATIENCE_S, sample
from watlowlib import WatlowClosedError, WatlowPortBusyError, record
from watlowlib._internal.clock import ManualClock
from watlowlib.devices.poll import FunctionPoll
from watlowlib.devices.targets import Parameters
from watlowlib.model import Sample
from watlowlib.streaming import changes
from watlowlib.streaming.plan import Plan, make_plan
from watlowlib.streaming.recorder import Recording


class Source:
    """A source with one sample for each parameter; `tick` is called in each poll."""

    def __init__(self, tick: Callable[[], None] = lambda: None) -> None:
        self._tick = tick

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: Sequence[int] = (1,),
        names: Sequence[str] | None = None,
    ) -> FunctionPoll:
        def poll(stop: threading.Event | None) -> list[Sample]:
            self._tick()
            return [replace(sample(1.0), parameter=name) for name in parameters]  # type: ignore[union-attr, arg-type]

        return FunctionPoll(poll)


def plan_of(rates: dict[str, float], source: Source | None = None) -> Plan:
    return make_plan(
        source or Source(), rates, None, None,
        names=None, instances=(1,), sensor_check=False, show_unit=None, assembly=False,
        confirm=False,
    )  # fmt: skip


def advance(clock: ManualClock, seconds: float, step_s: float = 0.25) -> None:
    """Advance the clock in steps, each after the recorder has read what was due."""
    for _ in range(round(seconds / step_s)):
        assert clock.waiting.wait(PATIENCE_S)
        clock.advance(step_s)
    assert clock.waiting.wait(PATIENCE_S)


def slots_of(stream: Recording) -> dict[str, list[float]]:
    """Stop the recording; return when each parameter was due, and check the numbers of ticks."""
    stream.stop()
    batches = list(stream)
    numbers = [each[0].tick for each in batches]
    assert numbers == list(range(len(batches)))
    found: dict[str, list[float]] = {}
    for each in itertools.chain.from_iterable(batches):
        assert each.scheduled_at is not None
        found.setdefault(each.parameter, []).append(each.scheduled_at.timestamp())
    return found


def test_a_rate_that_stays_loses_no_slot() -> None:
    clock = ManualClock()
    with record(Source(), parameters={"a": 1.0, "gone": 2.0}, clock=clock) as stream:
        advance(clock, 2.25)
        stream.replace_plan(plan_of({"a": 1.0, "new": 4.0}), {})
        advance(clock, 1.5)
        stream.replace_plan(plan_of({"new": 4.0, "late": 0.5, "a": 1.0}), {})
        advance(clock, 1.25)
        assert slots_of(stream) == {
            "a": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
            "gone": [0.0, 0.5, 1.0, 1.5, 2.0],
            "new": [2.25 + n / 4 for n in range(12)],
            "late": [4.0],
        }
    rates = {each.rate_hz: each for each in stream.summary.rates}
    assert {hz: (each.emitted, each.skipped) for hz, each in rates.items()} == {
        1.0: (6, 0), 2.0: (5, 0), 4.0: (12, 0), 0.5: (1, 0)
    }  # fmt: skip
    assert rates[1.0].parameters == ("a",)


def test_a_slot_that_is_late_at_the_change_is_read_after_it() -> None:
    clock = ManualClock()
    changing = threading.Event()
    polls = itertools.count()

    def tick() -> None:
        if next(polls) == 1:  # slot 1 lasts until 2.5 s: slot 2 is late
            changing.set()
            clock.advance(1.5)

    with record(Source(tick), parameters="a", rate_hz=1.0, clock=clock) as stream:
        advance(clock, 0.75)
        with ThreadPoolExecutor(1) as pool:
            clock.advance(0.25)
            assert changing.wait(PATIENCE_S)
            pool.submit(stream.replace_plan, plan_of({"a": 1.0}), {}).result(PATIENCE_S)
        assert clock.waiting.wait(PATIENCE_S)
        clock.advance(0.5)
        assert clock.waiting.wait(PATIENCE_S)
        assert slots_of(stream) == {"a": [0.0, 1.0, 2.0, 3.0]}


def test_a_faster_rate_does_not_wait_for_the_next_slot_of_a_slow_one() -> None:
    clock = ManualClock()
    with record(Source(), parameters="a", rate_hz=0.001, clock=clock) as stream:
        advance(clock, 0.25)
        stream.replace_plan(plan_of({"a": 4.0}), {})
        advance(clock, 0.5)
        assert slots_of(stream) == {"a": [0.0, 0.25, 0.5, 0.75]}


def test_a_new_plan_gives_a_new_id_and_description() -> None:
    clock = ManualClock()
    options = {"parameters": "a", "rate_hz": 1.0, "metadata": {"batch": 1}}
    with record(Source(), clock=clock, **options) as stream:  # type: ignore[arg-type]
        assert clock.waiting.wait(PATIENCE_S)
        before = stream.info
        stream.replace_plan(plan_of({"b": 2.0}), {"batch": 2})
        after = stream.info
        assert (before.metadata, after.metadata) == ({"batch": 1}, {"batch": 2})
        assert [each.parameters for each in after.rates] == [("b",)]
        assert before.id != after.id
        assert before.started_at == after.started_at


def test_a_new_plan_is_an_event_after_that_of_the_skipped_slots() -> None:
    clock = ManualClock()
    options: dict[str, Any] = {"parameters": "a", "rate_hz": 1.0, "events": True}
    with record(Source(), clock=clock, **options) as stream:
        assert clock.waiting.wait(PATIENCE_S)
        stream._events.skipped({1.0: 2})
        stream._events.skipped({1.0: 3})
        stream.replace_plan(plan_of({"a": 2.0}), {})
        found = [(each.tick, str(each.kind), each.text) for each in stream.recent_events]
        assert found[1:] == [
            (0, "slots_skipped", "2 of 1 Hz"),
            (0, "slots_skipped", "3 of 1 Hz"),
            (0, "plan_changed", stream.id),
        ]


def test_a_recording_that_has_ended_takes_no_plan() -> None:
    clock = ManualClock()
    with record(Source(), parameters="a", rate_hz=1.0, duration=1.0, clock=clock) as stream:
        list(stream)
        with pytest.raises(WatlowClosedError):
            stream.replace_plan(plan_of({"a": 1.0}), {})


def test_a_plan_is_withdrawn_when_the_tick_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "USE_S", 0.05)
    reading, end = threading.Event(), threading.Event()

    def tick() -> None:
        reading.set()
        assert end.wait(PATIENCE_S)

    clock = ManualClock()
    with record(Source(tick), parameters="a", rate_hz=1.0, clock=clock) as stream:
        assert reading.wait(PATIENCE_S)
        with pytest.raises(WatlowPortBusyError, match="continues as before"):
            stream.replace_plan(plan_of({"b": 1.0}), {})
        end.set()
        assert clock.waiting.wait(PATIENCE_S)
        advance(clock, 1.0)
        assert slots_of(stream) == {"a": [0.0, 1.0]}
