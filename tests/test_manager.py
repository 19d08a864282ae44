from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from watlowlib import ErrorPolicy, WatlowManager, open_device
from watlowlib.errors import (
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowPortNotFoundError,
    WatlowTimeoutError,
)
from watlowlib.model import ProtocolKind, SerialSettings
from watlowlib.simulator import SimulatedBus

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup


@pytest.fixture
def other_bus() -> Iterator[SimulatedBus]:
    with SimulatedBus([1], baudrate=None, turnaround_s=(0.0, 0.0)) as running:
        yield running


@pytest.fixture
def mgr(bus: SimulatedBus, other_bus: SimulatedBus) -> Iterator[WatlowManager]:
    with WatlowManager() as manager:
        manager.add("oven_top", bus.port, address=1, timeout_s=0.1)
        manager.add("retort", other_bus.port, address=1, timeout_s=0.1)
        manager.add("oven_bot", bus.port, address=2, timeout_s=0.1)
        yield manager


def test_a_poll_has_a_result_a_controller(mgr: WatlowManager, bus: SimulatedBus) -> None:
    bus.controllers[2].set("setpoint", 222.0)
    results = mgr.poll(["setpoint", "heat_algorithm"])
    assert list(results) == ["oven_top", "retort", "oven_bot"]
    values = {name: [each.value for each in result.value or []] for name, result in results.items()}
    assert values == {"oven_top": [75.0, 71], "retort": [75.0, 71], "oven_bot": [222.0, 71]}
    assert {result.protocol for result in results.values()} == {ProtocolKind.STDBUS}
    assert [each.device for each in results["oven_bot"].value or []] == ["oven_bot", "oven_bot"]


def test_only_those_that_were_named(mgr: WatlowManager) -> None:
    assert list(mgr.poll("pv", names=["oven_bot", "oven_top"])) == ["oven_bot", "oven_top"]


def test_a_controller_that_fails_is_raised_after_all_were_asked(
    mgr: WatlowManager, bus: SimulatedBus, other_bus: SimulatedBus
) -> None:
    bus.power_off(1)
    other_bus.power_off(1)
    with pytest.raises(ExceptionGroup, match="2 of 3 controllers failed") as caught:
        mgr.poll("pv")
    failed = [error.context.port for error in caught.value.exceptions]
    assert failed == [bus.port, other_bus.port]
    assert all(isinstance(error, WatlowTimeoutError) for error in caught.value.exceptions)
    assert bus.controllers[2].get("setpoint") == 75.0


def test_or_is_in_its_result(mgr: WatlowManager, bus: SimulatedBus) -> None:
    mgr.error_policy = ErrorPolicy.RETURN
    bus.power_off(1)
    results = mgr.poll("pv")
    assert isinstance(results["oven_top"].error, WatlowTimeoutError)
    assert results["oven_top"].value is None
    assert [results[name].error for name in ("retort", "oven_bot")] == [None, None]


def test_a_read_that_fails_among_others_is_a_gap(mgr: WatlowManager) -> None:
    results = mgr.poll("setpoint", instances=[1, 2])
    samples = results["oven_top"].value or []
    assert [each.status for each in samples] == ["ok", "no_such_instance"]


def test_ports_are_asked_side_by_side(mgr: WatlowManager) -> None:
    # Two ports meet inside their reads: one after the other they would wait in vain.
    meeting = threading.Barrier(2, timeout=10)
    for name in ("oven_top", "retort"):
        controller = mgr.get(name)
        reading = controller._read

        def read(*args: object, reading: object = reading) -> object:
            meeting.wait()
            return reading(*args)  # type: ignore[operator]

        controller._read = read  # type: ignore[assignment, method-assign]
    results = mgr.poll("setpoint", names=["oven_top", "retort"])
    assert [result.error for result in results.values()] == [None, None]


def test_a_controller_opened_before_stays_its_owners(bus: SimulatedBus) -> None:
    with open_device(bus.port, address=1) as mine:
        with WatlowManager() as mgr:
            mgr.add("mine", mine)
            (sample,) = mgr.poll("pv")["mine"].value or []
            assert sample.device == "mine"
        assert mine.read_setpoint().value == 75.0


def test_what_cannot_be_added(mgr: WatlowManager, bus: SimulatedBus) -> None:
    with pytest.raises(WatlowConfigurationError, match="not taken; taken are"):
        mgr.add("retort", bus.port, address=3)
    with pytest.raises(WatlowConfigurationError, match="here already, as 'oven_top'"):
        mgr.add("oven_3", bus.port, address=1)
    with pytest.raises(WatlowConfigurationError, match="already open with serial settings"):
        mgr.add("slow", bus.port, address=3, serial_settings=SerialSettings(baudrate=9600))
    with pytest.raises(WatlowPortNotFoundError):
        mgr.add("nowhere", "/dev/ttyUSB77")
    with pytest.raises(WatlowConfigurationError, match="address=17"):
        mgr.add("seventeen", bus.port, address=17)
    assert mgr.names == ("oven_top", "retort", "oven_bot")


def test_a_slip_in_a_controllers_name(mgr: WatlowManager) -> None:
    with pytest.raises(WatlowConfigurationError, match="did you mean 'oven_top'"):
        mgr.get("oven_topp")
    with pytest.raises(WatlowConfigurationError, match="no controller 'kiln'; there are"):
        mgr.poll("pv", names=["kiln"])
    with pytest.raises(WatlowConfigurationError, match="no controllers to read"):
        mgr.poll("pv", names=[])


def test_removing_lets_go_of_the_port_with_the_last(bus: SimulatedBus) -> None:
    with WatlowManager() as mgr:
        mgr.add("one", bus.port, address=1)
        two = mgr.add("two", bus.port, address=2)
        mgr.remove("one")
        assert two.read_setpoint().value == 75.0
        mgr.remove("two")
        with open_device(bus.port, serial_settings=SerialSettings(baudrate=9600)):
            pass
        with pytest.raises(WatlowConfigurationError, match="no controller 'two'"):
            mgr.remove("two")


def test_closed_is_closed(mgr: WatlowManager, bus: SimulatedBus) -> None:
    top = mgr.get("oven_top")
    mgr.close()
    mgr.close()
    with pytest.raises(WatlowClosedError):
        top.read_pv()
    with pytest.raises(WatlowClosedError, match="make a new one"):
        mgr.add("again", bus.port)
    with pytest.raises(WatlowClosedError, match="make a new one"):
        mgr.poll("pv")


def test_once_stopped_a_dead_line_is_not_gone_through(
    mgr: WatlowManager, bus: SimulatedBus
) -> None:
    for address in (1, 2):
        bus.power_off(address)
    stop = threading.Event()
    stop.set()
    samples = mgr.prepare(["pv", "setpoint"])(stop)
    statuses = {(each.device, each.parameter): each.status for each in samples}
    assert statuses == {
        ("oven_top", "process_value"): "timeout",
        ("oven_top", "setpoint"): "stopped",
        ("oven_bot", "process_value"): "stopped",
        ("oven_bot", "setpoint"): "stopped",
        ("retort", "process_value"): "ok",
        ("retort", "setpoint"): "ok",
    }


def test_a_manager_closed_under_a_recording_leaves_gaps_that_say_so(mgr: WatlowManager) -> None:
    poll = mgr.prepare("pv")
    mgr.close()
    assert [each.status for each in poll()] == ["closed"] * 3


def test_one_name_need_not_be_a_list(mgr: WatlowManager) -> None:
    assert list(mgr.poll("pv", names="retort")) == ["retort"]


def test_a_policy_nobody_knows() -> None:
    with pytest.raises(WatlowConfigurationError, match="allowed are raise, return"):
        WatlowManager(error_policy="ignore")  # type: ignore[arg-type]
