"""Checks every request before it is served: method, `Host`, `Origin` and token.

Any page in a browser can send requests to 127.0.0.1, and a name that its owner points there
(DNS rebinding) would even let it read the replies. Such a request has a foreign `Host` or
`Origin`, and is refused. On other addresses, a viewer needs the token.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

LOCAL = ("127.0.0.1", "localhost", "::1")
ANY = ("0.0.0.0", "::")

METHODS = ("GET", "HEAD")

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The headers of every reply."""

Wsgi = Callable[["dict[str, Any]", Callable[..., Any]], Iterable[bytes]]


class Refusal(NamedTuple):
    """The status line of a refused request, and the reason."""

    status: str
    text: str


def is_local(host: str) -> bool:
    """Whether only programs on this machine can reach the address `host`."""
    return host in LOCAL


class Guard:
    """Checks requests.

    Args:
        host: The address that the server is bound to, as the user gave it.
        port: The port.
        token: The token that a viewer needs; None on a local address.
        any_host: Whether requests with any `Host` are allowed: then the server may have names
            that it does not know, and pages of other servers can read the replies.
    """

    def __init__(self, host: str, port: int, token: str | None, *, any_host: bool = False) -> None:
        self._host = host.lower()
        self._port = port
        self.token = token
        self.cookie = f"watlowlib_{port}"  # a browser sends cookies to all ports of a host
        self._any_host = any_host
        self._names = {*LOCAL, self._host}
        if host in ANY:
            self._names |= {socket.gethostname().lower()}

    def refuse(self, environ: Mapping[str, Any]) -> Refusal | None:
        """Return why a request is refused; None if it is allowed."""
        if environ["REQUEST_METHOD"] not in METHODS:
            return Refusal("405 Method Not Allowed", "The page is read-only.")
        host = environ.get("HTTP_HOST", "")
        if not (self._any_host or self._knows(host)):
            return Refusal("421 Misdirected Request", "This is not the address of this page.")
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            return Refusal("403 Forbidden", "Another page sent this request.")
        if self.token is not None and not (self.has_token(environ) or self._has_cookie(environ)):
            return Refusal("403 Forbidden", "Open the address with its token, as it was printed.")
        return None

    def has_token(self, environ: Mapping[str, Any]) -> bool:
        """Whether the address of the request has the token."""
        given = parse_qs(environ.get("QUERY_STRING", "")).get("token", [""])
        return self._is_token(given[0])

    def _has_cookie(self, environ: Mapping[str, Any]) -> bool:
        try:
            cookies = SimpleCookie(environ.get("HTTP_COOKIE", ""))
        except CookieError:
            return False
        return self.cookie in cookies and self._is_token(cookies[self.cookie].value)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), (self.token or secrets.token_hex()).encode())

    def _knows(self, host: str) -> bool:
        """Whether `host`, a name and perhaps a port, is an address of this server."""
        try:
            parts = urlsplit(f"//{host}")
            name, port = parts.hostname or "", parts.port or 80
        except ValueError:
            return False
        if parts.netloc != host or "@" in host or port != self._port:
            return False
        return name in self._names or (self._host in ANY and _is_address(name))


def _is_address(name: str) -> bool:
    """Whether `name` is an IP address, which DNS cannot redirect."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def guarded(inner: Wsgi, guard: Guard) -> Wsgi:
    """Return the WSGI application `inner` with these headers, for requests that are allowed."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        headers = dict(HEADERS)
        if refusal := guard.refuse(environ):
            text = f"{refusal.text}\n".encode()
            headers |= {"Content-Type": "text/plain", "Content-Length": str(len(text))}
            if refusal.status.startswith("405"):
                headers["Allow"] = "GET, HEAD"
            start_response(refusal.status, list(headers.items()))
            return [text] if environ["REQUEST_METHOD"] != "HEAD" else []
        if guard.token is not None and guard.has_token(environ):
            headers["Set-Cookie"] = (
                f"{guard.cookie}={guard.token}; HttpOnly; SameSite=Strict; Path=/"
            )

        def start(status: str, given: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*given, *headers.items()], *more)

        return inner(environ, start)

    return app
