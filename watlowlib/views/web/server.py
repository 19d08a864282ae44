"""The web server: cheroot, with threads of this library, one for each connection in use.

cheroot's own pool has a fixed number of threads, which must be at least the number of viewers.
Here, a connection gets a thread while a request on it is served. An application may take over the
socket of a request, as the hub does for events: the thread ends once the headers are sent. cheroot
also starts a thread of its own that would refuse connections when the pool is full; here it ends at
once, and the connection is closed.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cheroot import wsgi
from cheroot.server import HTTPConnection

from watlowlib._internal.clock import Deadline
from watlowlib._internal.log import logger
from watlowlib._internal.process import abandon_in_child
from watlowlib._internal.threads import Worker
from watlowlib.views.web.guard import Wsgi
from watlowlib.views.web.hub import LEAVE_S, MOST_VIEWERS, SEND_S

log = logger(__name__)

MOST_CONNECTIONS = MOST_VIEWERS + 20
"""Connections that are served at the same time; more are closed."""

REQUEST_S = 10.0
"""How long a request may take until all of its reply is sent, if others wait for its place."""

JOIN_S = 5.0


TAKES_OVER = "watlowlib.takes_over"
"""In the environment of a request, a function that takes its socket after the headers."""


class Connection(HTTPConnection):
    """cheroot's connection, which may give its socket away, and whose end writes nothing."""

    takes_over: Callable[[socket.socket], None] | None = None

    def __init__(self, server: Any, sock: socket.socket, *more: Any) -> None:
        super().__init__(server, sock, *more)
        abandon_in_child(sock)

    def release(self) -> socket.socket:
        """Return the socket, without the files on it.

        What a file could not send is dropped. If it stayed there, the end of the file would send it
        again, to a socket that may be closed, or whose viewer does not read.
        """
        for file in (self.rfile, self.wfile):
            file.raw.close()  # whereby the file is closed too
        sock: socket.socket = self.socket
        return sock

    def close(self) -> None:
        """End the connection."""
        sock = self.release()
        _shut(sock)
        sock.close()


class Gateway(wsgi.Gateway_10):
    """cheroot's gateway, which gives a socket to the function `TAKES_OVER` if there is one."""

    def start_response(self, status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        """Begin a reply; one whose socket is taken over ends with the connection."""
        if TAKES_OVER in self.env:
            self.req.response_protocol = "HTTP/1.0"  # hence it is not sent in chunks
            headers = [*headers, ("Connection", "close")]
        return super().start_response(status, headers, *error)

    def respond(self) -> None:
        """Reply to a request."""
        super().respond()
        self.req.conn.takes_over = self.env.get(TAKES_OVER)


class Connections:
    """A thread for each connection in use; it takes the place of cheroot's pool."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._active: dict[Connection, tuple[Worker, Deadline]] = {}
        self._changed = threading.Condition()

    @property
    def idle(self) -> int:
        """How many more connections can be served."""
        return MOST_CONNECTIONS - len(self._active)

    def start(self) -> None:
        """Do nothing: threads are started when they are needed."""

    def put(self, connection: Connection) -> None:
        """Serve the next request of a connection, in a new thread.

        Raises:
            Full: `MOST_CONNECTIONS` are in use, or a thread cannot be started.
        """
        worker = Worker("web", lambda: self._serve(connection), lambda: _shut(connection.socket))
        with self._changed:
            if self.idle <= 0:
                self._end_slow()
            if self.idle <= 0:
                raise queue.Full
            self._active[connection] = (worker, Deadline.after(REQUEST_S))
        try:
            worker.start()
        except RuntimeError:  # the machine has no thread left
            del self._active[connection]
            raise queue.Full from None

    def _end_slow(self) -> None:
        """End requests that take long, such as those of which a byte comes now and then."""
        slow = [worker for worker, deadline in self._active.values() if deadline.passed()]
        for worker in slow:
            worker.stop()
        if slow:
            self._changed.wait_for(lambda: self.idle > 0, LEAVE_S)

    def _serve(self, connection: Connection) -> None:
        stays = False
        try:
            stays = connection.communicate()  # type: ignore[no-untyped-call]
        except Exception as error:  # noqa: BLE001 - the viewer left, or sent nonsense
            log.debug("a connection ended with %r", error)
        finally:
            self._leave(connection, stays=stays)
            with self._changed:
                del self._active[connection]
                self._changed.notify_all()

    def _leave(self, connection: Connection, *, stays: bool) -> None:
        """Give a connection back to the server or its socket to the application, or close it."""
        if connection.takes_over is not None:
            connection.takes_over(connection.release())
            return
        if stays:
            with suppress(OSError, ValueError, KeyError):  # the server has ended meanwhile
                self._server.put_conn(connection)
                return
        connection.close()

    def stop(self, timeout: float | None = None) -> None:
        """End all connections."""
        deadline = Deadline.after(JOIN_S if timeout is None else timeout)
        with self._changed:
            self._changed.wait_for(lambda: not self._active, LEAVE_S)
            left = [worker for worker, _ in self._active.values()]
        for worker in left:
            worker.stop()
        for worker in left:
            worker.join(deadline.left_s())


def _shut(sock: socket.socket) -> None:
    """End the waiting calls on a socket."""
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class Server(wsgi.Server):
    """cheroot's server with these threads, whose messages go to the log.

    Attributes:
        bind_error: Why the address could not be bound, or None.
    """

    ConnectionClass = Connection
    expiration_interval = 0.1  # seconds that its loop waits, hence takes to end

    def __init__(self, host: str, port: int, app: Wsgi) -> None:
        super().__init__((host, port), app, server_name="watlowlib", request_queue_size=64)
        self.gateway = Gateway
        self.timeout = SEND_S
        self.shutdown_timeout = JOIN_S
        self.keep_alive_conn_limit = MOST_CONNECTIONS
        self.max_request_header_size = 16 << 10
        self.max_request_body_size = 16 << 10
        self.bind_error: OSError | None = None
        self.requests = Connections(self)
        # cheroot keeps each server here for ever.
        getattr(logging, "statistics", {}).pop(f"Cheroot HTTPServer {id(self)}", None)

    def bind(self, *arguments: Any) -> Any:
        """Bind the address, and keep the error."""
        try:
            return super().bind(*arguments)
        except OSError as error:
            self.bind_error = error
            raise

    @staticmethod
    def bind_socket(socket_: Any, bind_addr: Any) -> Any:
        """Bind a socket; close it if that fails."""
        try:
            socket_.bind(bind_addr)
        except OSError:
            socket_.close()
            raise
        return socket_

    def process_conn(self, conn: Any) -> None:
        """Serve a connection, or close it if there are too many."""
        try:
            self.requests.put(conn)
        except queue.Full:
            log.warning(
                "a request was refused: %d are being served, at most %d can be",
                MOST_CONNECTIONS - self.requests.idle,
                MOST_CONNECTIONS,
            )
            conn.close()

    def _serve_unservicable(self) -> None:
        """Do nothing; see `process_conn`."""

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Write a message to the log."""
        log.log(min(level, logging.INFO), "%s", msg, exc_info=traceback)
