"""The simulated line over plain pyserial: request bytes, reply bytes and their timing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from watlowlib import open_device
from watlowlib._internal.clock import ManualClock
from watlowlib.errors import WatlowClosedError, WatlowConfigurationError
from watlowlib.protocol.stdbus.crc import crc8
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus, SimulatedController

READ_SETPOINT = bytes.fromhex("55FF0510000006E80103010701018776")
SETPOINT_IS_392 = bytes.fromhex("55FF060010000B880203010701010843C40000339A")
READ_PV = bytes.fromhex("55FF0510000006E8010301040101E399")


@contextmanager
def client_port(bus: SimulatedBus) -> Iterator[serial.Serial]:
    with serial.serial_for_url(bus.port, baudrate=38400, timeout=5.0) as port:
        yield port


def unit() -> SimulatedController:
    return SimulatedController(1, setpoint=392.0)


@pytest.mark.parametrize("transport", ["pty", "tcp"])
def test_captured_exchange_is_reproduced(transport: str) -> None:
    with SimulatedBus([unit()], transport=transport) as bus, client_port(bus) as port:
        port.write(READ_SETPOINT)
        assert port.read(21) == SETPOINT_IS_392


def test_an_exchange_takes_the_time_of_its_bytes() -> None:
    with SimulatedBus([unit()], turnaround_s=(0.003, 0.003)) as bus, client_port(bus) as port:
        for _ in range(5):
            started_s = time.monotonic()
            port.write(READ_SETPOINT)
            port.read(21)
            # At least 16 + 21 bytes of 10 bits at 38400 baud, and the turnaround.
            assert time.monotonic() - started_s >= 37 * 10 / 38400 + 0.003


def test_reply_is_addressed_to_the_requesting_mac() -> None:
    head = bytes.fromhex("0510030006")
    request = b"\x55\xff" + head + bytes((crc8(head),)) + READ_SETPOINT[8:]
    with SimulatedBus([unit()], baudrate=None) as bus, client_port(bus) as port:
        port.write(request)
        assert port.read(21)[3] == 0x03


@pytest.mark.parametrize(
    "data",
    [
        READ_SETPOINT.replace(b"\xe8", b"\xe9"),
        READ_SETPOINT[:-1] + b"\x00",
        SETPOINT_IS_392,
        b"hello",
    ],
    ids=["bad header check", "bad data check", "a reply", "noise"],
)
def test_no_reply_to_bytes_that_are_no_request(data: bytes) -> None:
    with SimulatedBus([unit()], baudrate=None, turnaround_s=(0, 0)) as bus:
        with client_port(bus) as port:
            port.write(data)
            port.write(READ_SETPOINT)
            # The only reply is to the valid request.
            assert port.read(21) == SETPOINT_IS_392
            port.timeout = 0
            assert port.read(1) == b""


def test_no_reply_from_an_unknown_address() -> None:
    with SimulatedBus([2], baudrate=None) as bus, client_port(bus) as port:
        port.timeout = 0.05
        port.write(READ_SETPOINT)
        assert port.read(1) == b""


def test_second_request_collides_with_the_reply() -> None:
    with SimulatedBus([unit()], turnaround_s=(0, 0)) as bus, client_port(bus) as port:
        port.write(READ_SETPOINT + READ_SETPOINT)
        port.timeout = 0.1
        assert port.read(1) == b""
        assert bus.wire.collisions == 1


def test_ovens_use_the_given_clock() -> None:
    clock = ManualClock()
    with SimulatedBus([SimulatedController(1, setpoint=200.0)], clock=clock) as bus:
        with open_device(bus.port) as ctl:
            assert ctl.read_pv().value == 72.0
            clock.advance(1800.0)
            assert ctl.read_pv().value == pytest.approx(200.0, abs=1.0)


def test_speed_scales_the_time_of_the_ovens() -> None:
    clock = ManualClock()
    controller = SimulatedController(1, setpoint=200.0)
    with SimulatedBus([controller], clock=clock, speed=100.0):
        clock.advance(18.0)
        assert controller.get("process_value") == pytest.approx(200.0, abs=1.0)


def test_a_powered_off_controller_does_not_reply() -> None:
    plan = FaultPlan()
    with SimulatedBus([1, 2], baudrate=None, faults=plan) as bus:
        with open_device(bus.port, timeout_s=0.3, retries=0) as ctl:
            plan.next_are(Fault.SILENT)
            assert [ctl.poll("pv")[0].status for _ in range(2)] == ["timeout", "timeout"]
            with open_device(bus.port, address=2) as other:
                assert other.read_setpoint().value == 75.0
            bus.power_on(1)
            assert ctl.poll("pv")[0].status == "ok"
            bus.power_off(1)
            assert ctl.poll("pv")[0].status == "timeout"


def test_close_fault_removes_the_port() -> None:
    plan = FaultPlan()
    with SimulatedBus([1], baudrate=None, faults=plan) as bus:
        with open_device(bus.port, timeout_s=1.0) as ctl:
            plan.next_are(Fault.CLOSE)
            assert ctl.poll("pv")[0].status == "disconnected"
        with pytest.raises(WatlowClosedError, match="with statement"):
            _ = bus.port


def test_port_of_a_bus_that_is_not_running_raises() -> None:
    bus = SimulatedBus([1])
    with pytest.raises(WatlowClosedError, match="with statement"):
        _ = bus.port
    bus.close()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"controllers": [1, 1]}, "address 1 is given twice"),
        ({"speed": 0}, "above 0"),
        ({"baudrate": 12345}, "baudrate=12345"),
        ({"turnaround_s": (0.2, 0.1)}, r"turnaround_s=.*\(minimum, maximum\)"),
        ({"turnaround_s": "fast"}, "turnaround_s='fast'"),
        ({"faults": {"drop": 0.5}}, "give a FaultPlan"),
    ],
)
def test_invalid_arguments_are_rejected(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(WatlowConfigurationError, match=message):
        SimulatedBus(**{"controllers": [1], **wrong})  # type: ignore[arg-type]


def test_unknown_transport_is_rejected() -> None:
    with pytest.raises(WatlowConfigurationError, match="'pty' .*, 'tcp'"):
        with SimulatedBus([1], transport="usb"):
            pass


def test_a_bus_cannot_be_started_twice() -> None:
    bus = SimulatedBus([1], turnaround_s=0.0)
    with bus, pytest.raises(WatlowConfigurationError, match="runs once"):
        bus.start()


def test_a_controller_replies_in_order() -> None:
    plan = FaultPlan(late_s=0.1)
    with SimulatedBus([unit()], baudrate=None, turnaround_s=0.0, faults=plan) as bus:
        with client_port(bus) as port:
            plan.next_are(Fault.LATE, None)
            port.write(READ_SETPOINT)
            while not plan.happened[Fault.LATE]:
                pass
            port.write(READ_PV)
            replies = port.read(42)
            assert replies[:21] == SETPOINT_IS_392
            assert replies[21 + 11 : 21 + 13] == b"\x04\x01"


@pytest.mark.parametrize("transport", ["pty", "tcp"])
def test_replug_elsewhere_changes_the_port_name(transport: str) -> None:
    with SimulatedBus([unit()], baudrate=None, transport=transport) as bus:
        first = bus.port
        bus.unplug()
        with pytest.raises(WatlowClosedError):
            _ = bus.port
        bus.replug(elsewhere=True)
        assert bus.port != first
        with client_port(bus) as port:
            port.write(READ_SETPOINT)
            assert port.read(21) == SETPOINT_IS_392


def test_link_points_to_the_current_pty(tmp_path: Path) -> None:
    link = tmp_path / "usb-FTDI_RS485-if00"
    with SimulatedBus([unit()], baudrate=None, link=link) as bus:
        assert bus.port == str(link)
        first = link.readlink()
        bus.unplug()
        assert not link.is_symlink()
        bus.replug(elsewhere=True)
        assert link.readlink() != first
        with client_port(bus) as port:
            port.write(READ_SETPOINT)
            assert port.read(21) == SETPOINT_IS_392
    assert not link.is_symlink()


def test_link_to_a_tcp_port_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(WatlowConfigurationError, match="only a pty"):
        SimulatedBus([1], transport="tcp", link=tmp_path / "link")


def test_a_stalled_line_receives_nothing() -> None:
    with SimulatedBus([unit()], turnaround_s=5.0) as bus, client_port(bus) as port:
        bus.stall()
        port.write(READ_SETPOINT)
        port.timeout = 0.1
        assert port.read(1) == b""
        assert bus.wire.next_s() is None


def test_resume_delivers_a_stalled_reply() -> None:
    with SimulatedBus([unit()], baudrate=None, turnaround_s=0.2) as bus, client_port(bus) as port:
        port.write(READ_SETPOINT)
        while bus.wire.next_s() is None:
            pass
        # The reply is on its way.
        bus.stall()
        port.timeout = 0.5
        assert port.read(1) == b""
        bus.stall()
        assert port.read(1) == b""
        bus.resume()
        port.timeout = 10.0
        assert port.read(21) == SETPOINT_IS_392


def test_a_controller_is_replaced_by_another_at_its_address(bus: SimulatedBus) -> None:
    other = SimulatedController(1, setpoint=300.0)
    bus.power_off(1)
    with open_device(bus.port) as ctl:
        bus.replace(other)
        assert ctl.read_setpoint().value == 300.0
    assert bus.controllers[1] is other
    with pytest.raises(WatlowConfigurationError, match="no controller has this address"):
        bus.replace(SimulatedController(9))
