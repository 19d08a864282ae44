"""Modbus slaves on a line, from outside by bare pyserial: bytes in, bytes out, in their time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import serial

from watlowlib import open_device
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ProtocolKind, SerialSettings, WordOrder
from watlowlib.protocol.modbus.frames import RtuDecoder, RtuFrame, reply_sizes
from watlowlib.simulator import (
    Fault,
    FaultPlan,
    SimulatedBus,
    SimulatedController,
    SimulatedSD,
    Write,
)
from watlowlib.simulator.wire import Wire

PATIENCE_S = 20.0
READ_SETPOINT = bytes.fromhex("03 0870 0002")
SETPOINT_IS_75 = bytes.fromhex("03 04 0000 4296")
SETPOINT_IS_392 = bytes.fromhex("03 04 0000 43C4")
WRITE_392 = bytes.fromhex("10 0870 0002 04 0000 43C4")
WRITTEN = bytes.fromhex("10 0870 0002")
STDBUS_READ = bytes.fromhex("55FF0510000006E80103010701018776")
STDBUS_392 = bytes.fromhex("55FF060010000B880203010701010843C40000339A")


def pm(modbus_address: int, **settings: object) -> SimulatedController:
    return SimulatedController(
        1,
        protocol=ProtocolKind.MODBUS_RTU,
        modbus_address=modbus_address,
        **settings,  # type: ignore[arg-type]
    )


class Host:
    """A master that knows nothing but bytes."""

    def __init__(self, port: serial.Serial) -> None:
        self.port = port

    def ask(self, slave: int, payload: bytes, expected: bytes) -> bytes:
        """The reply to one request, read as far as the expected one goes."""
        self.port.write(RtuFrame(slave, payload).raw)
        return self.port.read(len(expected) + 3)

    def says(self, slave: int, payload: bytes, expected: bytes) -> bool:
        return self.ask(slave, payload, expected) == RtuFrame(slave, expected).raw

    def hears_nothing(self, slave: int, payload: bytes) -> bool:
        self.port.timeout = 0.05
        silent = self.ask(slave, payload, b"") == b""
        self.port.timeout = PATIENCE_S
        return silent


@contextmanager
def line(*controllers: object, **settings: object) -> Iterator[tuple[SimulatedBus, Host]]:
    settings = {"baudrate": None, "turnaround_s": 0.0} | settings
    with SimulatedBus(controllers, **settings) as bus:  # type: ignore[arg-type]
        with serial.serial_for_url(bus.port, timeout=PATIENCE_S) as port:
            yield bus, Host(port)


@pytest.mark.parametrize("transport", ["pty", "tcp"])
def test_one_exchange(transport: str) -> None:
    with line(pm(247), transport=transport) as (_, host):
        assert host.says(247, READ_SETPOINT, SETPOINT_IS_75)


def test_each_slave_answers_for_itself() -> None:
    slaves = [pm(40), pm(41, data_map=2, setpoint=392.0), SimulatedSD(42, setpoint=392.0)]
    with line(*slaves) as (_, host):
        assert host.says(40, READ_SETPOINT, SETPOINT_IS_75)
        assert host.says(41, bytes.fromhex("03 0A50 0002"), SETPOINT_IS_392)
        # 392000 thousandths, high word first.
        assert host.says(42, bytes.fromhex("03 001B 0002"), bytes.fromhex("03 04 0005 FB40"))
        assert host.hears_nothing(43, READ_SETPOINT)
        assert host.says(40, b"\x07", b"\x87\x01")


def test_a_write_to_slave_0_is_carried_out_by_all_and_answered_by_none() -> None:
    slaves = [pm(1), pm(2), SimulatedController(3)]
    with line(*slaves) as (_, host):
        assert host.hears_nothing(0, WRITE_392)
        assert host.hears_nothing(0, READ_SETPOINT)
        assert host.says(2, READ_SETPOINT, SETPOINT_IS_392)
    assert [each.writes for each in slaves] == [[Write(7001, 1, 392.0)]] * 2 + [[]]


def test_both_protocols_on_one_line() -> None:
    # The one on Modbus has the same Standard Bus address, and does not use it.
    with line(pm(40), SimulatedController(1, setpoint=392.0)) as (_, host):
        for _ in range(3):
            host.port.write(STDBUS_READ)
            assert host.port.read(21) == STDBUS_392
            assert host.says(40, READ_SETPOINT, SETPOINT_IS_75)


def test_a_controller_moves_from_one_protocol_to_the_other() -> None:
    moving = SimulatedController(1, setpoint=392.0)
    with line(moving) as (_, host):
        assert host.hears_nothing(1, READ_SETPOINT)
        moving.set("protocol", 1057)
        assert host.says(1, READ_SETPOINT, SETPOINT_IS_392)
        # And back, over the line: register 2492.
        assert host.says(1, bytes.fromhex("06 09BC 0506"), bytes.fromhex("06 09BC 0506"))
        assert host.hears_nothing(1, READ_SETPOINT)
        host.port.write(STDBUS_READ)
        assert host.port.read(21) == STDBUS_392


def test_a_new_address_counts_at_once() -> None:
    with line(pm(1)) as (bus, host):
        # Register 2482; the write itself is answered from the old one.
        assert host.says(1, bytes.fromhex("06 09B2 0063"), bytes.fromhex("06 09B2 0063"))
        assert host.hears_nothing(1, READ_SETPOINT)
        assert host.says(99, READ_SETPOINT, SETPOINT_IS_75)
        bus.power_off(99)
        assert host.hears_nothing(99, READ_SETPOINT)
        bus.power_on(99)
        assert host.says(99, READ_SETPOINT, SETPOINT_IS_75)


def test_each_number_once() -> None:
    with pytest.raises(WatlowConfigurationError, match="address 7 is given twice"):
        SimulatedBus([SimulatedController(7), SimulatedSD(7)])
    with pytest.raises(WatlowConfigurationError, match="address=5: nobody listens there"):
        SimulatedBus([SimulatedSD(7)]).power_off(5)


def test_what_is_half_a_request_does_not_wedge_the_line() -> None:
    with line(pm(1)) as (_, host):
        host.port.write(RtuFrame(1, WRITE_392).raw[:-3])
        assert host.says(1, READ_SETPOINT, SETPOINT_IS_75)


def test_a_float_read_at_9600_baud_takes_17_bytes_of_wire() -> None:
    wire = Wire(SerialSettings(baudrate=9600).byte_time_s)
    request, reply = RtuFrame(1, READ_SETPOINT).raw, RtuFrame(1, SETPOINT_IS_75).raw
    complete_s = wire.request(100.0, request)
    assert complete_s is not None
    assert wire.reply(complete_s, reply) - 100.0 == pytest.approx(0.0177, abs=0.0001)


def test_a_reply_keeps_the_silence_before_it() -> None:
    with line(pm(1), baudrate=9600) as (bus, host):
        calls = []
        original = bus.wire.reply

        def watched(start_s: float, data: bytes) -> float:
            calls.append(start_s - bus.wire._request_end_s)
            return original(start_s, data)

        bus.wire.reply = watched  # type: ignore[method-assign]
        assert host.says(1, READ_SETPOINT, SETPOINT_IS_75)
        # 3.5 characters at 9600 baud.
        assert calls == [pytest.approx(0.003646, abs=0.00001)]


def test_a_garbled_line_brings_bytes_and_no_frame() -> None:
    unit = pm(1)
    with line(unit, garbled=True) as (_, host):
        for payload in (READ_SETPOINT, WRITE_392):
            request = RtuFrame(1, payload).raw
            host.port.write(request)
            assert RtuDecoder(reply_sizes).feed(host.port.read(len(request))) == []
    assert unit.register_writes == []


def heard(bus: SimulatedBus, host: Host, fault: Fault) -> bytes:
    """What comes over the line up to the next reply in order."""
    bus.faults.next_are(fault, None)
    host.port.write(RtuFrame(1, READ_SETPOINT).raw)
    while not bus.faults.happened[fault]:
        pass
    end = RtuFrame(1, bytes.fromhex("03 02 001C")).raw
    host.port.write(RtuFrame(1, bytes.fromhex("03 0000 0001")).raw)
    data = host.port.read_until(end)
    assert data.endswith(end)
    return data[: -len(end)]


def test_every_fault_happens_to_modbus_replies_too() -> None:
    reply, request = RtuFrame(1, SETPOINT_IS_75).raw, RtuFrame(1, READ_SETPOINT).raw
    with line(pm(1), faults=FaultPlan(delay_s=0.0, late_s=0.01, seed=3)) as (bus, host):
        assert heard(bus, host, Fault.DROP) == b""
        assert heard(bus, host, Fault.DELAY) == reply
        assert heard(bus, host, Fault.LATE) == reply
        assert heard(bus, host, Fault.DUPLICATE) == reply * 2
        assert heard(bus, host, Fault.ECHO) == request + reply
        assert heard(bus, host, Fault.NOISE).endswith(reply)
        assert reply.startswith(heard(bus, host, Fault.TRUNCATE))
        corrupt = heard(bus, host, Fault.CORRUPT)
        assert (len(corrupt), corrupt == reply) == (len(reply), False)
        foreign = heard(bus, host, Fault.FOREIGN)
        assert RtuDecoder(reply_sizes).feed(foreign)[0].raw == foreign != reply


def test_a_slave_goes_off_and_a_port_away() -> None:
    plan = FaultPlan()
    with line(pm(1), SimulatedSD(2), faults=plan) as (bus, host):
        plan.next_are(Fault.SILENT)
        assert host.hears_nothing(1, READ_SETPOINT)
        assert host.hears_nothing(1, READ_SETPOINT)
        assert host.says(2, bytes.fromhex("03 0011 0001"), bytes.fromhex("03 02 0001"))
        bus.power_on(1)
        assert host.says(1, READ_SETPOINT, SETPOINT_IS_75)
        plan.next_are(Fault.CLOSE)
        with pytest.raises(serial.SerialException):
            host.ask(1, READ_SETPOINT, SETPOINT_IS_75)


def test_an_sd_that_comes_back_saves_what_is_written_again() -> None:
    sd = SimulatedSD(2, setpoint=75.0)
    with line(sd) as (bus, host):
        saving = bytes.fromhex("06 0011 0000")
        assert host.says(2, saving, saving)
        setpoint = bytes.fromhex("10 001B 0002 04 0005 FB40")
        assert host.says(2, setpoint, setpoint[:5])
        assert (sd.get("setpoint"), sd.eeprom_writes) == (392.0, 0)
        bus.power_off(2)
        bus.power_on(2)
        assert host.says(2, bytes.fromhex("03 0011 0001"), bytes.fromhex("03 02 0001"))
        assert sd.get("setpoint") == 75.0


def test_a_standard_bus_client_on_the_same_line_is_not_disturbed() -> None:
    with line(1, pm(40, word_order=WordOrder.HIGH_LOW)) as (bus, host):
        with open_device(bus.port) as ctl:
            assert ctl.read_setpoint().value == 75.0
        assert host.says(40, READ_SETPOINT, bytes.fromhex("03 04 4296 0000"))
