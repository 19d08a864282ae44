"""A web server that runs beside a recording: its address, its threads and its end."""

from __future__ import annotations

import errno
import ipaddress
import os
import secrets
import socket
from typing import Any, TypeVar

from watlowlib._internal.optional import import_optional
from watlowlib._internal.process import OneProcess, abandon_in_child
from watlowlib._internal.threads import Worker
from watlowlib.errors import WatlowConfigurationError
from watlowlib.views.web.guard import ANY, Guard, Wsgi, is_local

DEFAULT_HOST = "127.0.0.1"
JOIN_S = 5.0

S = TypeVar("S", bound="Serving")


class Serving(OneProcess):
    """A server of one application, in a `with` statement; subclasses define `_make_app`.

    Attributes:
        host: The address to listen on.
        port: The port; 0 for any that is free.

    Raises:
        WatlowSinkDependencyError: cheroot is not installed.
    """

    _kind = "web server"
    _path = ""
    """The path of what is served, without the slash at its beginning."""
    _is_open = False
    """Whether an address that other machines can reach needs no token, and may have any name."""

    def __init__(self, host: str, port: int) -> None:
        import_optional("cheroot")
        from watlowlib.views.web.server import Server

        self.url = ""
        """The address to open, once it is served; with the token, if there is one."""
        self.host, self.port = host, port
        self._server = Server(host, port, _not_yet)
        self._worker = Worker("web-server", self._server.serve, self.close)

    def _make_app(self, guard: Guard) -> Wsgi:
        """Return the application, which asks `guard` first."""
        raise NotImplementedError

    def __enter__(self: S) -> S:
        """Listen on the address, and begin to serve.

        Raises:
            WatlowConfigurationError: The address cannot be used; the message says why.
        """
        try:
            self._server.prepare()
        except (OSError, OverflowError) as error:
            raise _bind_error(self.host, self.port, self._server.bind_error or error) from error
        self._pid = os.getpid()
        abandon_in_child(self._server.socket)
        port = self._server.bind_addr[1]
        reachable = not is_local(self.host)
        token = secrets.token_urlsafe(24) if reachable and not self._is_open else None
        query = f"?token={token}" if token else ""
        self.url = f"http://{_in_url(self.host)}:{port}/{self._path}{query}"
        self._server.wsgi_app = self._make_app(
            Guard(self.host, port, token, any_host=reachable and self._is_open)
        )
        self._worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        if not self.in_other_process:
            self.close()
            self._worker.join(JOIN_S)

    def close(self) -> None:
        """End all connections."""
        self._server.stop()


def _not_yet(environ: object, start_response: object) -> Any:
    raise AssertionError("the server is not prepared")


def _in_url(host: str) -> str:
    """Return the host for a URL; for all addresses the one that other machines know, if any."""
    host = _own_address() if host in ANY else host
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host


def _own_address() -> str:
    """Return this machine's address on the way to other networks, or `DEFAULT_HOST`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for documents; nothing is sent
        except OSError:
            return DEFAULT_HOST
        return str(probe.getsockname()[0])


def _bind_error(host: str, port: int, error: Exception) -> WatlowConfigurationError:
    """Return the error for an address that cannot be bound."""
    number = getattr(error, "errno", None)
    where = f"port {port} on {host}"
    if number == errno.EADDRINUSE:
        text = f"{where} is in use by another program; give another port"
    elif number == errno.EACCES:
        text = f"{where} is not allowed; give a port from 1024 to 65535"
    elif number == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        text = f"{host} is not an address of this machine; give one, or 0.0.0.0 for all of them"
    else:
        text = f"{where} cannot be used: {error}"
    return WatlowConfigurationError(text)
