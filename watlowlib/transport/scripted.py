"""A transport with scripted replies, for tests of the layers above.

It never waits: a read returns at once if the script has no bytes, as if its deadline had
passed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from watlowlib._internal.clock import Deadline
from watlowlib._internal.process import NotCopied
from watlowlib.errors import ErrorContext, WatlowClosedError

Responder = Callable[[bytes], Iterable[bytes]]
"""Takes the bytes of a write; returns the portions that the next reads return."""


class ScriptedTransport(NotCopied):
    """A port whose other end is the function `respond`, which is called with each write."""

    def __init__(self, respond: Responder, port: str = "scripted") -> None:
        self._respond = respond
        self._port = port
        self._open = False
        self._incoming: deque[bytes] = deque()
        self.written: list[bytes] = []
        """All writes, in order."""

    @property
    def port(self) -> str:
        """The port name."""
        return self._port

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        return self._open

    def open(self) -> None:
        """Open the port, with nothing to read."""
        self._open = True
        self._incoming.clear()

    def close(self) -> None:
        """Close the port: reads and writes fail."""
        self._open = False

    def write(self, data: bytes) -> None:
        """Append `data` to `written` and queue the reply to it."""
        self._check()
        self.written.append(data)
        self._incoming.extend(self._respond(data))

    def read(self, deadline: Deadline) -> bytes:
        """Return the next portion, or `b""` if there is none."""
        self._check()
        return self._incoming.popleft() if self._incoming else b""

    def feed(self, data: bytes) -> None:
        """Queue `data` without a request."""
        self._incoming.append(data)

    def _check(self) -> None:
        if not self._open:
            raise WatlowClosedError(
                "the port is closed; open it first", context=ErrorContext(port=self._port)
            )
