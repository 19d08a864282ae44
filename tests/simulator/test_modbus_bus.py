"""Modbus slaves on a simulated line over plain pyserial: bytes and their timing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import serial

from watlowlib import open_device
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ProtocolKind, WordOrder
from watlowlib.protocol.modbus.frames import RtuDecoder, RtuFrame, reply_sizes
from watlowlib.simulator import (
    Fault,
    FaultPlan,
    SimulatedBus,
    SimulatedController,
    SimulatedSD,
    Write,
)
from watlowlib.simulator.timed_line import TimedLine
from watlowlib.transport.settings import SerialSettings

TIMEOUT_S = 20.0
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


class Master:
    """A Modbus master that sends and compares plain bytes."""

    def __init__(self, port: serial.Serial) -> None:
        self.port = port

    def request(self, slave: int, payload: bytes, expected: bytes) -> bytes:
        """Return the reply to one request, at most as long as the expected one."""
        self.port.write(RtuFrame(slave, payload).raw)
        return self.port.read(len(expected) + 3)

    def replies(self, slave: int, payload: bytes, expected: bytes) -> bool:
        return self.request(slave, payload, expected) == RtuFrame(slave, expected).raw

    def no_reply(self, slave: int, payload: bytes) -> bool:
        self.port.timeout = 0.05
        silent = self.request(slave, payload, b"") == b""
        self.port.timeout = TIMEOUT_S
        return silent


@contextmanager
def line(*controllers: object, **settings: object) -> Iterator[tuple[SimulatedBus, Master]]:
    settings = {"baudrate": None, "turnaround_s": 0.0} | settings
    with SimulatedBus(controllers, **settings) as bus:  # type: ignore[arg-type]
        with serial.serial_for_url(bus.port, timeout=TIMEOUT_S) as port:
            yield bus, Master(port)


@pytest.mark.parametrize("transport", ["pty", "tcp"])
def test_a_read_gets_its_reply(transport: str) -> None:
    with line(pm(247), transport=transport) as (_, master):
        assert master.replies(247, READ_SETPOINT, SETPOINT_IS_75)


def test_each_slave_replies_with_its_own_values() -> None:
    slaves = [pm(40), pm(41, data_map=2, setpoint=392.0), SimulatedSD(42, setpoint=392.0)]
    with line(*slaves) as (_, master):
        assert master.replies(40, READ_SETPOINT, SETPOINT_IS_75)
        assert master.replies(41, bytes.fromhex("03 0A50 0002"), SETPOINT_IS_392)
        # 392000 thousandths, high word first.
        assert master.replies(42, bytes.fromhex("03 001B 0002"), bytes.fromhex("03 04 0005 FB40"))
        assert master.no_reply(43, READ_SETPOINT)
        assert master.replies(40, b"\x07", b"\x87\x01")


def test_all_slaves_carry_out_a_broadcast_without_reply() -> None:
    slaves = [pm(1), pm(2), SimulatedController(3)]
    with line(*slaves) as (_, master):
        assert master.no_reply(0, WRITE_392)
        assert master.no_reply(0, READ_SETPOINT)
        assert master.replies(2, READ_SETPOINT, SETPOINT_IS_392)
    assert [each.writes for each in slaves] == [[Write(7001, 1, 392.0)]] * 2 + [[]]


def test_both_protocols_on_one_line() -> None:
    # The Modbus unit has the same Standard Bus address, but does not use it.
    with line(pm(40), SimulatedController(1, setpoint=392.0)) as (_, master):
        for _ in range(3):
            master.port.write(STDBUS_READ)
            assert master.port.read(21) == STDBUS_392
            assert master.replies(40, READ_SETPOINT, SETPOINT_IS_75)


def test_the_protocol_of_a_controller_can_be_changed() -> None:
    unit = SimulatedController(1, setpoint=392.0)
    with line(unit) as (_, master):
        assert master.no_reply(1, READ_SETPOINT)
        unit.set("protocol", 1057)
        assert master.replies(1, READ_SETPOINT, SETPOINT_IS_392)
        # Back to Standard Bus, over the line: register 2492.
        assert master.replies(1, bytes.fromhex("06 09BC 0506"), bytes.fromhex("06 09BC 0506"))
        assert master.no_reply(1, READ_SETPOINT)
        master.port.write(STDBUS_READ)
        assert master.port.read(21) == STDBUS_392


def test_a_new_address_applies_at_once() -> None:
    with line(pm(1)) as (bus, master):
        # Register 2482; the reply to the write has the old address.
        assert master.replies(1, bytes.fromhex("06 09B2 0063"), bytes.fromhex("06 09B2 0063"))
        assert master.no_reply(1, READ_SETPOINT)
        assert master.replies(99, READ_SETPOINT, SETPOINT_IS_75)
        bus.power_off(99)
        assert master.no_reply(99, READ_SETPOINT)
        bus.power_on(99)
        assert master.replies(99, READ_SETPOINT, SETPOINT_IS_75)


def test_an_address_is_unique_on_the_line() -> None:
    with pytest.raises(WatlowConfigurationError, match="address 7 is given twice"):
        SimulatedBus([SimulatedController(7), SimulatedSD(7)])
    with pytest.raises(WatlowConfigurationError, match="address=5: no controller has this address"):
        SimulatedBus([SimulatedSD(7)]).power_off(5)


def test_a_partial_request_does_not_block_the_line() -> None:
    with line(pm(1)) as (_, master):
        master.port.write(RtuFrame(1, WRITE_392).raw[:-3])
        assert master.replies(1, READ_SETPOINT, SETPOINT_IS_75)


def test_a_float_read_at_9600_baud_takes_the_time_of_17_bytes() -> None:
    timed_line = TimedLine(SerialSettings(baudrate=9600).byte_time_s)
    request, reply = RtuFrame(1, READ_SETPOINT).raw, RtuFrame(1, SETPOINT_IS_75).raw
    complete_s = timed_line.request(100.0, request)
    assert complete_s is not None
    assert timed_line.reply(complete_s, reply) - 100.0 == pytest.approx(0.0177, abs=0.0001)


def test_a_silence_precedes_the_reply() -> None:
    with line(pm(1), baudrate=9600) as (bus, master):
        silences = []
        original = bus.wire.reply

        def recording_reply(start_s: float, data: bytes) -> float:
            silences.append(start_s - bus.wire._request_end_s)
            return original(start_s, data)

        bus.wire.reply = recording_reply  # type: ignore[method-assign]
        assert master.replies(1, READ_SETPOINT, SETPOINT_IS_75)
        # 3.5 characters at 9600 baud.
        assert silences == [pytest.approx(0.003646, abs=0.00001)]


def test_a_garbled_line_returns_bytes_but_no_frame() -> None:
    unit = pm(1)
    with line(unit, garbled=True) as (_, master):
        for payload in (READ_SETPOINT, WRITE_392):
            request = RtuFrame(1, payload).raw
            master.port.write(request)
            assert RtuDecoder(reply_sizes).feed(master.port.read(len(request))) == []
    assert unit.register_writes == []


def received(bus: SimulatedBus, master: Master, fault: Fault) -> bytes:
    """Return the bytes that arrive before the next correct reply."""
    bus.faults.next_are(fault, None)
    master.port.write(RtuFrame(1, READ_SETPOINT).raw)
    while not bus.faults.happened[fault]:
        pass
    end = RtuFrame(1, bytes.fromhex("03 02 001C")).raw
    master.port.write(RtuFrame(1, bytes.fromhex("03 0000 0001")).raw)
    data = master.port.read_until(end)
    assert data.endswith(end)
    return data[: -len(end)]


def test_faults_apply_to_modbus_replies() -> None:
    reply, request = RtuFrame(1, SETPOINT_IS_75).raw, RtuFrame(1, READ_SETPOINT).raw
    with line(pm(1), faults=FaultPlan(delay_s=0.0, late_s=0.01, seed=3)) as (bus, master):
        assert received(bus, master, Fault.DROP) == b""
        assert received(bus, master, Fault.DELAY) == reply
        assert received(bus, master, Fault.LATE) == reply
        assert received(bus, master, Fault.DUPLICATE) == reply * 2
        assert received(bus, master, Fault.ECHO) == request + reply
        assert received(bus, master, Fault.NOISE).endswith(reply)
        assert reply.startswith(received(bus, master, Fault.TRUNCATE))
        corrupt = received(bus, master, Fault.CORRUPT)
        assert (len(corrupt), corrupt == reply) == (len(reply), False)
        foreign = received(bus, master, Fault.FOREIGN)
        assert RtuDecoder(reply_sizes).feed(foreign)[0].raw == foreign != reply


def test_silent_and_close_faults() -> None:
    plan = FaultPlan()
    with line(pm(1), SimulatedSD(2), faults=plan) as (bus, master):
        plan.next_are(Fault.SILENT)
        assert master.no_reply(1, READ_SETPOINT)
        assert master.no_reply(1, READ_SETPOINT)
        assert master.replies(2, bytes.fromhex("03 0011 0001"), bytes.fromhex("03 02 0001"))
        bus.power_on(1)
        assert master.replies(1, READ_SETPOINT, SETPOINT_IS_75)
        plan.next_are(Fault.CLOSE)
        with pytest.raises(serial.SerialException):
            master.request(1, READ_SETPOINT, SETPOINT_IS_75)


def test_an_sd_saves_writes_again_after_power_on() -> None:
    sd = SimulatedSD(2, setpoint=75.0)
    with line(sd) as (bus, master):
        saving = bytes.fromhex("06 0011 0000")
        assert master.replies(2, saving, saving)
        setpoint = bytes.fromhex("10 001B 0002 04 0005 FB40")
        assert master.replies(2, setpoint, setpoint[:5])
        assert (sd.get("setpoint"), sd.eeprom_writes) == (392.0, 0)
        bus.power_off(2)
        bus.power_on(2)
        assert master.replies(2, bytes.fromhex("03 0011 0001"), bytes.fromhex("03 02 0001"))
        assert sd.get("setpoint") == 75.0


def test_a_standard_bus_client_works_beside_modbus() -> None:
    with line(1, pm(40, word_order=WordOrder.HIGH_LOW)) as (bus, master):
        with open_device(bus.port) as ctl:
            assert ctl.read_setpoint().value == 75.0
        assert master.replies(40, READ_SETPOINT, bytes.fromhex("03 04 4296 0000"))
