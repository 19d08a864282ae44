"""The web server: cheroot, with threads of this library, one for each connection in use.

cheroot's own pool has a fixed number of threads, which must be at least the number of viewers.
Here, a connection gets a thread while a request on it is served, and an event stream has one
until its viewer leaves. cheroot also starts a thread of its own that would refuse connections
when the pool is full; here it ends at once, and the connection is closed.
"""

from __future__ import annotations

import logging
import queue
import socket
import threading
from contextlib import suppress
from typing import Any

from cheroot import wsgi

from watlowlib._internal.clock import Deadline
from watlowlib._internal.threads import Worker
from watlowlib.views.web.guard import Wsgi
from watlowlib.views.web.hub import MOST_VIEWERS

log = logging.getLogger(__name__)

MOST_CONNECTIONS = MOST_VIEWERS + 20
"""Connections that are served at the same time; more are closed."""

SEND_S = 10.0
"""How long a viewer may take to receive a piece of a reply, or to send a piece of a request."""

LEAVE_S = 0.2
"""How long connections may take to end by themselves, before their sockets are shut down."""

JOIN_S = 5.0


class Connections:
    """A thread for each connection in use; it takes the place of cheroot's pool."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._active: dict[Any, Worker] = {}
        self._changed = threading.Condition()

    @property
    def idle(self) -> int:
        """How many more connections can be served."""
        return MOST_CONNECTIONS - len(self._active)

    def start(self) -> None:
        """Do nothing: threads are started when they are needed."""

    def put(self, connection: Any) -> None:
        """Serve the next request of a connection, in a new thread.

        Raises:
            Full: `MOST_CONNECTIONS` are in use.
        """
        worker = Worker("web", lambda: self._serve(connection), lambda: _shut(connection))
        with self._changed:
            if self.idle <= 0:
                raise queue.Full
            self._active[connection] = worker
        worker.start()

    def _serve(self, connection: Any) -> None:
        stays = False
        try:
            stays = connection.communicate()
        except Exception as error:  # noqa: BLE001 - the viewer left, or sent nonsense
            log.debug("a connection ended with %r", error)
        finally:
            with suppress(OSError, ValueError, KeyError):  # the server has ended meanwhile
                if stays:
                    self._server.put_conn(connection)
                else:
                    connection.close()
            with self._changed:
                del self._active[connection]
                self._changed.notify_all()

    def stop(self, timeout: float | None = None) -> None:
        """End all connections."""
        deadline = Deadline.after(JOIN_S if timeout is None else timeout)
        with self._changed:
            self._changed.wait_for(lambda: not self._active, LEAVE_S)
            left = list(self._active.values())
        for worker in left:
            worker.stop()
        for worker in left:
            worker.join(deadline.left_s())


def _shut(connection: Any) -> None:
    """End a connection's waiting calls."""
    with suppress(OSError):
        connection.socket.shutdown(socket.SHUT_RDWR)


class Server(wsgi.Server):
    """cheroot's server with these threads, whose messages go to the log.

    Attributes:
        bind_error: Why the address could not be bound, or None.
    """

    expiration_interval = 0.1  # seconds that its loop waits, hence takes to end

    def __init__(self, host: str, port: int, app: Wsgi) -> None:
        super().__init__((host, port), app, server_name="watlowlib", request_queue_size=64)
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
            log.warning("%d viewers are connected; another one was refused", MOST_CONNECTIONS)
            conn.close()

    def _serve_unservicable(self) -> None:
        """Do nothing; see `process_conn`."""

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Write a message to the log."""
        log.log(min(level, logging.INFO), "%s", msg, exc_info=traceback)
