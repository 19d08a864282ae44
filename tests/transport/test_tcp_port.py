"""Connections to Modbus TCP servers: URLs, frames, and reasons why there is no connection."""

from __future__ import annotations

import errno
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from watlowlib._internal.clock import Deadline
from watlowlib.errors import WatlowConfigurationError, WatlowConnectionError, WatlowTimeoutError
from watlowlib.protocol.exchange import RetryPolicy
from watlowlib.protocol.modbus.mbap import whole_size
from watlowlib.protocol.modbus.tcp_client import ModbusTcpClient
from watlowlib.protocol.port import Port
from watlowlib.transport import tcp_port
from watlowlib.transport.tcp_port import LOST_MS, TcpTransport
from watlowlib.transport.urls import server_of, tcp_hint

TIMEOUT_S = 10.0
FRAME = bytes.fromhex("00020000000701030400004296")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(TIMEOUT_S)
        yield made


@pytest.fixture
def transport(listener: socket.socket) -> Iterator[TcpTransport]:
    made = TcpTransport(f"tcp://127.0.0.1:{listener.getsockname()[1]}", whole_size)
    yield made
    made.close()


@pytest.fixture
def server(listener: socket.socket, transport: TcpTransport) -> Iterator[socket.socket]:
    transport.open()
    accepted, _ = listener.accept()
    with accepted:
        yield accepted


@pytest.mark.parametrize(
    ("port", "url"),
    [
        ("tcp://gateway.lab", "tcp://gateway.lab:502"),
        ("TCP://Gateway.LAB:502/", "tcp://gateway.lab:502"),
        ("tcp://10.0.0.5:1502", "tcp://10.0.0.5:1502"),
        ("tcp://[FE80::1]", "tcp://[fe80::1]:502"),
        ("tcp://[fd00:0:0::0:2]:1502", "tcp://[fd00::2]:1502"),
        ("tcp://[fe80:0::1%25eth0]", "tcp://[fe80::1%eth0]:502"),
        ("tcp://[fe80::1%25]", "tcp://[fe80::1%25]:502"),
    ],
)
def test_all_spellings_of_a_server_are_one(port: str, url: str) -> None:
    assert server_of(port).url == url
    assert server_of(url) == server_of(port)


@pytest.mark.parametrize(
    "port",
    ["tcp://", "tcp://:502", "tcp://host:0", "tcp://host:70000", "tcp://host:modbus",
     "tcp://host/1", "tcp://host?unit=1", "tcp://me@host", "tcp://[::1", "tcp://fd00::2"],
)  # fmt: skip
def test_a_url_that_names_no_server_is_refused(port: str) -> None:
    expected = r"give tcp://host or tcp://host:port, .* such as tcp://\[fd00::2\]"
    with pytest.raises(WatlowConfigurationError, match=expected):
        server_of(port)


@pytest.mark.parametrize(
    ("port", "hint"),
    [
        ("socket://gateway:502", "for a Modbus TCP server give 'tcp://gateway'"),
        ("socket://[::1]:502/", r"give 'tcp://\[::1\]'"),
        ("socket://gateway:4001", "^$"),
        ("rfc2217://gateway:502", "^$"),
        ("/dev/ttyUSB0", "^$"),
    ],
)
def test_the_port_of_modbus_tcp_as_a_serial_line_has_a_hint(port: str, hint: str) -> None:
    import re

    assert re.search(hint, tcp_hint(port))


def test_a_frame_in_pieces_is_read_whole(server: socket.socket, transport: TcpTransport) -> None:
    server.sendall(FRAME + FRAME[:5])
    assert transport.read(Deadline.after(TIMEOUT_S)) == FRAME
    assert transport.read(Deadline.after(0.01)) == b""
    assert transport.partial == FRAME[:5]
    server.sendall(FRAME[5:])
    assert transport.read(Deadline.after(TIMEOUT_S)) == FRAME


def test_bytes_that_are_no_frame_close_the_connection(
    server: socket.socket, transport: TcpTransport
) -> None:
    server.sendall(b"login: ")
    with pytest.raises(WatlowConnectionError, match="6c 6f 67 69 .*give 'socket://127.0.0.1:") as e:
        transport.read(Deadline.after(TIMEOUT_S))
    assert e.value.context.reply == b"login: "
    assert not transport.is_open
    assert server.recv(1) == b""


def test_a_server_that_closes_at_once_may_have_another_client(
    server: socket.socket, transport: TcpTransport
) -> None:
    server.close()
    with pytest.raises(WatlowConnectionError, match="is another program .* one client at a time"):
        transport.read(Deadline.after(TIMEOUT_S))
    assert not transport.is_open


def test_a_server_that_closes_later_is_lost(server: socket.socket, transport: TcpTransport) -> None:
    server.sendall(FRAME)
    assert transport.read(Deadline.after(TIMEOUT_S)) == FRAME
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    with pytest.raises(WatlowConnectionError, match="connection was lost: .*; check the network"):
        transport.read(Deadline.after(TIMEOUT_S))


class EmptyOnce:
    """A connection whose first call of `recv` finds nothing."""

    def __init__(self, connection: socket.socket) -> None:
        self.calls = 0
        self._connection = connection

    def recv(self, size: int) -> bytes:
        self.calls += 1
        if self.calls == 1:
            raise BlockingIOError
        return self._connection.recv(size)


def test_a_wait_that_ended_with_nothing_is_repeated(
    server: socket.socket, transport: TcpTransport
) -> None:
    assert transport._socket is not None
    empty = EmptyOnce(transport._socket)
    server.sendall(FRAME)
    assert transport._receive(empty, Deadline.after(TIMEOUT_S)) == FRAME  # type: ignore[arg-type]
    server.sendall(FRAME)
    empty.calls = 0
    assert transport._receive(empty, Deadline(0.0)) == b""  # type: ignore[arg-type]
    assert empty.calls == 1


class BrokenSocket:
    """A connection on which every call fails with `error`, after the first three bytes sent."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.closed = False

    def send(self, data: bytes) -> int:
        return len(data[:3])

    def sendall(self, data: bytes) -> None:
        raise self.error

    def recv(self, size: int) -> bytes:
        raise self.error

    def settimeout(self, seconds: float) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(errno.ETIMEDOUT, "Connection timed out"), WatlowConnectionError),
        (TimeoutError("timed out"), WatlowTimeoutError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_the_connection_is_closed_after_a_part_of_a_request(
    transport: TcpTransport, error: BaseException, raised: type[BaseException]
) -> None:
    broken = transport._socket = BrokenSocket(error)  # type: ignore[assignment]
    with pytest.raises(raised):
        transport.write(FRAME)
    assert not transport.is_open
    assert broken.closed  # type: ignore[attr-defined]


def test_bytes_that_are_never_acknowledged_lose_the_connection(
    server: socket.socket, transport: TcpTransport
) -> None:
    assert transport._socket is not None
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # on Linux, which repeats them for 15 minutes
        option = transport._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert option == LOST_MS
    transport.close()
    error = OSError(errno.ETIMEDOUT, "Connection timed out")
    transport._socket = BrokenSocket(error)  # type: ignore[assignment]
    with pytest.raises(WatlowConnectionError, match="was lost: .*timed out"):
        transport.read(Deadline(0.0))
    assert not transport.is_open


def test_a_refused_connection_says_so(listener: socket.socket, transport: TcpTransport) -> None:
    listener.close()
    with pytest.raises(WatlowConnectionError, match="refuses connections; is Modbus TCP enabled"):
        transport.open()
    assert not transport.is_open


@pytest.mark.parametrize("name", ["no-such.invalid", "a" * 70 + ".lab", "x..y"])
def test_a_name_that_does_not_exist_says_so(name: str) -> None:
    with pytest.raises(WatlowConnectionError, match="no server has the name"):
        TcpTransport(f"tcp://{name}", whole_size).open()


def test_a_look_up_that_takes_too_long_ends_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer, looked_up = threading.Event(), []
    monkeypatch.setattr(tcp_port, "CONNECT_S", 0.05)

    def look_up(host: str, number: int, flags: int = 0) -> list[object]:
        if flags:
            raise socket.gaierror
        looked_up.append(host)
        answer.wait(TIMEOUT_S)
        return []

    monkeypatch.setattr(tcp_port, "_look_up", look_up)
    transport = TcpTransport("tcp://gateway.lab", whole_size)
    for _ in range(3):
        with pytest.raises(WatlowConnectionError, match="was not found within"):
            transport.open()
    assert looked_up == ["gateway.lab"]  # the others wait for the same answer
    answer.set()


def test_the_second_address_is_tried_after_the_first(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = listener.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as closed:
        other = closed.getsockname()[1]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", n)) for n in (other, number)]
    monkeypatch.setattr(tcp_port, "_look_up", lambda *arguments: found)
    transport = TcpTransport("tcp://gateway.lab", whole_size)
    transport.open()
    assert transport.is_open
    transport.close()


@pytest.fixture
def on_ipv6() -> Iterator[socket.socket]:
    try:
        made = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with made:
        made.settimeout(TIMEOUT_S)
        yield made


def test_a_server_on_ipv6_is_connected(on_ipv6: socket.socket) -> None:
    transport = TcpTransport(f"tcp://[0::1]:{on_ipv6.getsockname()[1]}", whole_size)
    transport.open()
    accepted, _ = on_ipv6.accept()
    with accepted:
        accepted.sendall(FRAME)
        assert transport.read(Deadline.after(TIMEOUT_S)) == FRAME
    transport.close()
    on_ipv6.close()
    with pytest.raises(WatlowConnectionError, match="::1 port .* refuses connections"):
        transport.open()


@pytest.mark.parametrize(
    ("host", "hint"),
    [
        ("fe80::1", r"needs the network interface behind it, such as 'tcp://\[fe80::1%eth0\]'"),
        ("fe80::1%nope", "is 'nope' a network interface of this machine?"),
    ],
)
def test_a_link_local_address_needs_its_interface(
    on_ipv6: socket.socket, host: str, hint: str
) -> None:
    with pytest.raises(WatlowConnectionError, match=hint):
        TcpTransport(f"tcp://[{host}]", whole_size).open()


def test_an_address_whose_socket_cannot_be_made_is_left_out(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = (socket.AF_INET, socket.SOCK_STREAM, 0, "", listener.getsockname())
    without_ipv6 = (9999, socket.SOCK_STREAM, 0, "", ("::1", 502, 0, 0))
    found = [without_ipv6, good]
    monkeypatch.setattr(tcp_port, "_look_up", lambda *arguments: found)
    transport = TcpTransport("tcp://gateway.lab", whole_size)
    transport.open()
    assert transport.is_open
    transport.close()
    listener.close()
    found.reverse()
    with pytest.raises(WatlowConnectionError, match="refuses connections"):
        transport.open()  # not the error of the last address, which says less
    found.remove(good)
    with pytest.raises(WatlowConnectionError, match="cannot be connected"):
        transport.open()


def test_an_incomplete_reply_closes_the_connection(
    server: socket.socket, transport: TcpTransport
) -> None:
    client = ModbusTcpClient(Port(transport, quiet_s=0.0))
    server.sendall(FRAME[:-1])
    deadline = Deadline.after(TIMEOUT_S)
    while not transport.partial:
        assert transport.read(Deadline.after(0.01)) == b""
        assert not deadline.passed()
    with pytest.raises(
        WatlowTimeoutError, match="the reply is incomplete, 12 bytes; .* closed"
    ) as e:
        client.read(1, 360, 2, RetryPolicy(0.01, 0))
    assert e.value.context.reply == FRAME[:-1]
    assert not transport.is_open
