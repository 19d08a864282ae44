"""A controller that is away costs its neighbours little, and is back with its first answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from watlowlib import ErrorPolicy, WatlowManager, WatlowOfflineError, open_device
from watlowlib._internal.backoff import Backoff
from watlowlib._internal.clock import Deadline
from watlowlib.devices import availability
from watlowlib.simulator import Fault, SimulatedBus

THREE = ["process_value", "setpoint", "heat_algorithm"]
LONG_S = 1000.0
PATIENCE_S = 30.0


@pytest.fixture
def bus() -> Iterator[SimulatedBus]:
    with SimulatedBus([1, 2, 3], baudrate=None, turnaround_s=0.0) as bus:
        yield bus


def fleet(bus: SimulatedBus, retries: int = 1) -> WatlowManager:
    mgr = WatlowManager(error_policy=ErrorPolicy.RETURN)
    for address in (1, 2, 3):
        mgr.add(f"oven{address}", bus.port, address=address, timeout_s=0.15, retries=retries)
    return mgr


@pytest.fixture
def mgr(bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch) -> Iterator[WatlowManager]:
    """It is not time to look again unless a test says so."""
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", LONG_S)
    monkeypatch.setattr(availability, "BACKOFF_MOST_S", LONG_S)
    with fleet(bus) as mgr:
        yield mgr


def statuses(mgr: WatlowManager) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for sample in mgr.prepare(THREE)():
        found.setdefault(sample.device, []).append(sample.status)
    return found


def test_one_that_is_away_costs_one_read_and_then_nothing(
    mgr: WatlowManager, bus: SimulatedBus
) -> None:
    bus.power_off(2)
    assert statuses(mgr) == {
        "oven1": ["ok"] * 3,
        "oven2": ["timeout", "offline", "offline"],
        "oven3": ["ok"] * 3,
    }
    asked = mgr.get("oven2").stats.timeouts
    assert asked == 2
    for _ in range(3):
        assert statuses(mgr)["oven2"] == ["offline"] * 3
    assert mgr.get("oven2").stats.timeouts == asked
    assert mgr.get("oven3").stats.exchanges == 12
    result = mgr.poll(["setpoint"])["oven2"]
    assert isinstance(result.error, WatlowOfflineError)
    assert result.error.status == "offline"


def test_it_is_looked_for_with_one_question_and_is_back_with_its_answer(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", 0.0)
    monkeypatch.setattr(availability, "PROBE_SHARE", 0)
    with fleet(bus) as mgr:
        bus.power_off(2)
        statuses(mgr)
        asked = mgr.get("oven2").stats.timeouts
        assert statuses(mgr)["oven2"] == ["offline"] * 3
        assert mgr.get("oven2").stats.timeouts == asked + 1
        bus.power_on(2)
        assert statuses(mgr)["oven2"] == ["ok"] * 3


def test_an_answer_to_anybody_brings_it_back(mgr: WatlowManager, bus: SimulatedBus) -> None:
    bus.power_off(2)
    statuses(mgr)
    bus.power_on(2)
    assert statuses(mgr)["oven2"] == ["offline"] * 3
    mgr.get("oven2").read_setpoint()
    assert statuses(mgr)["oven2"] == ["ok"] * 3


def test_who_asks_a_controller_itself_has_it_asked(mgr: WatlowManager, bus: SimulatedBus) -> None:
    bus.power_off(2)
    statuses(mgr)
    ctl = mgr.get("oven2")
    asked = ctl.stats.timeouts
    assert [sample.status for sample in ctl.poll(THREE)] == ["timeout"] * 3
    assert ctl.stats.timeouts == asked + 6


def test_a_lost_answer_is_not_taken_for_being_away(bus: SimulatedBus) -> None:
    with fleet(bus, retries=0) as mgr:
        bus.faults.next_are(Fault.DROP)
        assert statuses(mgr)["oven1"] == ["timeout", "ok", "ok"]
        bus.faults.next_are(Fault.DROP, None, Fault.DROP)
        assert statuses(mgr)["oven1"] == ["timeout", "ok", "timeout"]
        bus.faults.next_are(Fault.CORRUPT, Fault.CORRUPT)
        assert "offline" not in statuses(mgr)["oven1"]


def test_several_that_are_away_do_not_take_the_line_from_the_others(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", 0.0)
    monkeypatch.setattr(availability, "BACKOFF_MOST_S", 0.0)
    monkeypatch.setattr(availability, "PROBE_SHARE", LONG_S)
    with fleet(bus) as mgr:
        bus.power_off(1)
        bus.power_off(2)
        for _ in range(5):
            assert statuses(mgr)["oven3"] == ["ok"] * 3
        # A read of each, asked twice; one look for one of them; then the line is spared.
        assert mgr.stats().ports[bus.port].timeouts == 2 + 2 + 1


def test_each_of_several_that_are_away_is_looked_for(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long the line is spared for the others, none is looked for in another's place.
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", 0.0)
    monkeypatch.setattr(availability, "BACKOFF_MOST_S", 0.0)
    monkeypatch.setattr(availability, "PROBE_SHARE", 1)
    with fleet(bus) as mgr:
        for address in (1, 2, 3):
            bus.power_off(address)
        late = Deadline.after(PATIENCE_S)
        asked = 0
        while asked < 3 + 3 * 2:
            statuses(mgr)
            asked = mgr.get("oven3").stats.timeouts
            assert not late.passed()


def test_one_is_left_alone_for_longer_the_more_there_are(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    failed = Backoff.failed

    def noted(self: Backoff, *, about_s: float = 0.0) -> float:
        if about_s:
            pauses.append(about_s)
        return failed(self, about_s=about_s)

    monkeypatch.setattr(Backoff, "failed", noted)
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", 0.0)
    with fleet(bus) as mgr:
        bus.power_off(1)
        statuses(mgr)
        statuses(mgr)
        assert pauses[-1] >= availability.PROBE_SHARE * 0.05
        bus.power_off(2)
        statuses(mgr)
        statuses(mgr)
        assert pauses[-1] >= 2 * availability.PROBE_SHARE * 0.05
        mgr.remove("oven1")
        assert mgr.get("oven2").session.port.offline == {2}


def test_those_that_went_together_are_looked_for_together(
    mgr: WatlowManager, bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in (1, 2):
        bus.power_off(address)
    statuses(mgr)
    for address in (1, 2):
        bus.power_on(address)
    assert statuses(mgr)["oven1"] == ["offline"] * 3
    mgr.get("oven2").read_setpoint()
    assert statuses(mgr)["oven1"] == ["ok"] * 3
    # One that went by itself brings back only itself.
    monkeypatch.setattr(availability, "TOGETHER_S", 0.0)
    for address in (1, 2):
        bus.power_off(address)
    statuses(mgr)
    for address in (1, 2):
        bus.power_on(address)
    mgr.get("oven2").read_setpoint()
    for _ in range(2):
        assert statuses(mgr)["oven1"] == ["offline"] * 3


def test_it_is_said_once_each_way(
    mgr: WatlowManager, bus: SimulatedBus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "watlowlib")
    bus.power_off(2)
    for _ in range(3):
        statuses(mgr)
    bus.power_on(2)
    mgr.get("oven2").read_setpoint()
    for _ in range(3):
        statuses(mgr)
    said = [record.message for record in caplog.records]
    assert said == [
        "oven2 does not reply; it is probed less often from now on",
        "oven2 replies again",
    ]


def test_a_port_that_is_gone_is_not_taken_for_it(mgr: WatlowManager, bus: SimulatedBus) -> None:
    bus.power_off(2)
    statuses(mgr)
    bus.unplug()
    found = statuses(mgr)
    assert set(found["oven1"]) == set(found["oven3"]) == {"disconnected"}
    assert set(found["oven2"]) <= {"disconnected", "offline"}


def test_each_controller_has_counters_of_its_own_and_the_port_has_all(
    mgr: WatlowManager, bus: SimulatedBus
) -> None:
    one, two = mgr.get("oven1"), mgr.get("oven2")
    bus.faults.next_are(Fault.ECHO, Fault.FOREIGN, None, Fault.CORRUPT)
    one.read_setpoint()
    one.read_setpoint()
    two.read_setpoint()
    first, second = one.stats, two.stats
    assert (first.exchanges, first.echoes_skipped, first.frames_skipped) == (2, 1, 1)
    assert (first.timeouts, first.retries, first.unanswered) == (1, 1, 0)
    assert (second.exchanges, second.retries, second.crc_errors) == (1, 1, 1)
    devices, ports = mgr.stats()
    assert list(devices) == ["oven1", "oven2", "oven3"]
    assert devices["oven1"] == first
    assert ports[bus.port].exchanges == 3
    assert ports[bus.port].retries == 2
    # What was asked for stays as it was then.
    two.read_setpoint()
    assert devices["oven2"].exchanges == 1


def test_a_controller_alone_has_its_rest_too(bus: SimulatedBus) -> None:
    with open_device(bus.port, timeout_s=0.15, retries=0) as ctl:
        poll = ctl.prepare(THREE)
        bus.power_off(1)
        assert [sample.status for sample in poll()] == ["timeout", "timeout", "offline"]
