"""A transport that plays a script: for tests of what stands above the port.

Nothing waits: a read that the script has no bytes for returns at once, as if its
deadline had passed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from watlowlib._internal.clock import Deadline
from watlowlib.errors import ErrorContext, WatlowClosedError

Answer = Callable[[bytes], Iterable[bytes]]
"""What is written goes in; the portions that the next reads return come out."""


class ScriptedTransport:
    """A port on which `answer` is at the other end.

    Args:
        answer: Called with each write; returns the portions that arrive for it.
        port: The name it goes by in messages.
    """

    def __init__(self, answer: Answer, port: str = "scripted") -> None:
        self._answer = answer
        self._port = port
        self._open = False
        self._incoming: deque[bytes] = deque()
        self.written: list[bytes] = []
        """Every write, in order."""

    @property
    def port(self) -> str:
        """The name it goes by."""
        return self._port

    @property
    def is_open(self) -> bool:
        """Whether `open` was called, and `close` not since."""
        return self._open

    def open(self) -> None:
        """Start with nothing to read."""
        self._open = True
        self._incoming.clear()

    def close(self) -> None:
        """Refuse reads and writes from now on."""
        self._open = False

    def write(self, data: bytes, deadline: Deadline) -> None:
        """Note `data` and queue the answer to it."""
        self._check()
        self.written.append(data)
        self._incoming.extend(self._answer(data))

    def read(self, deadline: Deadline) -> bytes:
        """The next portion, or `b""` when the script has no more."""
        self._check()
        return self._incoming.popleft() if self._incoming else b""

    def feed(self, data: bytes) -> None:
        """Let `data` arrive unasked."""
        self._incoming.append(data)

    def _check(self) -> None:
        if not self._open:
            raise WatlowClosedError(
                "the port is closed; open it first", context=ErrorContext(port=self._port)
            )
