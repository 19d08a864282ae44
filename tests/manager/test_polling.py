"""Ports side by side: one that is held up delays no other, and loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from watlowlib import WatlowManager, open_device, record
from watlowlib._internal.clock import Deadline
from watlowlib.errors import (
    WatlowClosedError,
    WatlowConnectionError,
    WatlowCRCError,
    WatlowError,
    WatlowNoSuchInstanceError,
    WatlowOfflineError,
    WatlowTimeoutError,
)
from watlowlib.manager import polling
from watlowlib.manager.polling import FleetPoll, allowed_s
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
def poll(good: SimulatedBus, slow: SimulatedBus) -> Iterator[FleetPoll]:
    with WatlowManager() as mgr:
        mgr.add("slow1", slow.port, address=1, timeout_s=LONG_S)
        mgr.add("good", good.port)
        mgr.add("slow2", slow.port, address=2, timeout_s=LONG_S)
        yield mgr.prepare(["setpoint"])


def statuses(poll: FleetPoll, seconds: float | None) -> dict[str, str]:
    return {sample.device: sample.status for sample in poll.read_within(None, seconds)}


def until_all_ok(poll: FleetPoll) -> int:
    """How many rounds it took."""
    late = Deadline.after(LONG_S)
    count = 1
    while set(statuses(poll, 0.05).values()) != {"ok"}:
        count += 1
        assert not late.passed()
    return count


def test_a_tick_goes_without_a_port_that_is_held_up(poll: FleetPoll, slow: SimulatedBus) -> None:
    assert statuses(poll, LONG_S) == {"slow1": "ok", "good": "ok", "slow2": "ok"}
    slow.stall()
    for _ in range(3):
        assert statuses(poll, 0.0) == {"slow1": "busy", "good": "ok", "slow2": "busy"}
    slow.resume()
    until_all_ok(poll)


def test_what_it_brings_in_the_end_is_kept(
    poll: FleetPoll, slow: SimulatedBus, good: SimulatedBus
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
    poll: FleetPoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All ports take longer than a tick: then none is held up, and the tick is longer.
    statuses(poll, LONG_S)
    monkeypatch.setattr(polling, "MARGIN_S", LONG_S)
    for _ in range(3):
        assert set(statuses(poll, 0.0).values()) == {"ok"}


def test_a_port_of_which_nothing_is_known_is_waited_for_a_while(
    poll: FleetPoll, slow: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "UNKNOWN_S", LONG_S)
    assert set(statuses(poll, 0.0).values()) == {"ok"}


def test_no_port_waits_for_one_that_is_usually_slower() -> None:
    assert allowed_s({0: [9.0, 8.0, 7.0], 1: [0.5, 0.1, 9.0], 2: []}) == pytest.approx(
        polling.LONGER * 0.5 + polling.MARGIN_S
    )


def test_ports_that_have_brought_nothing_yet_are_waited_for_once() -> None:
    assert allowed_s({}) == polling.UNKNOWN_S
    assert allowed_s({0: [], 1: []}) == polling.MARGIN_S


@pytest.mark.parametrize(
    ("errors", "tells"),
    [
        ((None, None), True),
        ((None, WatlowOfflineError("away")), True),
        ((None, WatlowClosedError("closed")), True),
        ((None, WatlowNoSuchInstanceError("none")), True),
        ((None, WatlowTimeoutError("silent")), False),
        ((None, WatlowCRCError("damaged")), False),
        ((None, WatlowConnectionError("lost")), False),
        ((WatlowOfflineError("away"), WatlowOfflineError("away")), False),
    ],
)
def test_what_a_round_tells_of_its_port(
    errors: tuple[WatlowError | None, ...], tells: bool, good: SimulatedBus
) -> None:
    with open_device(good.port) as ctl:
        (sample,) = ctl.poll("setpoint")
    brought = polling._Brought({"oven": [(sample, error) for error in errors]}, 1.0)
    assert brought.tells is tells


def test_the_last_tick_waits_for_what_runs_and_asks_it_nothing_else(
    poll: FleetPoll, slow: SimulatedBus
) -> None:
    statuses(poll, LONG_S)
    slow.stall()
    assert statuses(poll, 0.0)["slow1"] == "busy"
    slow.resume()
    assert set(statuses(poll, None).values()) == {"ok"}
    exchanges = {name: stats.exchanges for name, stats in poll.stats.items()}
    assert exchanges["slow1"] == 2
    assert exchanges["good"] == 3


def test_a_port_is_asked_for_one_of_several_polls_at_a_time(
    good: SimulatedBus, slow: SimulatedBus
) -> None:
    with WatlowManager() as mgr:
        mgr.add("good", good.port)
        mgr.add("slow", slow.port, timeout_s=LONG_S)
        both, often = mgr.prepare(["process_value", "setpoint"]), mgr.prepare("setpoint")
        often.take_turns_with(both)
        statuses(both, LONG_S)
        statuses(often, LONG_S)
        slow.stall()
        assert [sample.status for sample in both.read_within(None, 0.0)[2:]] == ["busy"] * 2
        assert statuses(often, 0.0)["slow"] == "busy"
        slow.controllers[1].set("setpoint", 111.0)
        slow.resume()
        # What was asked for both is what there is, as far as it is wanted.
        setpoint = often.read_within(None, None)[-1]
        assert (setpoint.parameter, setpoint.status) == ("setpoint", "ok")
        assert mgr.get("slow").stats.exchanges == 2 + 1 + 2
        # And the other way round: what was not asked for is not there.
        slow.stall()
        assert statuses(often, 0.0)["slow"] == "busy"
        slow.resume()
        found = [sample.status for sample in both.read_within(None, None)[2:]]
        assert found == ["busy", "ok"]
        assert mgr.get("slow").stats.exchanges == 2 + 1 + 2 + 1


def test_the_polls_of_a_recording_take_turns(good: SimulatedBus, slow: SimulatedBus) -> None:
    with WatlowManager() as mgr:
        mgr.add("good", good.port)
        mgr.add("slow", slow.port)
        polls = record(mgr, parameters={"setpoint": 5.0, "process_value": 1.0})._plan.polls
        assert len(polls) == 3
        assert len({id(vars(poll)["_under_way"]) for poll in polls.values()}) == 1


def test_nothing_is_read_after_the_end_of_a_recording(
    good: SimulatedBus, slow: SimulatedBus
) -> None:
    with WatlowManager() as mgr:
        mgr.add("good", good.port)
        mgr.add("slow", slow.port, timeout_s=0.5, retries=0)
        with record(mgr, parameters="setpoint", rate_hz=50.0) as stream:
            for batch in stream:
                if batch[0].status == batch[1].status == "ok":
                    slow.stall()
                if batch[1].status == "busy":
                    break
        poll = stream._plan.polls[(0,)]
        assert isinstance(poll, FleetPoll)
        assert not poll._under_way
        slow.resume()


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
