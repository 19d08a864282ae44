"""A TCP connection to a Modbus TCP server.

`read` returns whole frames only, and keeps the beginning of an incomplete one for the next call.
So bytes can be discarded between two requests, and the next byte still begins a frame. A function
of the protocol finds the ends of the frames; where none begins, the connection is closed.

A connection is lost with the server's power, or is closed by a server that has been idle or serves
another client. `Line` opens it again, as a serial port that was unplugged.
"""

from __future__ import annotations

import errno
import math
import os
import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from watlowlib._internal.clock import Deadline
from watlowlib._internal.process import OneProcess, abandon_in_child, release
from watlowlib._internal.threads import Worker
from watlowlib.errors import (
    ErrorContext,
    WatlowClosedError,
    WatlowConnectionError,
    WatlowFrameError,
    WatlowTimeoutError,
)
from watlowlib.transport.descriptors import Wait, waiter
from watlowlib.transport.urls import server_of

CONNECT_S = 3.0
"""How long opening may take: the look-up of the name and the connection."""

WRITE_TIMEOUT_S = 1.0
CHUNK = 4096

KEEPALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""A server without power is noticed after 25 s without requests."""

LOST_MS = 10_000
"""How long the system repeats bytes that the server does not acknowledge. Linux repeats them for
15 minutes, in pauses of up to 2 minutes, and a server with power again is noticed no sooner."""

UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN)
LINK_LOCAL = re.compile(r"fe[89ab][0-9a-f]:[^%]*")
"""An IPv6 address that is valid only together with a network interface."""

ONE_CLIENT = (
    "is another program connected to it? Many controllers and gateways serve one client at a time"
)


class TcpTransport(OneProcess):
    """A connection to the server `tcp://host:port`.

    Args:
        port: The URL.
        whole_size: Returns the size of the whole frames at the beginning of bytes. Raises
            WatlowFrameError where no frame begins.
    """

    def __init__(self, port: str, whole_size: Callable[[bytes], int]) -> None:
        self._pid = os.getpid()
        self._port = port
        self._server = server_of(port)
        self.device = self._server.url
        """The server, under all its spellings."""
        self._whole_size = whole_size
        self._socket: socket.socket | None = None
        self._wait: Wait | None = None
        """Waits until something can be received; goes with the open socket."""
        self._lookup: _Lookup | None = None
        self._buffer = b""
        self._answered = False

    @property
    def port(self) -> str:
        """The URL as the user gave it."""
        return self._port

    @property
    def is_open(self) -> bool:
        """Whether the connection is open, as far as known."""
        return self._socket is not None

    @property
    def partial(self) -> bytes:
        """The beginning of a frame that is not complete yet."""
        return self._buffer

    def open(self) -> None:
        """Connect, within `CONNECT_S`."""
        self.check_process()
        if self._socket is not None:
            return
        deadline = Deadline.after(CONNECT_S)
        self._buffer, self._answered = b"", False
        errors: list[OSError] = []
        addresses = self._addresses(deadline)
        for n, (family, kind, protocol, _, address) in enumerate(addresses):
            # One that drops the packets leaves time for the others.
            share_s = deadline.left_s() / (len(addresses) - n)
            try:
                # Without IPv6 on this machine its socket cannot be made.
                connection = socket.socket(family, kind, protocol)
                _connect(connection, address, max(share_s, 0.001))
            except OSError as failed:
                errors.append(failed)
            else:
                self._socket, self._wait = connection, waiter(connection)
                abandon_in_child(connection)
                return
        error = min(errors, key=_rank, default=TimeoutError())
        raise self._open_error(error) from error

    def close(self) -> None:
        """Close the connection."""
        connection, self._socket, self._wait = self._socket, None, None
        self._buffer = b""
        if connection is not None and not self.in_other_process:
            release(connection)
            connection.close()

    def write(self, data: bytes) -> None:
        """Send all of `data`; the connection must accept it within `WRITE_TIMEOUT_S`."""
        connection = self._require_open()
        try:
            sent = _send_now(connection, data)
            if sent < len(data):
                self._send_rest(connection, data[sent:])
        except OSError as error:
            if not isinstance(error, TimeoutError) or error.errno is not None:
                raise self._lost(error) from error
            raise WatlowTimeoutError(
                f"the server did not accept {len(data)} bytes within {WRITE_TIMEOUT_S:g} s; "
                "the connection was closed",
                context=ErrorContext(port=self._port, request=data),
            ) from error

    def _send_rest(self, connection: socket.socket, data: bytes) -> None:
        try:
            connection.settimeout(WRITE_TIMEOUT_S)
            connection.sendall(data)
            connection.setblocking(False)
        except BaseException:
            self.close()  # a part of the request may have been sent
            raise

    def read(self, deadline: Deadline) -> bytes:
        """Return the whole frames that arrive by the deadline, as soon as there is one."""
        connection = self._require_open()
        while not (self._buffer and (size := self._size())):
            data = self._receive(connection, deadline)
            if not data:
                return b""
            self._answered = True
            self._buffer += data
        frames, self._buffer = self._buffer[:size], self._buffer[size:]
        return frames

    def _receive(self, connection: socket.socket, deadline: Deadline) -> bytes:
        """Return the next bytes, `b""` if none arrive by the deadline."""
        wait, data = self._wait, None
        while data is None:
            try:
                if wait is not None and not wait(math.ceil(deadline.left_s() * 1e3)):
                    return b""
                data = connection.recv(CHUNK)
            except BlockingIOError:  # the bytes that ended the wait are not there after all
                if not deadline.left_s():
                    return b""
            except (OSError, ValueError) as error:  # ValueError: another thread has closed it
                raise self._lost(error) from error
        if not data:
            raise self._lost(None)
        return data

    def _size(self) -> int:
        try:
            return self._whole_size(self._buffer)
        except WatlowFrameError as error:
            received = self._buffer
            self.close()
            raise WatlowConnectionError(
                f"{error.message}; the connection was closed. If {self._port} leads to a serial "
                f"line, give 'socket://{self._server.url[6:]}' and the protocol of the line",
                context=ErrorContext(port=self._port, reply=received),
            ) from error

    def _require_open(self) -> socket.socket:
        self.check_process()
        if self._socket is None:
            raise WatlowClosedError(
                "the connection is closed; open the controller again",
                context=ErrorContext(port=self._port),
            )
        return self._socket

    def _lost(self, error: Exception | None) -> WatlowConnectionError:
        """Close the connection and return the reason; None: the server closed it."""
        answered = self._answered
        self.close()
        what = "the server closed it" if error is None else str(error)
        hint = "check the network and the power of the server"
        if not answered:
            what += ", before it sent anything"
            hint = ONE_CLIENT
        return WatlowConnectionError(
            f"the connection was lost: {what}; {hint}", context=ErrorContext(port=self._port)
        )

    def _addresses(self, deadline: Deadline) -> list[Any]:
        """Return what `getaddrinfo` finds for the server by the deadline."""
        host, number = self._server
        with suppress(OSError, UnicodeError):
            return _look_up(host, number, socket.AI_NUMERICHOST)
        # Looking up a name has no timeout of its own, and cannot be interrupted.
        if self._lookup is None:
            self._lookup = _Lookup(host, number)
        lookup = self._lookup
        if not lookup.ended.wait(deadline.left_s()):
            raise WatlowConnectionError(
                f"the name {host!r} was not found within {CONNECT_S:g} s; is the name server "
                "reachable? An IP address needs none",
                context=ErrorContext(port=self._port),
            )
        self._lookup = None
        if lookup.failure is not None:
            interface = host.partition("%")[2]
            hint = "check the name, or give the IP address"
            if interface:
                hint = f"is {interface!r} a network interface of this machine?"
            raise WatlowConnectionError(
                f"no server has the name {host!r}: {lookup.failure}; {hint}",
                context=ErrorContext(port=self._port),
            ) from lookup.failure
        return lookup.found

    def _open_error(self, error: OSError) -> WatlowConnectionError:
        where = f"{self._server.host} port {self._server.number}"
        if isinstance(error, TimeoutError):
            reason = (
                f"{where} did not accept a connection within {CONNECT_S:g} s; check the address, "
                "the network and the power of the server"
            )
        elif isinstance(error, ConnectionRefusedError):
            reason = (
                f"{where} refuses connections; is Modbus TCP enabled there, is the port number "
                f"right, and {ONE_CLIENT}"
            )
        elif LINK_LOCAL.fullmatch(self._server.host):
            reason = (
                f"{where} cannot be reached: {error}; a link-local address needs the network "
                f"interface behind it, such as 'tcp://[{self._server.host}%eth0]'"
            )
        elif error.errno in UNREACHABLE:
            reason = f"{where} cannot be reached: {error}; check the address and the network"
        else:
            reason = f"{where} cannot be connected: {error}"
        return WatlowConnectionError(reason, context=ErrorContext(port=self._port))


class _Lookup:
    """The look-up of a name in a thread of its own."""

    def __init__(self, host: str, number: int) -> None:
        self.found: list[Any] = []
        self.failure: Exception | None = None
        self.ended = threading.Event()
        self._host, self._number = host, number
        Worker("lookup", self._run, lambda: None).start()

    def _run(self) -> None:
        try:
            self.found = _look_up(self._host, self._number)
        except (OSError, UnicodeError) as error:
            self.failure = error
        finally:
            self.ended.set()


def _connect(connection: socket.socket, address: Any, within_s: float) -> None:
    """Connect a new socket; close it if that fails."""
    try:
        connection.settimeout(within_s)
        connection.connect(address)
        _configure(connection)
        connection.setblocking(False)
    except BaseException:
        connection.close()
        raise


def _rank(error: OSError) -> int:
    """Return the place of an error among those of several addresses; the clearest is first."""
    if isinstance(error, ConnectionRefusedError):
        return 0
    return 1 if isinstance(error, TimeoutError) else 2


def _look_up(host: str, number: int, flags: int = 0) -> list[Any]:
    return socket.getaddrinfo(host, number, type=socket.SOCK_STREAM, flags=flags)


def _send_now(connection: socket.socket, data: bytes) -> int:
    """Send as much of `data` as fits into the system's buffer; return how many bytes that is."""
    try:
        return connection.send(data)
    except BlockingIOError:
        return 0


def _configure(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE:
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, LOST_MS)
