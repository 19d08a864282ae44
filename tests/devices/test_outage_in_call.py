"""A controller is replaced while a call waits for its reply: nothing comes from the new one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from watlowlib import Controller, WatlowOtherDeviceError, WatlowTimeoutError, open_device
from watlowlib.devices.modbus_driver import ModbusDriver
from watlowlib.model import ProtocolKind
from watlowlib.simulator import Fault, SimulatedBus, SimulatedController


class Line(NamedTuple):
    """A line with controller `old`, which `new` can replace."""

    bus: SimulatedBus
    protocol: ProtocolKind
    old: SimulatedController
    new: SimulatedController

    def open(self, retries: int) -> Controller:
        """Return the controller, whose identity is known."""
        options = {"protocol": self.protocol, "retries": retries}
        ctl = open_device(self.bus.port, timeout_s=0.1, **options)  # type: ignore[arg-type]
        ctl.identify()
        assert ctl.read_setpoint().value == 100.0
        return ctl

    def switch_off_until(
        self, request: int, ctl: Controller, unit: object, patch: pytest.MonkeyPatch
    ) -> None:
        """Switch the controller off, and put `unit` into its place before a later request."""
        self.bus.power_off(1)
        send, requests = ctl.session.port.line.send, itertools.count(1)

        def replace_and_send(data: bytes) -> None:
            if next(requests) == request:
                self.bus.replace(unit)  # type: ignore[arg-type]
                self.bus.power_on(1)
            send(data)

        patch.setattr(ctl.session.port.line, "send", replace_and_send)


@pytest.fixture(params=[ProtocolKind.STDBUS, ProtocolKind.MODBUS_RTU])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    old = SimulatedController(1, setpoint=100.0, protocol=request.param)
    new = SimulatedController(1, setpoint=300.0, protocol=request.param)
    new.set("serial_number", 300005)
    with SimulatedBus([old], baudrate=None, turnaround_s=0.0) as bus:
        yield Line(bus, request.param, old, new)


def test_a_retry_returns_no_value_of_another_controller(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    with line.open(retries=2) as ctl:
        line.switch_off_until(3, ctl, line.new, monkeypatch)
        with pytest.raises(WatlowOtherDeviceError) as caught:
            ctl.read_setpoint()
        assert caught.value.context.parameter == "setpoint"


def test_a_retry_returns_the_value_of_the_same_controller(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    with line.open(retries=2) as ctl:
        line.switch_off_until(3, ctl, line.old, monkeypatch)
        assert ctl.read_setpoint().value == 100.0
        assert ctl.read_parameter("serial_number").value == line.old.get("serial_number")


def test_a_poll_returns_no_value_of_another_controller(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = ["heat_algorithm", "alarm_type", "setpoint"]
    with line.open(retries=1) as ctl:
        line.switch_off_until(3, ctl, line.new, monkeypatch)
        statuses = [each.status for each in ctl.poll(parameters)]
        assert sorted(statuses) == ["other_device", "other_device", "timeout"]


def test_a_write_is_not_sent_to_another_controller(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    with line.open(retries=2) as ctl:
        line.switch_off_until(4, ctl, line.new, monkeypatch)
        with pytest.raises(WatlowOtherDeviceError):
            ctl.write_parameter("setpoint_maximum", 120.0, confirm=True, force=True)
        assert (line.new.writes, line.new.register_writes) == ([], [])


def test_a_write_that_another_controller_holds_is_no_success(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.new.set("setpoint_maximum", 120.0)
    with line.open(retries=2) as ctl:
        line.switch_off_until(4, ctl, line.new, monkeypatch)
        with pytest.raises(WatlowOtherDeviceError):
            ctl.write_parameter("setpoint_maximum", 120.0, confirm=True, force=True)


def test_a_write_reaches_the_same_controller_after_an_outage(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    with line.open(retries=2) as ctl:
        line.switch_off_until(4, ctl, line.old, monkeypatch)
        written = ctl.write_parameter("setpoint_maximum", 120.0, confirm=True, force=True)
        assert written.value == 120.0
        assert ctl.read_parameter("setpoint_maximum").value == 120.0


def test_a_write_that_arrived_before_an_outage_is_not_sent_again(line: Line) -> None:
    with line.open(retries=1) as ctl:
        # The replies to the write and to its read-back.
        line.bus.faults.next_are(Fault.DROP, Fault.DROP)
        ctl.write_parameter("setpoint_maximum", 120.0, confirm=True, force=True)
        assert ctl.stats.outages == 1
        assert len(line.old.writes) == 1


def test_a_second_outage_in_a_call_is_a_timeout(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    with line.open(retries=2) as ctl:
        confirm = ctl.session.confirm
        line.bus.faults.next_are(Fault.DROP, Fault.DROP)

        def confirm_and_drop() -> None:
            confirm()
            line.bus.faults.next_are(Fault.DROP, Fault.DROP)

        monkeypatch.setattr(ctl.session, "confirm", confirm_and_drop)
        with pytest.raises(WatlowTimeoutError, match="connected firmly"):
            ctl.read_setpoint()


def test_identify_without_a_reply_is_a_timeout(line: Line) -> None:
    with line.open(retries=1) as ctl:
        line.bus.power_off(1)
        for _ in range(2):
            with pytest.raises(WatlowTimeoutError):
                ctl.identify()


def test_the_assembly_is_restored_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = SimulatedController(1, protocol="modbus_rtu")
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        with open_device(bus.port, protocol="modbus_rtu", timeout_s=0.1) as ctl:
            ctl.identify()
            driver = ctl.session.driver
            assert isinstance(driver, ModbusDriver)
            before = driver.read_registers(40, 4)
            with ctl.assembly(["pv", "sp"], confirm=True):
                assert driver.read_registers(40, 4) != before
                write = driver.write_block

                def drop_once(*arguments: Any) -> None:
                    monkeypatch.undo()
                    bus.faults.next_are(Fault.DROP, Fault.DROP)
                    write(*arguments)

                monkeypatch.setattr(driver, "write_block", drop_once)
            assert ctl.stats.outages == 1
            assert driver.read_registers(40, 4) == before
