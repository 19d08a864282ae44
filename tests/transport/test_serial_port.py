"""Ports that cannot be opened: error messages and types; adapters that change names."""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import serial

from watlowlib._internal.clock import Deadline
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowPortBusyError,
    WatlowPortNotFoundError,
    WatlowPortPermissionError,
)
from watlowlib.model import ProtocolKind
from watlowlib.simulator import SimulatedBus
from watlowlib.transport import descriptors
from watlowlib.transport.serial_port import SerialTransport, _open_error, _permission_hint
from watlowlib.transport.settings import SerialSettings


def test_missing_port() -> None:
    with pytest.raises(
        WatlowPortNotFoundError, match=r"no port '/dev/ttyUSB77'.*ports? "
    ) as caught:
        SerialTransport("/dev/ttyUSB77").open()
    assert isinstance(caught.value, FileNotFoundError)
    assert isinstance(caught.value, ConnectionError)


def test_port_used_by_another_program(bus: SimulatedBus) -> None:
    with serial.Serial(bus.port, exclusive=True):
        transport = SerialTransport(bus.port)
        with pytest.raises(WatlowPortBusyError, match="another program; close that one"):
            transport.open()
        assert not transport.is_open


def test_a_closed_port_can_be_opened_while_a_forked_child_still_has_it(bus: SimulatedBus) -> None:
    transport = SerialTransport(bus.port)
    transport.open()
    assert transport._fd is not None
    childs = os.dup(transport._fd)  # of the same open file, as a child has it
    try:
        transport.close()
        transport.open()
    finally:
        transport.close()
        os.close(childs)


def test_file_is_not_a_port(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a port")
    with pytest.raises(WatlowConnectionError, match="is not a working serial port"):
        SerialTransport(str(file)).open()


def test_unknown_url_scheme() -> None:
    with pytest.raises(WatlowConfigurationError, match="with this name and these settings"):
        SerialTransport("sockets://localhost:1").open()


def test_server_that_refuses_connections() -> None:
    with pytest.raises(WatlowConnectionError, match="could not be opened"):
        SerialTransport("socket://127.0.0.1:1").open()


# Errors that cannot be provoked here: root may open any port, and Windows has its own messages.
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
def test_system_error_becomes_a_typed_error(
    error: OSError, kind: type[WatlowConnectionError]
) -> None:
    assert type(_open_error("COM3", error)) is kind


def test_permission_hint_names_the_group_on_linux() -> None:
    assert "usermod -aG dialout" in _permission_hint("linux")
    assert "usermod" not in _permission_hint("win32")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open any port")
def test_port_without_permission(bus: SimulatedBus) -> None:
    Path(bus.port).chmod(0)
    with pytest.raises(WatlowPortPermissionError):
        SerialTransport(bus.port).open()


@pytest.mark.parametrize(
    "invalid",
    [
        {"baudrate": 12345},
        {"parity": "X"},
        {"parity": "mark"},
        {"bytesize": 9},
        {"stopbits": 3},
        {"rtscts": "yes"},
        {"xonxoff": 2},
        {"exclusive": None},
    ],
)
def test_invalid_settings_are_refused(invalid: dict[str, int]) -> None:
    with pytest.raises(WatlowConfigurationError, match="allowed are"):
        SerialSettings(**invalid)  # type: ignore[arg-type]


def test_settings_may_have_the_names_of_another_library() -> None:
    from watlowlib.transport import ByteSize, Parity, StopBits

    given = SerialSettings("COM3", bytesize=ByteSize.SEVEN, parity="even", stopbits=StopBits.TWO)
    assert given == SerialSettings(bytesize=7, parity="E", stopbits=2)
    assert SerialSettings(parity=Parity.ODD).parity == "O"
    assert SerialSettings.factory_for("modbus_rtu", port="COM3").baudrate == 9600
    with pytest.raises(WatlowConfigurationError, match="give a baud rate as baudrate="):
        SerialSettings(9600)  # type: ignore[arg-type]


@pytest.mark.parametrize("protocol", ["auto", ProtocolKind.AUTO, "rs485"])
def test_factory_settings_need_one_protocol(protocol: str) -> None:
    with pytest.raises(WatlowConfigurationError, match="give one of stdbus, modbus_rtu"):
        SerialSettings.factory_for(protocol)


def test_flow_control_and_sharing_are_applied(bus: SimulatedBus) -> None:
    settings = SerialSettings(rtscts=True, xonxoff=True, exclusive=False)
    first, second = SerialTransport(bus.port, settings), SerialTransport(bus.port, settings)
    try:
        for transport in (first, second):
            transport.open()
            assert transport._serial is not None
            assert (transport._serial.rtscts, transport._serial.xonxoff) == (True, True)
    finally:
        first.close()
        second.close()


def test_byte_time() -> None:
    assert SerialSettings().byte_time_s == pytest.approx(10 / 38400)
    assert SerialSettings(baudrate=9600, parity="E").byte_time_s == pytest.approx(11 / 9600)


@dataclass
class PortEntry:
    device: str
    serial_number: str | None
    vid: int | None = 0x0403
    pid: int | None = 0x6001
    location: str | None = "1-1.4"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device names do not change")
def test_moved_adapter_is_opened_under_its_new_name(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[PortEntry] = []
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: listed)
    with SimulatedBus([1]) as other:
        # A pty has no serial number; the faked list assigns one.
        listed[:] = [PortEntry(bus.port, "MINE"), PortEntry(other.port, "ANOTHER")]
        transport = SerialTransport(bus.port)
        transport.open()
        assert opened_device(transport) == bus.port
        transport.close()
        # The names are swapped: our old name now belongs to the other adapter.
        listed[:] = [PortEntry(bus.port, "ANOTHER"), PortEntry(other.port, "MINE")]
        transport.open()
        assert opened_device(transport) == other.port
        assert transport.port == bus.port
        transport.close()
        listed[:] = [PortEntry(bus.port, "ANOTHER")]
        with pytest.raises(
            WatlowPortNotFoundError, match="USB serial number MINE, is not connected"
        ):
            transport.open()
        assert not transport.is_open


def replug_after_opening(
    transport: SerialTransport, monkeypatch: pytest.MonkeyPatch, replug: Callable[[], None]
) -> None:
    """Call `replug` when the device of `transport` has just been opened."""
    opening = transport._open_device

    def open_device(device: str) -> serial.Serial:
        port = opening(device)
        replug()
        return port

    monkeypatch.setattr(transport, "_open_device", open_device)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device names do not change")
def test_another_adapter_behind_the_name_after_the_first_opening_is_not_taken_for_it(
    bus: SimulatedBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SimulatedBus([1]) as other:
        listed = [PortEntry(bus.port, "MINE"), PortEntry(other.port, "ANOTHER")]
        monkeypatch.setattr("serial.tools.list_ports.comports", lambda: listed)
        link = tmp_path / "line"
        link.symlink_to(bus.port)

        def replug() -> None:
            listed.clear()
            link.unlink()
            link.symlink_to(other.port)

        transport = SerialTransport(str(link))
        replug_after_opening(transport, monkeypatch, replug)
        with pytest.raises(WatlowConnectionError, match="was plugged out or in while"):
            transport.open()
        assert not transport.is_open
        assert not transport.has_adapter


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device names do not change")
def test_another_adapter_that_gets_the_name_before_a_later_opening_is_not_used(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [PortEntry(bus.port, "MINE")]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: listed)
    transport = SerialTransport(bus.port)
    transport.open()
    transport.close()

    def replug() -> None:
        listed[:] = [PortEntry(bus.port, "ANOTHER")]

    replug_after_opening(transport, monkeypatch, replug)
    with pytest.raises(WatlowConnectionError, match="was plugged out or in while"):
        transport.open()
    assert not transport.is_open
    with pytest.raises(WatlowPortNotFoundError, match="serial number MINE, is not connected"):
        transport.open()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="device names do not change")
def test_failure_to_list_ports_is_a_connection_error(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[PortEntry] = []

    def comports() -> list[PortEntry]:
        # The error of pyserial if any adapter's number has just vanished from /sys.
        return listed or [PortEntry("", "", vid=int(None, 16))]  # type: ignore[call-overload]

    monkeypatch.setattr("serial.tools.list_ports.comports", comports)
    transport = SerialTransport(bus.port)
    transport.open()
    assert transport._fd is not None
    transport.close()
    # The adapter could not be identified; the next opening tries again.
    listed[:] = [PortEntry(bus.port, "MINE")]
    transport.open()
    transport.close()
    listed.clear()
    with pytest.raises(WatlowConnectionError, match="cannot be listed just now"):
        transport.open()
    assert not transport.is_open
    with pytest.raises(WatlowPortNotFoundError, match="no port '/dev/ttyUSB77'.*cannot be listed"):
        SerialTransport("/dev/ttyUSB77").open()
    listed[:] = [PortEntry(bus.port, "MINE")]
    transport.open()
    transport.close()


def opened_device(transport: SerialTransport) -> str:
    assert transport._serial is not None
    return str(transport._serial.port)


def test_the_socket_of_a_reset_connection_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = SerialTransport(f"socket://127.0.0.1:{server.getsockname()[1]}")
        port.open()
        connection = port._serial._socket  # type: ignore[union-attr]
        peer, _ = server.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()  # with a linger time of 0 this resets the connection
        with pytest.raises(WatlowConnectionError):
            port.read(Deadline.after(5.0))
        assert connection.fileno() == -1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ptys of Linux have no parity")
def test_settings_that_the_port_refuses_are_reported() -> None:
    with SimulatedBus([1]) as bus:
        transport = SerialTransport(bus.port, SerialSettings(parity="E"))
        with pytest.raises(WatlowConfigurationError, match="with this name and these settings"):
            transport.open()


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    """A descriptor and the name of the port at the other end of its line."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_a_port_that_is_ready_without_data_is_lost(
    pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = SerialTransport(pty[1])
    transport.open()
    os.write(pty[0], b"x")
    read, ours = os.read, transport._fd
    monkeypatch.setattr(os, "read", lambda fd, size: b"" if fd == ours else read(fd, size))
    with pytest.raises(WatlowConnectionError, match="lost: it is ready, but has no data"):
        transport.read(Deadline.after(10.0))
    assert not transport.is_open


def test_a_driver_that_says_to_try_again_has_not_lost_the_port(
    pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [BlockingIOError(errno.EAGAIN, "try again")]
    read = os.read

    def read_later(fd: int, size: int) -> bytes:
        if fd == transport._fd and refusals:
            raise refusals.pop()
        return read(fd, size)

    transport = SerialTransport(pty[1])
    transport.open()
    monkeypatch.setattr(os, "read", read_later)
    os.write(pty[0], b"reply")
    assert transport.read(Deadline.after(10.0)) == b"reply"
    assert refusals == []
    transport.close()


@pytest.mark.parametrize("call", ["read", "write"])
def test_the_descriptor_stays_open_while_another_thread_uses_it(
    pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Otherwise a file that is opened meanwhile could get the number of the descriptor."""
    original = getattr(os, call)
    was_open = []

    def close_meanwhile(fd: int, argument: Any) -> Any:
        if fd == used and not was_open:
            closer.start()
            closer.join(0.3)
            was_open.append(os.isatty(fd))
        return original(fd, argument)

    transport = SerialTransport(pty[1])
    transport.open()
    used = transport._fd
    closer = threading.Thread(target=transport.close)
    monkeypatch.setattr(os, call, close_meanwhile)
    os.write(pty[0], b"reply")
    if call == "read":
        assert transport.read(Deadline.after(10.0)) == b"reply"
    else:
        transport.write(b"request")
    closer.join(10.0)
    assert was_open == [True]
    assert not transport.is_open
    assert not os.isatty(used)


def test_read_says_that_another_thread_closed_the_port(pty: tuple[int, str]) -> None:
    transport = SerialTransport(pty[1])
    transport.open()

    def close_meanwhile(milliseconds: int) -> bool:
        transport.close()
        return True

    transport._wait = close_meanwhile
    with pytest.raises(WatlowConnectionError, match="another thread closed it"):
        transport.read(Deadline.after(10.0))


@pytest.fixture(params=["poll", "select", "descriptor above 1023"])
def transport(
    pty: tuple[int, str], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[SerialTransport]:
    """An open port, once for each way to wait for its descriptor."""
    transport = SerialTransport(pty[1])
    if request.param == "select":  # as for a terminal on macOS
        monkeypatch.setattr(descriptors, "POLL", None)
    elif request.param != "poll":
        open_above_1023(pty[1], monkeypatch)
    transport.open()
    yield transport
    transport.close()


def open_above_1023(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next opening of `port` use a descriptor that `select` does not support."""
    import fcntl
    import resource

    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most <= 1024:
        pytest.skip("this user may not have so many descriptors")
    if 0 <= least <= 1024:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1025, most))
    original = os.open

    def open_above(path: str, *arguments: Any, **options: Any) -> int:
        fd = original(path, *arguments, **options)
        if path != port:
            return fd
        try:
            return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 1024)
        finally:
            os.close(fd)

    monkeypatch.setattr(os, "open", open_above)


def test_every_way_to_wait_for_a_port_gives_the_bytes_and_keeps_the_deadline(
    pty: tuple[int, str], transport: SerialTransport
) -> None:
    assert transport.read(Deadline(0.0)) == b""
    deadline = Deadline.after(0.0125)
    assert transport.read(deadline) == b""
    assert deadline.passed()
    os.write(pty[0], b"late")
    assert transport.read(Deadline.after(10.0)) == b"late"
    os.write(pty[0], b"stale")
    assert transport.read(Deadline(0.0)) == b"stale"
    transport.write(b"request")
    assert os.read(pty[0], 100) == b"request"


def test_a_part_of_a_write_that_the_driver_refuses_is_sent_later(
    pty: tuple[int, str], transport: SerialTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, accepted = os.write, [0, 3]

    def write_little(fd: int, data: bytes) -> int:
        size = accepted.pop() if accepted and fd == transport._fd else len(data)
        if not size:
            raise BlockingIOError(errno.EAGAIN, "not now")
        return write(fd, data[:size])

    monkeypatch.setattr(os, "write", write_little)
    transport.write(b"request")
    assert accepted == []
    received = b""
    while len(received) < len(b"request"):  # each part may arrive alone
        received += os.read(pty[0], 100)
    assert received == b"request"


def test_a_port_that_is_closed_while_the_rest_of_a_write_waits_is_lost(
    pty: tuple[int, str], transport: SerialTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, used = os.write, transport._fd

    def refuse(fd: int, data: bytes) -> int:
        if fd != used:
            return write(fd, data)
        if closer.ident is None:
            closer.start()
        raise BlockingIOError(errno.EAGAIN, "not now")

    closer = threading.Thread(target=transport.close)
    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(WatlowConnectionError, match="the port was lost"):
        transport.write(b"request")
    closer.join(10.0)
    assert not transport.is_open


def test_a_wait_in_whole_milliseconds_ends_exactly_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The silence between Modbus frames is 1.75 ms."""
    left_s, waited = [0.00175, 0.0007, 0.0], list[float]()
    deadline = Deadline(0.0)
    monkeypatch.setattr(Deadline, "left_s", lambda self: left_s.pop(0))
    monkeypatch.setattr(time, "sleep", lambda seconds: waited.append(seconds))
    assert not descriptors.is_ready_by(deadline, lambda ms: waited.append(ms))
    assert waited == [1, 0, 0.0007, 0]


def test_the_spy_of_pyserial_shows_all_bytes(
    pty: tuple[int, str], capsys: pytest.CaptureFixture[str]
) -> None:
    transport = SerialTransport(f"spy://{pty[1]}")
    transport.open()
    transport.write(b"request")
    os.write(pty[0], b"reply")
    assert transport.read(Deadline.after(10.0)) == b"reply"
    transport.close()
    assert re.findall("TX|RX", capsys.readouterr().err) == ["TX", "RX"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pty")
def test_port_unplugged_while_it_is_opened_is_lost(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    import termios

    configure = termios.tcsetattr

    def unplug_and_configure(*arguments: Any) -> None:
        bus.unplug()
        configure(*arguments)

    monkeypatch.setattr(termios, "tcsetattr", unplug_and_configure)
    transport = SerialTransport(bus.port)
    with pytest.raises(WatlowConnectionError, match="was lost.*check the cable"):
        transport.open()
    assert not transport.is_open
