"""Ports in parallel: a blocked port does not delay the others, and its results are kept."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import ExitStack
from pathlib import Path

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
from watlowlib.manager.polling import FleetPoll, wait_limit_s
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


def poll_until_all_ok(poll: FleetPoll) -> int:
    """Poll until every status is "ok"; return the number of polls."""
    deadline = Deadline.after(LONG_S)
    count = 1
    while set(statuses(poll, 0.05).values()) != {"ok"}:
        count += 1
        assert not deadline.passed()
    return count


def test_a_tick_does_not_wait_for_a_blocked_port(poll: FleetPoll, slow: SimulatedBus) -> None:
    assert statuses(poll, LONG_S) == {"slow1": "ok", "good": "ok", "slow2": "ok"}
    slow.stall()
    deadline, good = Deadline.after(LONG_S), 0
    while good < 3:  # on a busy machine, one of its ticks may be too short
        found = statuses(poll, 0.0)
        assert (found["slow1"], found["slow2"]) == ("busy", "busy")
        good += found["good"] == "ok"
        assert not deadline.passed()
    slow.resume()
    poll_until_all_ok(poll)


def test_a_tick_wakes_once_for_all_its_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[int] = []

    def count(futures: list[Future[object]], *args: object, **options: object) -> object:
        waits.append(len(futures))
        return wait(futures, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(polling, "wait", count)
    with ExitStack() as stack:
        mgr = stack.enter_context(WatlowManager())
        for number in range(4):
            # The ports end one after the other.
            bus = SimulatedBus([1], baudrate=None, turnaround_s=0.02 * (number + 1))
            mgr.add(f"c{number}", stack.enter_context(bus).port)
        poll = mgr.prepare("setpoint")
        assert set(statuses(poll, LONG_S).values()) == {"ok"}
        assert waits == [4]
        mgr.poll("setpoint")
        assert waits == [4, 3]  # the first port is read in the calling thread


def test_results_of_a_blocked_port_are_used_in_a_later_tick(
    poll: FleetPoll, slow: SimulatedBus, good: SimulatedBus
) -> None:
    statuses(poll, LONG_S)
    slow.stall()
    assert statuses(poll, 0.0)["slow1"] == "busy"
    slow.controllers[1].set("setpoint", 111.0)
    slow.resume()
    received = threading.Event()
    deadline = Deadline.after(LONG_S)
    while not received.is_set():
        assert not deadline.passed()
        samples = {sample.device: sample for sample in poll.read_within(None, 0.05)}
        if samples["slow1"].status == "ok":
            received.set()
    # This is the reply to the request of the earlier tick, which was sent once.
    assert samples["slow1"].value in (75.0, 111.0)
    assert samples["slow1"].requested_at < samples["good"].requested_at
    assert samples["slow1"].latency_s > 0


def test_a_tick_waits_if_all_ports_are_usually_as_slow(
    poll: FleetPoll, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All ports take longer than a tick: none counts as blocked, and the tick is longer.
    statuses(poll, LONG_S)
    monkeypatch.setattr(polling, "WAIT_MARGIN_S", LONG_S)
    for _ in range(3):
        assert set(statuses(poll, 0.0).values()) == {"ok"}


def test_the_wait_for_a_port_follows_its_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    # The margin alone is too short for a reply.
    monkeypatch.setattr(polling, "WAIT_MARGIN_S", 0.0)
    monkeypatch.setattr(polling, "WAIT_FACTOR", 100.0)
    with (
        SimulatedBus([1], baudrate=None, turnaround_s=0.1) as one,
        SimulatedBus([1], baudrate=None, turnaround_s=0.1) as two,
        WatlowManager() as mgr,
    ):
        mgr.add("one", one.port)
        mgr.add("two", two.port)
        poll = mgr.prepare(["setpoint"])
        assert set(statuses(poll, None).values()) == {"ok"}
        assert set(statuses(poll, 0.0).values()) == {"ok"}


def test_a_tick_does_not_wait_as_long_as_timeouts_took(
    good: SimulatedBus, slow: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "WAIT_FACTOR", 10.0)
    with WatlowManager() as mgr:
        mgr.add("one", good.port, timeout_s=0.5, retries=0)
        mgr.add("two", slow.port, timeout_s=0.5, retries=0)
        good.power_off(1)
        slow.power_off(1)
        poll = mgr.prepare(["setpoint"])
        assert set(statuses(poll, None).values()) == {"timeout"}
        assert set(statuses(poll, 0.0).values()) == {"busy"}
        poll.finish()
        # `finish` has waited for the second timeout of each.
        assert [mgr.get(name).stats.timeouts for name in ("one", "two")] == [2, 2]


def test_a_long_recording_keeps_only_recent_durations(poll: FleetPoll) -> None:
    for _ in range(polling.RECENT_POLLS + 3):
        statuses(poll, None)
    assert {len(each) for each in poll._durations_s.values()} == {polling.RECENT_POLLS}


def test_samples_are_in_the_order_of_the_controllers(poll: FleetPoll) -> None:
    # The first and the last one share a port.
    assert list(statuses(poll, None)) == ["slow1", "good", "slow2"]


def test_the_first_poll_waits_for_a_default_time(
    poll: FleetPoll, slow: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "DEFAULT_WAIT_S", LONG_S)
    assert set(statuses(poll, 0.0).values()) == {"ok"}


def test_the_wait_limit_follows_the_fastest_port() -> None:
    assert wait_limit_s({"a": [9.0, 8.0, 7.0], "b": [0.5, 0.1, 9.0], "c": []}) == pytest.approx(
        polling.WAIT_FACTOR * 0.5 + polling.WAIT_MARGIN_S
    )


def test_the_default_wait_applies_only_to_the_first_poll() -> None:
    assert wait_limit_s({}) == polling.DEFAULT_WAIT_S
    assert wait_limit_s({"a": [], "b": []}) == polling.WAIT_MARGIN_S


@pytest.mark.parametrize(
    ("errors", "typical"),
    [
        ((None, None), True),
        ((None, WatlowOfflineError("offline")), True),
        ((None, WatlowClosedError("closed")), True),
        ((None, WatlowNoSuchInstanceError("none")), True),
        ((None, WatlowTimeoutError("silent")), False),
        ((None, WatlowCRCError("damaged")), False),
        ((None, WatlowConnectionError("lost")), False),
        ((WatlowOfflineError("offline"), WatlowOfflineError("offline")), False),
    ],
)
def test_only_a_poll_without_line_errors_has_a_typical_duration(
    errors: tuple[WatlowError | None, ...], typical: bool, good: SimulatedBus
) -> None:
    with open_device(good.port) as ctl:
        (sample,) = ctl.poll("setpoint")
    result = polling._PortResult({"oven": [(sample, error) for error in errors]}, 1.0)
    assert result.is_typical is typical


def test_the_last_tick_waits_for_a_pending_port_without_a_new_request(
    poll: FleetPoll, slow: SimulatedBus
) -> None:
    statuses(poll, LONG_S)
    slow.stall()
    assert statuses(poll, 0.0)["slow1"] == "busy"
    slow.resume()
    assert set(statuses(poll, None).values()) == {"ok"}
    exchanges = {name: stats.exchanges for name, stats in poll.stats.items()}
    # The first poll reads the serial number too.
    assert exchanges["slow1"] == 1 + 2
    assert exchanges["good"] == 1 + 3


def test_polls_that_share_ports_do_not_read_a_port_at_the_same_time(
    good: SimulatedBus, slow: SimulatedBus
) -> None:
    with WatlowManager() as mgr:
        mgr.add("good", good.port)
        mgr.add("slow", slow.port, timeout_s=LONG_S)
        both, often = mgr.prepare(["process_value", "setpoint"]), mgr.prepare("setpoint")
        often.share_ports_with(both)
        statuses(both, LONG_S)
        statuses(often, LONG_S)
        slow.stall()
        assert [sample.status for sample in both.read_within(None, 0.0)[2:]] == ["busy"] * 2
        assert statuses(often, 0.0)["slow"] == "busy"
        slow.controllers[1].set("setpoint", 111.0)
        slow.resume()
        # The pending poll of both parameters provides the one that this poll reads.
        setpoint = often.read_within(None, None)[-1]
        assert (setpoint.parameter, setpoint.status) == ("setpoint", "ok")
        # The serial number, then the values of each poll.
        assert mgr.get("slow").stats.exchanges == 1 + 2 + 1 + 2
        # Vice versa: the parameter that the pending poll does not read is "busy".
        slow.stall()
        assert statuses(often, 0.0)["slow"] == "busy"
        slow.resume()
        found = [sample.status for sample in both.read_within(None, None)[2:]]
        assert found == ["busy", "ok"]
        assert mgr.get("slow").stats.exchanges == 1 + 2 + 1 + 2 + 1


def test_the_polls_of_a_recording_share_their_ports(good: SimulatedBus, slow: SimulatedBus) -> None:
    with WatlowManager() as mgr:
        mgr.add("good", good.port)
        mgr.add("slow", slow.port)
        polls = record(mgr, parameters={"setpoint": 5.0, "process_value": 1.0})._plan.polls
        assert len(polls) == 3
        assert len({id(vars(poll)["_pending"]) for poll in polls.values()}) == 1


def test_no_read_is_pending_after_the_end_of_a_recording(
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
        assert not poll._pending
        slow.resume()


def test_a_fleet_on_one_port_waits_for_the_port(slow: SimulatedBus) -> None:
    with WatlowManager() as mgr:
        mgr.add("slow1", slow.port, address=1)
        mgr.add("slow2", slow.port, address=2)
        assert set(statuses(mgr.prepare(["setpoint"]), 0.0).values()) == {"ok"}


def test_closing_a_manager_with_a_pending_port_leaves_no_thread(
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


def test_a_new_poll_takes_over_the_reads_in_progress(
    slow: SimulatedBus, good: SimulatedBus
) -> None:
    with WatlowManager() as mgr, WatlowManager() as later:
        first = mgr.add("slow", slow.port, timeout_s=LONG_S)
        fast = mgr.add("good", good.port)
        old = mgr.prepare(["setpoint"])
        assert statuses(old, LONG_S) == {"slow": "ok", "good": "ok"}
        slow.stall()
        assert statuses(old, 0.0) == {"slow": "busy", "good": "ok"}
        later.add("slow", first)
        later.add("good", fast)
        new = later.prepare(["setpoint", "process_value"])
        new.continue_from(old)
        assert statuses(new, 0.0)["slow"] == "busy"
        assert new._pending is old._pending
        assert set(new._durations_s) == {first.session.port, fast.session.port}
        slow.resume()
        poll_until_all_ok(new)


def test_a_new_poll_drops_ended_reads_of_ports_that_it_lacks(
    slow: SimulatedBus, good: SimulatedBus
) -> None:
    with WatlowManager() as mgr, WatlowManager() as later:
        port = mgr.add("slow", slow.port, timeout_s=LONG_S).session.port
        fast = mgr.add("good", good.port)
        old = mgr.prepare(["setpoint"])
        slow.stall()
        assert statuses(old, 0.0)["slow"] == "busy"
        later.add("good", fast)
        new = later.prepare(["setpoint"])
        new.continue_from(old)
        assert set(new._pending) == {port}  # the end of the recording waits for it
        slow.resume()
        new._pending[port].future.result(LONG_S)
        new.continue_from(old)
        assert not new._pending


@pytest.mark.skipif(os.name == "nt", reason="no ptys")
def test_an_adapter_that_is_plugged_in_elsewhere_stays_the_same_port(tmp_path: Path) -> None:
    link = tmp_path / "usb"
    with SimulatedBus([1], link=link) as bus, WatlowManager() as mgr:
        mgr.add("top", link)
        before = mgr.prepare(["setpoint"])
        bus.unplug()
        bus.replug(elsewhere=True)
        poll_until_all_ok(before)
        after = mgr.prepare(["setpoint"])
        assert after.ports == before.ports == {"top": str(link)}


def test_reads_in_progress_are_not_those_of_another_controller_with_the_name(
    slow: SimulatedBus, good: SimulatedBus
) -> None:
    slow.controllers[1].set("setpoint", 11.0)
    slow.controllers[2].set("setpoint", 22.0)
    with WatlowManager() as mgr, WatlowManager() as later:
        mgr.add("slow", slow.port, address=1, timeout_s=1.0, retries=0)
        fast = mgr.add("good", good.port)
        old = mgr.prepare(["setpoint"])
        statuses(old, LONG_S)
        slow.stall()
        statuses(old, 0.0)
        later.add("slow", slow.port, address=2, timeout_s=1.0, retries=0)
        later.add("good", fast)
        new = later.prepare(["setpoint"])
        new.continue_from(old)
        slow.resume()
        values = set()
        deadline = Deadline.after(LONG_S)
        while 22.0 not in values:
            values |= {each.value for each in new.read_within(None, 0.05) if each.device == "slow"}
            assert not deadline.passed()
        assert values <= {None, 22.0}
