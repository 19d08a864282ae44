"""One test suite for every transport, for the interface in `transport/base.py`."""

from __future__ import annotations

import os
import socket
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, TypeAlias

import pytest

from tests.rfc2217_server import Rfc2217Server
from watlowlib._internal.clock import Deadline
from watlowlib.errors import WatlowClosedError, WatlowConnectionError, WatlowTimeoutError
from watlowlib.transport.base import Transport
from watlowlib.transport.capture import CapturedTransport
from watlowlib.transport.capture_options import CaptureOptions
from watlowlib.transport.scripted import ScriptedTransport
from watlowlib.transport.serial_port import SerialTransport
from watlowlib.transport.tcp_port import TcpTransport

TIMEOUT_S = 10.0


class Peer(Protocol):
    """The other end of the line."""

    transport: Transport

    def send(self, data: bytes) -> None: ...
    def received(self, size: int) -> bytes: ...
    def stall(self) -> None:
        """Accept no more bytes."""

    def disconnect(self) -> None: ...


class ScriptedPeer:
    def __init__(self) -> None:
        self._fake = ScriptedTransport(lambda data: [])
        self.transport: Transport = self._fake

    def send(self, data: bytes) -> None:
        self._fake.feed(data)

    def received(self, size: int) -> bytes:
        return b"".join(self._fake.written)[-size:]

    def stall(self) -> None:
        pytest.skip("a scripted transport accepts every write")

    def disconnect(self) -> None:
        pytest.skip("a scripted transport does not lose its port")


class PtyPeer:
    def __init__(self) -> None:
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        self.transport: Transport = SerialTransport(os.ttyname(self._theirs))

    def send(self, data: bytes) -> None:
        os.write(self._ours, data)

    def received(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += os.read(self._ours, size - len(data))
        return data

    def stall(self) -> None:
        """Do nothing: nobody reads before `received`."""

    def disconnect(self) -> None:
        if self._ours >= 0:
            os.close(self._ours)
            os.close(self._theirs)
            self._ours = -1


class SocketPeer:
    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(TIMEOUT_S)
        number = self._listener.getsockname()[1]
        self.transport: Transport = SerialTransport(f"socket://127.0.0.1:{number}")
        self._client: socket.socket | None = None

    def _accepted(self) -> socket.socket:
        if self._client is None:
            self._client, _ = self._listener.accept()
            self._client.settimeout(TIMEOUT_S)
        return self._client

    def send(self, data: bytes) -> None:
        self._accepted().sendall(data)

    def received(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._accepted().recv(size - len(data))
        return data

    def stall(self) -> None:
        """Do nothing: nobody reads before `received`."""

    def disconnect(self) -> None:
        if self.transport.is_open:
            self._accepted().close()
        if self._client is not None:
            self._client.close()
        self._listener.close()


class TcpPeer(SocketPeer):
    """A Modbus TCP server whose frames may have any size."""

    def __init__(self) -> None:
        super().__init__()
        number = self._listener.getsockname()[1]
        self.transport = TcpTransport(f"tcp://127.0.0.1:{number}", len)


class Rfc2217Peer(PtyPeer):
    """A pty behind a serial device server."""

    def __init__(self) -> None:
        super().__init__()
        self._server = Rfc2217Server(self.transport.port)
        self._server.__enter__()
        self.transport = SerialTransport(self._server.url)
        self._serving = True

    def stall(self) -> None:
        self._server.stall()

    def disconnect(self) -> None:
        if self._serving:
            self._serving = False
            self._server.__exit__()
        super().disconnect()


class CapturedPeer(PtyPeer):
    """A pty whose port is captured."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        options = CaptureOptions(Path(self._folder.name) / "wire.jsonl")
        self.transport = CapturedTransport(self.transport, options)

    def disconnect(self) -> None:
        super().disconnect()
        if not self.transport.is_open:
            self._folder.cleanup()


PeerKind: TypeAlias = type[ScriptedPeer] | type[PtyPeer] | type[SocketPeer]
KINDS: dict[str, PeerKind] = {
    "scripted": ScriptedPeer,
    "pty": PtyPeer,
    "socket": SocketPeer,
    "tcp": TcpPeer,
    "rfc2217": Rfc2217Peer,
    "captured": CapturedPeer,
}


@contextmanager
def opened_peer(kind: PeerKind) -> Iterator[Peer]:
    peer = kind()
    try:
        peer.transport.open()
        yield peer
    finally:
        peer.transport.close()
        if kind is not ScriptedPeer:
            peer.disconnect()


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    with opened_peer(request.param) as opened:
        yield opened


def read_all(transport: Transport, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = transport.read(Deadline.after(TIMEOUT_S))
        assert more, "no data before the deadline"
        data += more
    return data


def test_written_data_arrives(peer: Peer) -> None:
    data = bytes(range(256)) * 4
    peer.transport.write(data)
    assert peer.received(len(data)) == data


def test_received_data_is_read(peer: Peer) -> None:
    data = bytes(range(256))
    peer.send(data)
    assert read_all(peer.transport, len(data)) == data


def test_read_returns_after_one_byte(peer: Peer) -> None:
    peer.send(b"\x55")
    assert peer.transport.read(Deadline.after(TIMEOUT_S)) == b"\x55"


def test_read_returns_nothing_at_the_deadline(peer: Peer) -> None:
    started_s = time.monotonic()
    assert peer.transport.read(Deadline.after(0.02)) == b""
    scripted = isinstance(peer.transport, ScriptedTransport)
    assert scripted or time.monotonic() - started_s >= 0.02


def test_read_after_the_deadline_returns_received_data(peer: Peer) -> None:
    assert peer.transport.read(Deadline(0.0)) == b""
    peer.send(b"late")
    first = peer.transport.read(Deadline.after(TIMEOUT_S))
    rest = b""
    while len(first + rest) < 4:
        rest += peer.transport.read(Deadline(0.0))
    assert first + rest == b"late"


def test_open_and_close_can_be_repeated(peer: Peer) -> None:
    peer.transport.open()
    peer.send(b"still the same port")
    assert read_all(peer.transport, 19) == b"still the same port"
    peer.transport.close()
    peer.transport.close()
    assert not peer.transport.is_open


def test_closed_port_raises(peer: Peer) -> None:
    peer.transport.close()
    with pytest.raises(WatlowClosedError):
        peer.transport.read(Deadline.after(TIMEOUT_S))
    with pytest.raises(WatlowClosedError):
        peer.transport.write(b"x")


def test_write_that_is_not_accepted_raises_and_keeps_the_port(peer: Peer) -> None:
    peer.stall()
    started_s = time.monotonic()
    with pytest.raises(WatlowTimeoutError, match="did not accept 67108864 bytes within 1 s"):
        peer.transport.write(bytes(1 << 26))
    assert time.monotonic() - started_s < TIMEOUT_S
    # A server would take the next request for the rest of this one.
    assert peer.transport.is_open is not isinstance(peer.transport, TcpTransport)


def test_lost_port_raises_and_is_closed(peer: Peer) -> None:
    peer.disconnect()
    with pytest.raises(WatlowConnectionError, match="lost"):
        peer.transport.read(Deadline.after(TIMEOUT_S))
    assert not peer.transport.is_open


def test_port_without_a_descriptor_is_read_in_slices() -> None:
    # pyserial's loop:// returns what is written and, like a port on Windows, has no fileno.
    transport = SerialTransport("loop://")
    transport.open()
    started_s = time.monotonic()
    assert transport.read(Deadline.after(0.03)) == b""
    assert time.monotonic() - started_s >= 0.03
    waited: list[int] = []
    assert transport._serial is not None
    transport._serial.read = waited.append  # type: ignore[method-assign, assignment]
    assert transport.read(Deadline(0.0)) == b""
    assert waited == []  # nothing received and the deadline passed: no blocking read
    del transport._serial.read
    transport.write(b"around")
    assert read_all(transport, 6) == b"around"
    transport.close()
