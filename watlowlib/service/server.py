"""Accepts connections to a service: one request and one reply each, all in limited time."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from watlowlib._internal.clock import Deadline
from watlowlib._internal.log import logger
from watlowlib._internal.process import NotCopied
from watlowlib._internal.threads import Worker, make_pool
from watlowlib.errors import WatlowConfigurationError, WatlowError, WatlowPortBusyError
from watlowlib.service.endpoint import Endpoint
from watlowlib.service.wire import dump, load

log = logger(__name__)

MOST_CONNECTIONS = 8
"""How many requests are carried out at the same time; further ones are refused."""

MOST_REQUEST = 1 << 16
"""The longest request in bytes."""

TRANSFER_S = 5.0
"""How long a client may take to send its request, and to receive the reply."""

JOIN_S = 10.0
CHUNK = 1 << 16

Handler = Callable[[str, "dict[str, Any]"], object]
"""Carries out a command with its arguments and returns the result."""


class RequestServer(NotCopied):
    """Answers requests in its own threads within a `with` statement.

    The end of the statement does not wait for requests in progress, which may take long; `wait`
    does, once the controllers are closed.
    """

    def __init__(self, endpoint: Endpoint, handler: Handler) -> None:
        self._endpoint = endpoint
        self._handler = handler
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._pool = make_pool("requests", MOST_CONNECTIONS)

    def __enter__(self) -> RequestServer:
        self._wake, self._waker = socket.socketpair()
        self._worker = Worker("server", self._accept_all, self._waker.close)
        self._worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._worker.stop()
        self._worker.join(JOIN_S)
        self._endpoint.listener.close()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # requests that have been received are answered
                    connection.shutdown(socket.SHUT_RD)
        self._pool.shutdown(wait=False)
        self._wake.close()

    def wait(self) -> None:
        """Wait for the requests in progress."""
        self._pool.shutdown(wait=True)

    def _accept_all(self) -> None:
        listener = self._endpoint.listener
        listener.setblocking(False)
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select()]
                if self._wake in ready:
                    return
                with suppress(OSError):  # the client has closed it
                    self._begin(listener.accept()[0])

    def _begin(self, connection: socket.socket) -> None:
        connection.settimeout(TRANSFER_S)
        if not self._endpoint.may_ask(connection):
            log.warning("a request of another user was refused")
            connection.close()
        elif not self._free.acquire(blocking=False):
            busy = WatlowPortBusyError(f"{MOST_CONNECTIONS} requests are in progress; try again")
            with connection, suppress(OSError):
                connection.send(dump({"error": busy}))
        else:
            with self._lock:
                self._connections.add(connection)
            self._pool.submit(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError):
                reply = dump(self._answer(connection))
                connection.settimeout(TRANSFER_S)
                connection.sendall(reply)
        finally:
            with self._lock:
                self._connections.discard(connection)
            self._free.release()

    def _answer(self, connection: socket.socket) -> dict[str, Any]:
        try:
            request = load(receive_line(connection, TRANSFER_S, MOST_REQUEST))
            return {"result": self._carry_out(request)}
        except WatlowError as error:
            return {"error": error}
        except OSError:
            raise  # of the connection
        except Exception as error:
            log.exception("a request failed")
            return {"error": WatlowError(f"the request failed in the service: {error!r}")}

    def _carry_out(self, request: dict[str, Any]) -> object:
        if not self._endpoint.accepts(request.get("token")):
            raise WatlowConfigurationError("the token is wrong")
        command, arguments = request.get("do"), request.get("with", {})
        if not isinstance(command, str) or not isinstance(arguments, dict):
            raise WatlowConfigurationError('give a command "do" and its arguments "with"')
        return self._handler(command, arguments)


def receive_line(connection: socket.socket, timeout_s: float, most: int) -> bytes:
    """Return what arrives up to a line feed.

    Raises:
        WatlowConfigurationError: It is longer than `most` bytes.
        OSError: It did not arrive in time, or the other end has closed the connection.
    """
    deadline = Deadline.after(timeout_s)
    received = bytearray()
    while not received.endswith(b"\n"):
        connection.settimeout(max(deadline.left_s(), 1e-3))
        data = connection.recv(CHUNK)
        if not data:
            raise ConnectionError("the other end has closed the connection")
        received += data
        if len(received) > most:
            raise WatlowConfigurationError(f"a message has more than {most} bytes")
        if deadline.passed():
            raise TimeoutError(f"the message was not complete within {timeout_s:g} s")
    return bytes(received)
