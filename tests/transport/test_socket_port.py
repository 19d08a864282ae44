"""`socket://`, with a descriptor that `select` supports, and with one that it does not."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from watlowlib._internal.clock import Deadline
from watlowlib.errors import WatlowConnectionError, WatlowTimeoutError
from watlowlib.transport.descriptors import POLL
from watlowlib.transport.serial_port import SerialTransport


class Connected(NamedTuple):
    """A transport and the connection of its server."""

    transport: SerialTransport
    server: socket.socket


@pytest.fixture(params=[False, True], ids=["usual", "above 1023"])
def connected(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connected]:
    if request.param:
        if POLL is None:
            pytest.skip("here select waits, and refuses no descriptor, or there is no other way")
        monkeypatch.setattr(select, "select", _refuse)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = SerialTransport(f"socket://127.0.0.1:{listener.getsockname()[1]}")
        transport.open()
        connection, _ = listener.accept()
        with connection:
            yield Connected(transport, connection)
            transport.close()


def _refuse(*arguments: object) -> Any:
    raise ValueError("filedescriptor out of range in select()")


def test_bytes_arrive_in_both_directions_and_deadlines_are_kept(connected: Connected) -> None:
    transport = connected.transport
    assert transport.read(Deadline.after(0.0)) == b""
    connected.server.sendall(b"reply")
    assert transport.read(Deadline.after(10.0)) == b"reply"
    transport.write(b"request")
    assert connected.server.recv(100) == b"request"


def test_connection_that_the_server_closes_is_lost(connected: Connected) -> None:
    connected.server.close()
    with pytest.raises(WatlowConnectionError, match="the server closed the connection"):
        connected.transport.read(Deadline.after(10.0))
    assert not connected.transport.is_open


def test_large_write_is_sent_in_parts(connected: Connected) -> None:
    sent: Callable[..., int] = connected.transport._serial._socket.send  # type: ignore[union-attr]
    sizes: list[int] = []

    class Slow:
        """A socket that accepts nothing at first, then 3 bytes at a time."""

        fileno = connected.transport._serial._socket.fileno  # type: ignore[union-attr]

        def send(self, data: memoryview) -> int:
            sizes.append(len(data))
            if len(sizes) == 1:
                raise BlockingIOError
            return sent(data[:3])

    real = connected.transport._serial._socket  # type: ignore[union-attr]
    connected.transport._serial._socket = Slow()  # type: ignore[union-attr]
    try:
        connected.transport.write(b"request")
    finally:
        connected.transport._serial._socket = real  # type: ignore[union-attr]
    assert sizes == [7, 7, 4, 1]
    assert connected.server.recv(100) == b"request"


def test_write_that_the_network_does_not_accept_times_out(
    connected: Connected,
) -> None:
    connected.transport._serial._write_timeout = 0.05  # type: ignore[union-attr]
    with pytest.raises(WatlowTimeoutError, match="did not accept"):
        connected.transport.write(bytes(50_000_000))
