"""An offline controller costs the others on its line little; its first reply brings it back."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator

import pytest

from watlowlib import ErrorPolicy, WatlowManager, WatlowOfflineError, open_device
from watlowlib._internal.backoff import Backoff
from watlowlib._internal.clock import Deadline
from watlowlib.devices import availability
from watlowlib.devices.availability import Availability
from watlowlib.errors import WatlowTimeoutError
from watlowlib.protocol.port import Port
from watlowlib.protocol.stats import DeviceStats
from watlowlib.simulator import Fault, SimulatedBus
from watlowlib.transport.scripted import ScriptedTransport

PARAMETERS = ["process_value", "setpoint", "heat_algorithm"]
LONG_S = 1000.0
DEADLINE_S = 30.0


@pytest.fixture
def bus() -> Iterator[SimulatedBus]:
    with SimulatedBus([1, 2, 3], baudrate=None, turnaround_s=0.0) as bus:
        yield bus


def make_fleet(bus: SimulatedBus, retries: int = 1) -> WatlowManager:
    mgr = WatlowManager(error_policy=ErrorPolicy.RETURN)
    for address in (1, 2, 3):
        mgr.add(f"oven{address}", bus.port, address=address, timeout_s=0.15, retries=retries)
    return mgr


@pytest.fixture
def mgr(bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch) -> Iterator[WatlowManager]:
    """A fleet whose back-off outlasts the test: an offline controller is not probed again."""
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", LONG_S)
    monkeypatch.setattr(availability, "BACKOFF_MOST_S", LONG_S)
    with make_fleet(bus) as mgr:
        yield mgr


def poll_statuses(mgr: WatlowManager) -> dict[str, list[str]]:
    """Poll once; return the status of each sample, by device."""
    statuses: dict[str, list[str]] = {}
    for sample in mgr.prepare(PARAMETERS)():
        statuses.setdefault(sample.device, []).append(sample.status)
    return statuses


def test_an_offline_controller_costs_one_read_and_then_nothing(
    mgr: WatlowManager, bus: SimulatedBus
) -> None:
    bus.power_off(2)
    assert poll_statuses(mgr) == {
        "oven1": ["ok"] * 3,
        "oven2": ["timeout", "offline", "offline"],
        "oven3": ["ok"] * 3,
    }
    timeouts = mgr.get("oven2").stats.timeouts
    assert timeouts == 2
    for _ in range(3):
        assert poll_statuses(mgr)["oven2"] == ["offline"] * 3
    assert mgr.get("oven2").stats.timeouts == timeouts
    assert mgr.get("oven3").stats.exchanges == 1 + 12  # the serial number, then values
    result = mgr.poll(["setpoint"])["oven2"]
    assert isinstance(result.error, WatlowOfflineError)
    assert result.error.status == "offline"


def test_a_probe_is_one_request_and_its_reply_brings_the_controller_back(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", 0.0)
    monkeypatch.setattr(availability, "PROBE_SHARE", 0)
    with make_fleet(bus) as mgr:
        bus.power_off(2)
        poll_statuses(mgr)
        timeouts = mgr.get("oven2").stats.timeouts
        assert poll_statuses(mgr)["oven2"] == ["offline"] * 3
        assert mgr.get("oven2").stats.timeouts == timeouts + 1
        bus.power_on(2)
        assert poll_statuses(mgr)["oven2"] == ["ok"] * 3


def test_a_reply_to_any_request_brings_a_controller_back(
    mgr: WatlowManager, bus: SimulatedBus
) -> None:
    bus.power_off(2)
    poll_statuses(mgr)
    bus.power_on(2)
    assert poll_statuses(mgr)["oven2"] == ["offline"] * 3
    mgr.get("oven2").read_setpoint()
    assert poll_statuses(mgr)["oven2"] == ["ok"] * 3


def test_a_poll_of_the_controller_itself_skips_nothing(
    mgr: WatlowManager, bus: SimulatedBus
) -> None:
    bus.power_off(2)
    poll_statuses(mgr)
    ctl = mgr.get("oven2")
    timeouts = ctl.stats.timeouts
    assert [sample.status for sample in ctl.poll(PARAMETERS)] == ["timeout"] * 3
    assert ctl.stats.timeouts == timeouts + 6


def test_a_single_lost_reply_does_not_make_a_controller_offline(bus: SimulatedBus) -> None:
    with make_fleet(bus, retries=0) as mgr:
        bus.faults.next_are(Fault.DROP)
        assert poll_statuses(mgr)["oven1"] == ["timeout", "ok", "ok"]
        bus.faults.next_are(Fault.DROP, None, Fault.DROP)
        assert poll_statuses(mgr)["oven1"] == ["timeout", "ok", "timeout"]
        bus.faults.next_are(Fault.CORRUPT, Fault.CORRUPT)
        assert "offline" not in poll_statuses(mgr)["oven1"]


def test_after_a_failed_probe_the_line_is_not_probed_for_a_while(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", 0.0)
    monkeypatch.setattr(availability, "BACKOFF_MOST_S", 0.0)
    monkeypatch.setattr(availability, "PROBE_SHARE", LONG_S)
    with make_fleet(bus) as mgr:
        bus.power_off(1)
        bus.power_off(2)
        for _ in range(5):
            assert poll_statuses(mgr)["oven3"] == ["ok"] * 3
        # One read of each with a retry, and one probe; after it the line is not probed.
        assert mgr.stats().ports[bus.port].timeouts == 2 + 2 + 1


def test_each_of_several_offline_controllers_is_probed(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The pause on the line after a probe must not always hit the same controller.
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", 0.0)
    monkeypatch.setattr(availability, "BACKOFF_MOST_S", 0.0)
    monkeypatch.setattr(availability, "PROBE_SHARE", 1)
    with make_fleet(bus) as mgr:
        for address in (1, 2, 3):
            bus.power_off(address)
        deadline = Deadline.after(DEADLINE_S)
        timeouts = 0
        while timeouts < 3 + 3 * 2:
            poll_statuses(mgr)
            timeouts = mgr.get("oven3").stats.timeouts
            assert not deadline.passed()


def test_the_back_off_grows_with_the_number_of_offline_controllers(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    failed = Backoff.failed

    def recording_failed(self: Backoff, *, about_s: float = 0.0) -> float:
        if about_s:
            pauses.append(about_s)
        return failed(self, about_s=about_s)

    monkeypatch.setattr(Backoff, "failed", recording_failed)
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", 0.0)
    with make_fleet(bus) as mgr:
        bus.power_off(1)
        poll_statuses(mgr)
        poll_statuses(mgr)
        assert pauses[-1] >= availability.PROBE_SHARE * 0.05
        bus.power_off(2)
        poll_statuses(mgr)
        poll_statuses(mgr)
        assert pauses[-1] >= 2 * availability.PROBE_SHARE * 0.05
        mgr.remove("oven1")
        assert mgr.get("oven2").session.port.offline == {2}


def test_controllers_that_went_offline_together_are_probed_together(
    mgr: WatlowManager, bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for address in (1, 2):
        bus.power_off(address)
    poll_statuses(mgr)
    for address in (1, 2):
        bus.power_on(address)
    assert poll_statuses(mgr)["oven1"] == ["offline"] * 3
    mgr.get("oven2").read_setpoint()
    assert poll_statuses(mgr)["oven1"] == ["ok"] * 3
    # A controller that went offline on its own brings back no other.
    monkeypatch.setattr(availability, "TOGETHER_S", 0.0)
    for address in (1, 2):
        bus.power_off(address)
    poll_statuses(mgr)
    for address in (1, 2):
        bus.power_on(address)
    mgr.get("oven2").read_setpoint()
    for _ in range(2):
        assert poll_statuses(mgr)["oven1"] == ["offline"] * 3


def test_the_return_of_another_controller_causes_one_probe(
    mgr: WatlowManager, bus: SimulatedBus
) -> None:
    for address in (1, 2):
        bus.power_off(address)
    poll_statuses(mgr)
    timeouts = mgr.get("oven1").stats.timeouts
    bus.power_on(2)
    mgr.get("oven2").read_setpoint()
    for _ in range(4):
        assert poll_statuses(mgr)["oven1"] == ["offline"] * 3
    assert mgr.get("oven1").stats.timeouts == timeouts + 1


def test_only_a_late_reply_since_the_last_probe_lengthens_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", 0.0)
    monkeypatch.setattr(availability, "BACKOFF_MOST_S", 0.0)
    monkeypatch.setattr(availability, "PROBE_SHARE", 0)
    port, stats = Port(ScriptedTransport(lambda data: [])), DeviceStats()
    waits: list[float | None] = []

    def ping(*, within_s: float | None = None) -> None:
        waits.append(within_s)
        raise WatlowTimeoutError("no reply")

    tracked = Availability("oven", 1, port, stats, ping)
    port.stats.late_replies += 1
    stats.unanswered = availability.OFFLINE_AFTER
    assert not tracked.check()
    port.stats.late_replies += 1
    assert not tracked.check()
    assert not tracked.check()
    assert waits == [availability.PROBE_S, math.inf, availability.PROBE_S]


def test_each_change_is_logged_once(
    mgr: WatlowManager, bus: SimulatedBus, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "watlowlib")
    bus.power_off(2)
    for _ in range(3):
        poll_statuses(mgr)
    bus.power_on(2)
    mgr.get("oven2").read_setpoint()
    for _ in range(3):
        poll_statuses(mgr)
    messages = [record.message for record in caplog.records]
    assert messages == [
        "oven2 does not reply; it is probed less often from now on",
        "oven2 replies again",
    ]


def test_a_lost_port_does_not_make_controllers_offline(
    mgr: WatlowManager, bus: SimulatedBus
) -> None:
    bus.power_off(2)
    poll_statuses(mgr)
    bus.unplug()
    statuses = poll_statuses(mgr)
    assert set(statuses["oven1"]) == set(statuses["oven3"]) == {"disconnected"}
    assert set(statuses["oven2"]) <= {"disconnected", "offline"}


def test_each_controller_has_its_own_counters_and_the_port_has_the_sum(
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
    # The counters returned earlier are a copy.
    two.read_setpoint()
    assert devices["oven2"].exchanges == 1


def test_a_planned_poll_of_a_single_controller_skips_it_while_offline(bus: SimulatedBus) -> None:
    with open_device(bus.port, timeout_s=0.15, retries=0) as ctl:
        poll = ctl.prepare(PARAMETERS)
        bus.power_off(1)
        assert [sample.status for sample in poll()] == ["timeout", "timeout", "offline"]
