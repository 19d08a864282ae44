"""Controllers that are replaced during a recording: a gap in the data, never another's value."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from watlowlib import (
    Controller,
    DeviceResult,
    ErrorPolicy,
    Recording,
    Sample,
    WatlowManager,
    WatlowOtherDeviceError,
    record,
)
from watlowlib._internal.clock import Deadline
from watlowlib.devices import availability, replacement
from watlowlib.protocol import line
from watlowlib.simulator import Fault, SimulatedBus, SimulatedController

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no ptys")

PATIENCE_S = 20.0
SERIAL = (1, 7)
"""Class and member of the serial number."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "REOPEN_FIRST_S", 0.01)
    monkeypatch.setattr(availability, "BACKOFF_FIRST_S", 0.0)
    monkeypatch.setattr(availability, "PROBE_SHARE", 0)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[SimulatedBus]:
    """Controllers 1 to 3 with the set points 101 to 103."""
    units = [SimulatedController(each, setpoint=100.0 + each) for each in (1, 2, 3)]
    link = tmp_path / "usb-FTDI_RS485-if00"
    with SimulatedBus(units, baudrate=None, turnaround_s=0.0, link=link) as running:
        yield running


@pytest.fixture
def mgr(bus: SimulatedBus) -> Iterator[WatlowManager]:
    with WatlowManager(error_policy=ErrorPolicy.RETURN) as manager:
        for address in (1, 2, 3):
            manager.add(f"oven{address}", bus.port, address=address, timeout_s=0.15)
        yield manager


def make_other(address: int) -> SimulatedController:
    other = SimulatedController(address, setpoint=300.0)
    other.set("serial_number", 300005)
    return other


def read_until(stream: Recording, reached: Callable[[list[Sample]], bool]) -> list[Sample]:
    """Return the samples of all batches up to the first for which `reached` is true."""
    deadline = Deadline.after(PATIENCE_S)
    seen: list[Sample] = []
    for batch in stream:
        seen += batch
        if reached(batch):
            return seen
        assert not deadline.passed(), batch
    raise AssertionError("the recording has ended")


def statuses(samples: list[Sample]) -> list[str]:
    return [each.status for each in samples]


def test_one_replaced_controller_is_a_gap_and_the_others_on_its_port_continue(
    bus: SimulatedBus, mgr: WatlowManager
) -> None:
    with record(mgr, parameters="setpoint", rate_hz=100.0, buffer_size=1) as stream:
        read_until(stream, lambda batch: statuses(batch) == ["ok"] * 3)
        bus.unplug()
        seen = read_until(stream, lambda batch: statuses(batch) == ["disconnected"] * 3)
        bus.replace(make_other(2))
        bus.replug()
        seen += read_until(stream, lambda batch: statuses(batch) == ["ok", "other_device", "ok"])
        for _ in range(3):  # one sample each tick
            seen += read_until(stream, lambda batch: len(batch) == 3)
        assert mgr.get("oven2").accept_replacement().serial_number == 300005
        later = read_until(stream, lambda batch: statuses(batch) == ["ok"] * 3)
    assert {each.value for each in seen if each.device == "oven2"} <= {102.0, None}
    assert statuses([each for each in seen if each.device == "oven2"])[-4:] == ["other_device"] * 4
    assert {each.value for each in seen if each.device != "oven2"} <= {101.0, 103.0, None}
    assert later[-2].value == 300.0
    assert stream.summary.disconnects == 1


def test_the_first_tick_after_the_return_has_no_value_of_another_controller(
    bus: SimulatedBus, mgr: WatlowManager
) -> None:
    poll = mgr.prepare(["setpoint", "process_value"], names="oven1")
    assert statuses(poll()) == ["ok", "ok"]
    bus.unplug()
    assert statuses(poll()) == ["disconnected"] * 2
    bus.replace(make_other(1))
    bus.replug()
    # The poll itself opens the port again.
    mgr.get("oven1").session.port.line._backoff.succeeded()
    assert [(each.value, each.status) for each in poll()] == [(None, "other_device")] * 2
    assert mgr.get("oven1").port_stats.reconnects == 1


def test_a_manager_reports_another_controller_as_an_error(
    bus: SimulatedBus, mgr: WatlowManager
) -> None:
    mgr.poll("setpoint")
    bus.power_off(2)
    assert error_of(mgr.poll("setpoint"), "oven2").status == "timeout"
    bus.replace(make_other(2))
    results = mgr.poll("setpoint")
    assert isinstance(results["oven2"].error, WatlowOtherDeviceError)
    assert [results[name].value[0].value for name in ("oven1", "oven3")] == [101.0, 103.0]  # type: ignore[index]
    mgr.remove("oven2")
    again = mgr.add("oven2", bus.port, address=2, timeout_s=0.15)
    assert mgr.poll("setpoint")["oven2"].value[0].value == 300.0  # type: ignore[index]
    assert again.identify().serial_number == 300005


def error_of(results: dict[str, DeviceResult[list[Sample]]], name: str) -> WatlowOtherDeviceError:
    error = results[name].error
    assert error is not None
    return error  # type: ignore[return-value]


def test_another_controller_that_is_switched_off_is_offline(
    bus: SimulatedBus, mgr: WatlowManager
) -> None:
    poll = mgr.prepare("setpoint", names="oven2")
    poll()
    bus.power_off(2)
    assert statuses(poll()) == ["timeout"]
    bus.replace(make_other(2))
    assert statuses(poll()) == ["other_device"]
    bus.power_off(2)
    assert statuses(poll()) == ["timeout"]
    assert statuses(poll()) == ["offline"]
    bus.replace(SimulatedController(2, setpoint=102.0))
    assert statuses(poll()) == ["ok"]


def test_the_serial_number_is_read_once(
    bus: SimulatedBus, mgr: WatlowManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = []
    answer = SimulatedController.reply_to

    def note(unit: SimulatedController, request: object) -> object:
        requests.append(request[:2])  # type: ignore[index]
        return answer(unit, request)  # type: ignore[arg-type]

    monkeypatch.setattr(SimulatedController, "reply_to", note)
    with record(mgr, parameters={"setpoint": 50.0, "pv": 100.0}, duration=0.5) as stream:
        batches = list(stream)
    assert len(batches) > 1
    assert requests.count(SERIAL) == 3
    mgr.poll("setpoint")
    with record(mgr, parameters="setpoint", rate_hz=100.0, duration=0.02) as stream:
        assert list(stream)
    assert requests.count(SERIAL) == 3


def test_a_first_identity_without_a_reply_is_one_gap_and_is_read_again(
    bus: SimulatedBus, mgr: WatlowManager
) -> None:
    poll = mgr.prepare(["setpoint", "process_value"], names="oven1")
    check = mgr.get("oven1").session.identity
    bus.faults.next_are(Fault.CORRUPT, Fault.CORRUPT)
    assert statuses(poll())[1] == "ok"
    assert check.known is None
    assert statuses(poll()) == ["ok", "ok"]
    assert check.known == (200001, None)


def test_a_controller_that_never_reports_an_identity_is_recorded_all_the_same(
    bus: SimulatedBus, mgr: WatlowManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = SimulatedController.reply_to

    def be_silent(unit: SimulatedController, request: object) -> object:
        return None if request[:2] == SERIAL else answer(unit, request)  # type: ignore[index,arg-type]

    monkeypatch.setattr(SimulatedController, "reply_to", be_silent)
    poll = mgr.prepare(["setpoint", "process_value"], names="oven1")
    polls = [statuses(poll()) for _ in range(2 * replacement.FIRST_FAILURES + 2)]
    assert polls[-1] == ["ok", "ok"]


def test_accept_replacement_is_available_in_the_blocking_interface() -> None:
    from watlowlib.sync import SyncController

    assert SyncController.accept_replacement is Controller.accept_replacement
