"""A viewer of the live page, without a browser."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 20.0


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def request(
    url: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send one request; return the status, the headers and the body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target, headers=dict(headers or {}))
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


class Events:
    """The events of a page, one at a time."""

    def __init__(self, reply: http.client.HTTPResponse) -> None:
        self._reply = reply

    def next(self) -> dict[str, Any] | None:
        """Wait for the next event and return its state; None if the server has ended."""
        while line := self._reply.readline():
            if line.startswith(b"data: "):
                return dict(json.loads(line[6:]))
        return None

    def until(self, **health: Any) -> dict[str, Any]:
        """Return the first state whose health has these values."""
        while (state := self.next()) is not None:
            if all(state["health"].get(name) == value for name, value in health.items()):
                return state
        raise AssertionError(f"no event has {health}")


@contextmanager
def events(url: str) -> Iterator[Events]:
    """Connect to the events of the page at `url`."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/events")
        yield Events(connection.getresponse())
    finally:
        connection.close()
