"""Ports side by side: one that is held up delays no other, and loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from watlowlib import WatlowManager, rounds
from watlowlib.clock import Deadline
from watlowlib.rounds import ReadRound
from watlowlib.simulator import SimulatedBus

LONG_S = 30.0


@pytest.fixture
def good() -> Iterator[SimulatedBus]:
    with SimulatedBus([1], baudrate=None, turnaround_s=0.0) as bus:
        yield bus


@pytest.fixture
def slow() -> Iterator[SimulatedBus]:
    with SimulatedBus([1, 2], baudrate=None, turnaround_s=0.0) as bus:
        yield bus


@pytest.fixture
def poll(good: SimulatedBus, slow: SimulatedBus) -> Iterator[ReadRound]:
    with WatlowManager() as mgr:
        mgr.add("slow1", slow.port, address=1, timeout_s=LONG_S)
        mgr.add("good", good.port)
        mgr.add("slow2", slow.port, address=2, timeout_s=LONG_S)
        yield mgr.prepare(["setpoint"])


def statuses(poll: ReadRound, seconds: float) -> dict[str, str]:
    return {sample.device: sample.status for sample in poll.read_within(None, seconds)}


def until_all_ok(poll: ReadRound) -> int:
    """How many rounds it took."""
    late = Deadline.after(LONG_S)
    count = 1
    while set(statuses(poll, 0.05).values()) != {"ok"}:
        count += 1
        assert not late.passed()
    return count


def test_a_tick_goes_without_a_port_that_is_held_up(poll: ReadRound, slow: SimulatedBus) -> None:
    assert statuses(poll, LONG_S) == {"slow1": "ok", "good": "ok", "slow2": "ok"}
    slow.stall()
    for _ in range(3):
        assert statuses(poll, 0.0) == {"slow1": "busy", "good": "ok", "slow2": "busy"}
    slow.resume()
    until_all_ok(poll)


def test_what_it_brings_in_the_end_is_kept(
    poll: ReadRound, slow: SimulatedBus, good: SimulatedBus
) -> None:
    statuses(poll, LONG_S)
    slow.stall()
    assert statuses(poll, 0.0)["slow1"] == "busy"
    slow.controllers[1].set("setpoint", 111.0)
    slow.resume()
    asked = threading.Event()
    late = Deadline.after(LONG_S)
    while not asked.is_set():
        assert not late.passed()
        samples = {sample.device: sample for sample in poll.read_within(None, 0.05)}
        if samples["slow1"].status == "ok":
            asked.set()
    # It is the answer to the question of the tick that went without it, asked once.
    assert samples["slow1"].value in (75.0, 111.0)
    assert samples["slow1"].requested_at < samples["good"].requested_at
    assert samples["slow1"].latency_s > 0


def test_a_port_is_waited_for_that_is_always_as_slow(
    poll: ReadRound, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All ports take longer than a tick: then none is held up, and the tick is longer.
    statuses(poll, LONG_S)
    monkeypatch.setattr(rounds, "MARGIN_S", LONG_S)
    for _ in range(3):
        assert set(statuses(poll, 0.0).values()) == {"ok"}


def test_a_port_of_which_nothing_is_known_is_waited_for_a_while(
    poll: ReadRound, slow: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "UNKNOWN_S", LONG_S)
    assert set(statuses(poll, 0.0).values()) == {"ok"}


def test_a_fleet_on_one_port_waits_for_it(slow: SimulatedBus) -> None:
    with WatlowManager() as mgr:
        mgr.add("slow1", slow.port, address=1)
        mgr.add("slow2", slow.port, address=2)
        assert set(statuses(mgr.prepare(["setpoint"]), 0.0).values()) == {"ok"}


def test_a_manager_that_is_closed_meanwhile_leaves_no_thread(
    good: SimulatedBus, slow: SimulatedBus
) -> None:
    with WatlowManager() as mgr:
        mgr.add("slow", slow.port, timeout_s=0.2, retries=0)
        mgr.add("good", good.port)
        poll = mgr.prepare(["setpoint"])
        statuses(poll, LONG_S)
        slow.stall()
        assert statuses(poll, 0.0)["slow"] == "busy"
    assert [each.name for each in threading.enumerate() if "poll" in each.name] == []
    slow.resume()
