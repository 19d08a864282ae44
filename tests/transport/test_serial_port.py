"""Ports that cannot be opened: what the message says, and what kind of error it is."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import serial

from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowPortBusyError,
    WatlowPortNotFoundError,
    WatlowPortPermissionError,
)
from watlowlib.model import SerialSettings
from watlowlib.simulator import SimulatedBus
from watlowlib.transport.serial_port import SerialTransport, _explained, _permission_hint


def test_a_port_that_is_not_there() -> None:
    with pytest.raises(
        WatlowPortNotFoundError, match=r"no port '/dev/ttyUSB77'.*ports? "
    ) as caught:
        SerialTransport("/dev/ttyUSB77").open()
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, ConnectionError)


def test_a_port_that_another_program_has(bus: SimulatedBus) -> None:
    with serial.Serial(bus.port, exclusive=True):
        transport = SerialTransport(bus.port)
        with pytest.raises(WatlowPortBusyError, match="another program; close that one"):
            transport.open()
        assert not transport.is_open


def test_a_file_is_no_port(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a port")
    with pytest.raises(WatlowConnectionError, match="is no working serial port"):
        SerialTransport(str(file)).open()


def test_a_url_nobody_knows() -> None:
    with pytest.raises(WatlowConfigurationError, match="as it was named"):
        SerialTransport("sockets://localhost:1").open()


def test_a_server_that_does_not_listen() -> None:
    with pytest.raises(WatlowConnectionError, match="could not be opened"):
        SerialTransport("socket://127.0.0.1:1").open()


# What cannot be had here as it is: root may open anything, and Windows words it its own way.
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (serial.SerialException(errno.EACCES, "Permission denied"), WatlowPortPermissionError),
        (
            serial.SerialException(
                "could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)"
            ),
            WatlowPortBusyError,
        ),
        (
            serial.SerialException(
                "could not open port 'COM9': FileNotFoundError(2, 'The system cannot ...', None, 2)"
            ),
            WatlowPortNotFoundError,
        ),
    ],
)
def test_what_the_system_says_becomes_what_to_do(
    error: OSError, kind: type[WatlowConnectionError]
) -> None:
    assert type(_explained("COM3", error)) is kind


def test_linux_users_are_told_the_group() -> None:
    assert "usermod -aG dialout" in _permission_hint("linux")
    assert "usermod" not in _permission_hint("win32")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open any port")
def test_a_port_one_may_not_open(bus: SimulatedBus) -> None:
    Path(bus.port).chmod(0)
    with pytest.raises(WatlowPortPermissionError):
        SerialTransport(bus.port).open()


@pytest.mark.parametrize(
    "wrong", [{"baudrate": 12345}, {"parity": "X"}, {"bytesize": 9}, {"stopbits": 3}]
)
def test_settings_no_line_has(wrong: dict[str, int]) -> None:
    with pytest.raises(WatlowConfigurationError, match="allowed are"):
        SerialSettings(**wrong)  # type: ignore[arg-type]


def test_how_long_a_byte_takes() -> None:
    assert SerialSettings().byte_time_s == pytest.approx(10 / 38400)
    assert SerialSettings(9600, 8, "E", 1).byte_time_s == pytest.approx(11 / 9600)


@dataclass
class Listed:
    device: str
    serial_number: str | None
    vid: int | None = 0x0403
    pid: int | None = 0x6001
    location: str | None = "1-1.4"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are not handed out anew")
def test_an_adapter_that_has_moved_is_opened_where_it_is(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[Listed] = []
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: listed)
    with SimulatedBus([1]) as other:
        # A pty has no serial number; the list, which cannot be had without adapters, gives it one.
        listed[:] = [Listed(bus.port, "MINE"), Listed(other.port, "ANOTHER")]
        transport = SerialTransport(bus.port)
        transport.open()
        assert opened(transport) == bus.port
        transport.close()
        # The names have been swapped: what has our name now is not ours.
        listed[:] = [Listed(bus.port, "ANOTHER"), Listed(other.port, "MINE")]
        transport.open()
        assert opened(transport) == other.port
        assert transport.port == bus.port
        transport.close()
        listed[:] = [Listed(bus.port, "ANOTHER")]
        with pytest.raises(WatlowPortNotFoundError, match="USB serial number MINE, is not there"):
            transport.open()
        assert not transport.is_open


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names are not handed out anew")
def test_an_adapter_that_vanishes_while_ports_are_listed_is_a_port_that_is_not_there(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[Listed] = []

    def comports() -> list[Listed]:
        # What pyserial makes of an adapter, of anybody's, whose number has just gone from /sys.
        return listed or [Listed("", "", vid=int(None, 16))]  # type: ignore[call-overload]

    monkeypatch.setattr("serial.tools.list_ports.comports", comports)
    transport = SerialTransport(bus.port)
    transport.open()
    assert transport._fd is not None
    transport.close()
    # It could not be told then which adapter it is; it is looked at again.
    listed[:] = [Listed(bus.port, "MINE")]
    transport.open()
    transport.close()
    listed.clear()
    with pytest.raises(WatlowConnectionError, match="cannot be listed just now"):
        transport.open()
    assert not transport.is_open
    with pytest.raises(WatlowPortNotFoundError, match="no port '/dev/ttyUSB77'.*cannot be listed"):
        SerialTransport("/dev/ttyUSB77").open()
    listed[:] = [Listed(bus.port, "MINE")]
    transport.open()
    transport.close()


def opened(transport: SerialTransport) -> str:
    assert transport._serial is not None
    return str(transport._serial.port)
