"""Where a simulated bus can be reached: a pty, or a TCP port for pyserial's `socket://`.

An endpoint is the controllers' side of the cable. It never blocks: the bus selects on
`watched()` and then takes what `receive` gives.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Protocol

from watlowlib.errors import WatlowConfigurationError

CHUNK = 4096


class Endpoint(Protocol):
    """One way to reach a bus."""

    port: str
    """What `open_device` takes."""
    device: str
    """The same without a link."""
    number: int
    """The TCP port's number, 0 for a pty."""

    def watched(self) -> list[int]:
        """The descriptors to select on."""

    def receive(self) -> bytes:
        """What has arrived, `b""` for nothing."""

    def send(self, data: bytes) -> None:
        """Put `data` on the wire; lost when nobody listens."""

    def close(self) -> None:
        """Take the port away."""


class PtyEndpoint:
    """A pseudo terminal: a path such as /dev/pts/3. Not on Windows."""

    _link: str | None = None

    def __init__(self) -> None:
        import tty

        self._controllers, self._cable = os.openpty()
        tty.setraw(self._cable)
        os.set_blocking(self._controllers, False)
        self.port = self.device = os.ttyname(self._cable)
        self.number = 0

    def link(self, path: str) -> None:
        """Be reached at `path` too, until it is closed."""
        os.symlink(self.device, path)  # noqa: PTH211 - a name, as open_device takes it
        self.port = self._link = path

    def watched(self) -> list[int]:
        """The controllers' end."""
        return [self._controllers]

    def receive(self) -> bytes:
        """What the client has written."""
        try:
            return os.read(self._controllers, CHUNK)
        except BlockingIOError:
            return b""

    def send(self, data: bytes) -> None:
        """Write to the client; what does not fit its full buffer is lost, as on a real port."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._controllers, data)

    def close(self) -> None:
        """Close both ends: the client sees its port go away."""
        if self._link is not None:
            os.unlink(self._link)  # noqa: PTH108
        os.close(self._controllers)
        os.close(self._cable)


class TcpEndpoint:
    """A TCP port on this machine, for one client at a time, like a serial device server."""

    def __init__(self, number: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", number))
        self._listener.setblocking(False)
        self._client: socket.socket | None = None
        self.number = self._listener.getsockname()[1]
        self.port = self.device = f"socket://127.0.0.1:{self.number}"

    def watched(self) -> list[int]:
        """The listener, and the client where there is one."""
        sockets = [self._listener, *([self._client] if self._client else [])]
        return [each.fileno() for each in sockets]

    def receive(self) -> bytes:
        """What the client has sent; takes in a new client, the latest one counts."""
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._drop()
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
            self._drop()
        return data

    def send(self, data: bytes) -> None:
        """Send to the client, if there is one."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.send(data)

    def close(self) -> None:
        """Refuse clients from now on."""
        self._drop()
        self._listener.close()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def checked_kind(kind: str | None, link: str | None = None) -> str:
    """The kind of endpoint to make; None takes a pty where there are ptys.

    Raises:
        WatlowConfigurationError: There is no such kind here, or no link to it.
    """
    ptys = hasattr(os, "openpty")
    if kind is None:
        kind = "pty" if ptys else "tcp"
    if kind == "tcp" and link is not None:
        raise WatlowConfigurationError(f"link={link!r}: only a pty can have one")
    if kind == "tcp" or (kind == "pty" and ptys):
        return kind
    raise WatlowConfigurationError(f"transport={kind!r}: allowed are 'pty' (not on Windows), 'tcp'")


def make_endpoint(
    kind: str, number: int = 0, *, unlike: str = "", link: str | None = None
) -> Endpoint:
    """The endpoint called `kind`.

    Args:
        kind: "pty" or "tcp".
        number: The TCP port to listen on; 0 for any that is free.
        unlike: A device that it is not to be, though its name is free again.
        link: A symbolic link to the pty, like those in /dev/serial/by-id.
    """
    endpoint: Endpoint = TcpEndpoint(number) if kind == "tcp" else PtyEndpoint()
    if endpoint.device == unlike:
        # While this one is there, the next one has another name.
        taken, endpoint = endpoint, make_endpoint(kind)
        taken.close()
    if link is not None and isinstance(endpoint, PtyEndpoint):
        endpoint.link(link)
    return endpoint
