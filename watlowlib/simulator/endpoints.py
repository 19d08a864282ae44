"""The ports of a simulated bus: a pty, or a TCP port for pyserial's `socket://`.

An endpoint is the controllers' end of the cable. It never blocks: the bus waits with `select` on
`descriptors()` and then calls `receive`.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Protocol

from watlowlib.errors import WatlowConfigurationError

CHUNK = 4096


class Endpoint(Protocol):
    """A port of a bus."""

    port: str
    """The port for `open_device`."""
    device: str
    """The same, but never the symbolic link."""
    number: int
    """The TCP port's number, 0 for a pty."""

    def descriptors(self) -> list[int]:
        """Return the file descriptors for `select`."""

    def receive(self) -> bytes:
        """Return the bytes that have arrived, `b""` for none."""

    def send(self, data: bytes) -> None:
        """Send `data` to the client; without a client it is lost."""

    def close(self) -> None:
        """Remove the port."""


class PtyEndpoint:
    """A pseudo terminal, such as /dev/pts/3; not on Windows."""

    _link: str | None = None

    def __init__(self) -> None:
        import tty

        self._controller_end, self._client_end = os.openpty()
        tty.setraw(self._client_end)
        os.set_blocking(self._controller_end, False)
        self.port = self.device = os.ttyname(self._client_end)
        self.number = 0

    def link(self, path: str) -> None:
        """Make a symbolic link at `path`, until `close`, and use it as the port."""
        os.symlink(self.device, path)  # noqa: PTH211 - open_device takes a string
        self.port = self._link = path

    def descriptors(self) -> list[int]:
        """Return the descriptor of the controllers' end."""
        return [self._controller_end]

    def receive(self) -> bytes:
        """Return the bytes that the client has written."""
        try:
            return os.read(self._controller_end, CHUNK)
        except BlockingIOError:
            return b""

    def send(self, data: bytes) -> None:
        """Write to the client; bytes beyond a full buffer are lost, as on a real port."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._controller_end, data)

    def close(self) -> None:
        """Close both ends; the client loses its port."""
        if self._link is not None:
            os.unlink(self._link)  # noqa: PTH108
        os.close(self._controller_end)
        os.close(self._client_end)


class TcpEndpoint:
    """A TCP port on this machine for one client at a time, like a serial device server."""

    def __init__(self, number: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", number))
        self._listener.setblocking(False)
        self._client: socket.socket | None = None
        self.number = self._listener.getsockname()[1]
        self.port = self.device = f"socket://127.0.0.1:{self.number}"

    def descriptors(self) -> list[int]:
        """Return the descriptors of the listener and of a connected client."""
        sockets = [self._listener, *([self._client] if self._client else [])]
        return [each.fileno() for each in sockets]

    def receive(self) -> bytes:
        """Return the bytes from the client; a new client replaces the one before."""
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._disconnect()
            self._client = client
        if self._client is None:
            return b""
        try:
            data = self._client.recv(CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._disconnect()
        return data

    def send(self, data: bytes) -> None:
        """Send to the client, if one is connected."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.send(data)

    def close(self) -> None:
        """Disconnect the client and stop listening."""
        self._disconnect()
        self._listener.close()

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def endpoint_kind(kind: str | None, link: str | None = None) -> str:
    """Return the kind of endpoint, "pty" or "tcp"; None is a pty where the system has ptys.

    Raises:
        WatlowConfigurationError: `kind` is not available here, or cannot have a link.
    """
    ptys = hasattr(os, "openpty")
    if kind is None:
        kind = "pty" if ptys else "tcp"
    if kind == "tcp" and link is not None:
        raise WatlowConfigurationError(f"link={link!r}: only a pty can have a link")
    if kind == "tcp" or (kind == "pty" and ptys):
        return kind
    raise WatlowConfigurationError(f"transport={kind!r}: allowed are 'pty' (not on Windows), 'tcp'")


def make_endpoint(
    kind: str, number: int = 0, *, avoid: str = "", link: str | None = None
) -> Endpoint:
    """Make a pty, or a TCP port with this `number` (0: any free port).

    Its device name is never `avoid`, even if that is free again. `link` is the path of a symbolic
    link to the pty, like those in /dev/serial/by-id.
    """
    endpoint: Endpoint = TcpEndpoint(number) if kind == "tcp" else PtyEndpoint()
    if endpoint.device == avoid:
        # While this endpoint is open, the next one gets another name.
        avoided, endpoint = endpoint, make_endpoint(kind)
        avoided.close()
    if link is not None and isinstance(endpoint, PtyEndpoint):
        endpoint.link(link)
    return endpoint
