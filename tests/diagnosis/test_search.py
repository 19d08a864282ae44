"""Checks of what a search has found."""

from __future__ import annotations

from watlowlib.devices.discovery import Probe
from watlowlib.diagnosis.findings import Result
from watlowlib.diagnosis.search import Tried, check_addresses, check_line, controllers
from watlowlib.model import DeviceInfo, ProtocolKind
from watlowlib.transport.settings import SerialSettings

PORT = "/dev/ttyUSB77"
STDBUS, MODBUS = ProtocolKind.STDBUS, ProtocolKind.MODBUS_RTU


def found(address: int, protocol: ProtocolKind = STDBUS, baudrate: int = 38400) -> Tried:
    info = DeviceInfo(address, protocol)
    return Tried(Probe(PORT, protocol, baudrate, address, info), "N")


def missing(address: int | None, *, garbled: bool = False, reason: str = "no reply") -> Tried:
    return Tried(Probe(PORT, STDBUS, 38400, address, reason=reason, garbled=garbled), "N")


def test_the_settings_that_reply_are_named() -> None:
    (finding,) = check_line(PORT, [found(1), missing(2), found(3)])
    assert finding.result is Result.OK
    assert finding.found.startswith("stdbus at 38400 baud, parity N")
    assert finding.found.endswith("address 1, 3")


def test_controllers_with_different_settings_are_a_warning() -> None:
    findings = list(check_line(PORT, [found(1), found(2, MODBUS, 9600), found(3, MODBUS, 19200)]))
    assert [each.result for each in findings] == [Result.OK] * 3 + [Result.WARNING]
    assert "3 different settings" in findings[-1].found


def test_a_port_without_a_baud_rate_is_no_warning() -> None:
    tried = [found(1, MODBUS, rate) for rate in (9600, 19200, 38400)]
    good, note = check_line(PORT, tried)
    assert good.found.startswith("modbus_rtu at 9600 baud")
    assert note.result is Result.UNKNOWN
    assert "does not apply the rate" in note.found
    assert controllers([*tried, missing(2)]) == tried[:1]


def test_silence_garbled_bytes_and_a_failed_port_are_told_apart() -> None:
    (silent,) = check_line(PORT, [missing(1), missing(2)])
    (garbled,) = check_line(PORT, [missing(1, garbled=True), missing(2)])
    (failed,) = check_line(PORT, [missing(None, reason="the port was lost")])
    assert {each.result for each in (silent, garbled, failed)} == {Result.PROBLEM}
    assert "no reply to any of 2 requests" in silent.found
    assert "stdbus at 38400 baud, parity N: 1" in garbled.found
    assert "baud rate, parity or protocol" in garbled.advice
    assert failed.found == "the port was lost"


def test_garbled_replies_at_one_address_suggest_two_controllers() -> None:
    (finding,) = check_addresses(PORT, [found(1), missing(2, garbled=True), missing(3)], {})
    assert finding.subject == f"{PORT}, address 2"
    assert "two controllers may have this address" in finding.advice
    # Where no controller replies at all, `check_line` reports it.
    assert list(check_addresses(PORT, [missing(2, garbled=True)], {})) == []


def test_controllers_of_the_rig_file_are_compared() -> None:
    declared = {
        1: {"name": "fits", "protocol": STDBUS},
        2: {"name": "gone", "protocol": STDBUS},
        3: {"name": "moved", "protocol": MODBUS, "serial_settings": SerialSettings(baudrate=9600)},
        4: {"name": "any", "protocol": ProtocolKind.AUTO},
    }
    tried = [found(1), missing(2), found(3, MODBUS, 19200), found(4)]
    gone, moved = check_addresses(PORT, tried, declared)
    assert gone.found == "gone of the rig file does not reply"
    assert moved.found.startswith("moved replies on modbus_rtu at 19200 baud")
    assert "the rig file says modbus_rtu at 9600 baud" in moved.found
