"""A transport that answers from a capture: `ReplayTransport`.

    with open_device(ReplayTransport("wire.jsonl")) as ctl:
        ctl.read_pv()  # what the real controller answered

A replay never waits: a read that ended without a byte does so at once. What the program decides
by the clock, such as when it opens a lost port again, may therefore differ.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from watlowlib import errors
from watlowlib._internal.clock import Deadline
from watlowlib._internal.process import NotCopied
from watlowlib._internal.validation import as_bool, shown
from watlowlib.errors import (
    ErrorContext,
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowError,
    WatlowFrameError,
    WatlowTimeoutError,
    WatlowTransportError,
)
from watlowlib.model import ProtocolKind
from watlowlib.transport.capture_lines import HINT, CaptureLine, read_capture


class WatlowReplayError(WatlowError, AssertionError):
    """A program sent other requests to a `ReplayTransport` than its capture has."""

    status = "replay"


class ReplayTransport(NotCopied):
    """A port whose other end is a capture, which is read into memory.

    Args:
        path: A file that was written with `capture=` or `--capture`, and the older part beside
            it, if there is one.
        strict: Whether requests must be those of the capture, in the same order. Without it, each
            request gets the answers that equal requests got, one after another and the last one
            from then on; "no answer" is one, too.
        port: Which port of the capture; needed only if it has several.

    Raises:
        WatlowConfigurationError: The file cannot be read, has no request of the port, or has
            several ports and none was given.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, strict: bool = True, port: str | None = None
    ) -> None:
        self._strict = as_bool("strict", strict)
        self._name = Path(path).name
        lines = [each for each in read_capture(path) if each.what != "start"]
        self._port = _chosen(path, lines, port)
        lines = [each for each in lines if each.port in (self._port, None)]
        self._events = deque(lines if self._strict else ())
        """What happens next."""
        self._tcp = any(each.fields.get("protocol") == ProtocolKind.MODBUS_TCP for each in lines)
        self._answers = {} if self._strict else _by_request(lines, tcp=self._tcp)
        self._remaining = sum(map(_is_request, self._events))
        self._open = self._settling = False
        self._difference = ""

    @property
    def port(self) -> str:
        """The port name of the capture."""
        return self._port

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        return self._open

    @property
    def remaining(self) -> int:
        """The number of requests of the capture that were not sent yet; 0 if not strict."""
        return self._remaining

    def verify(self) -> None:
        """Check that all requests of the capture were sent, and no other.

        Raises:
            WatlowReplayError: A request differed, or some are left; the message shows the first.
        """
        if not self._difference and self._remaining:
            line = next(filter(_is_request, self._events))
            self._difference = (
                f"requests of the capture that were not sent: {self._remaining}; the next is "
                f"{line.data.hex(' ')} ({line.place})"
            )
        self._check_same()

    def open(self) -> None:
        """Open the port; raise the recorded error if that failed."""
        if self._open:
            return
        while self._events and self._events[0].what in ("received", "timeout", "closed"):
            self._events.popleft()
        if self._next_is("failed", "open"):
            self._fail(self._events.popleft())
        if self._next_is("opened"):
            self._events.popleft()
        self._open, self._settling = True, False

    def close(self) -> None:
        """Close the port: reads and writes fail."""
        self._open = False

    def write(self, data: bytes) -> None:
        """Compare `data` with the capture, which has what follows it.

        Raises:
            WatlowReplayError: The capture has another request here, or none.
            WatlowTransportError: The port failed here.
        """
        self._check_open()
        self._check_same()
        self._settling = False
        line = self._next_request(data) if self._strict else self._equal_request(data)
        if line.what == "failed":
            self._fail(line)

    def read(self, deadline: Deadline) -> bytes:
        """Return the next bytes, or `b""` where a read ended without any."""
        self._check_open()
        if deadline.at_s <= 0.0:  # the line is being emptied, see `capture.py`
            self._settling = True
        while self._settling and self._next_is("timeout"):
            self._events.popleft()
        if not self._settling:
            self._check_continues()
        if not self._events or (self._events[0].fields.get("stale") and not self._settling):
            return b""
        if self._next_is("failed", "read"):
            self._fail(self._events.popleft())
        if self._next_is("received") or self._next_is("timeout"):
            return self._events.popleft().data
        return b""

    def _check_continues(self) -> None:
        """Raise an error where a strict capture was cut: what was received then is not known."""
        if self._strict and not self._events:
            self._differ(f"{self._name} ends before the end of this reply")
        if self._next_is("dropped"):
            self._missing(self._events[0])
        if self._next_is("opened"):
            place = self._events[0].place
            self._differ(f"the session before {place} ends before the end of this reply")

    def _next_is(self, what: str, call: str | None = None) -> bool:
        if not self._events:
            return False
        line = self._events[0]
        return line.what == what and line.fields.get("call") == call

    def _next_request(self, data: bytes) -> CaptureLine:
        """Return the line of the next request, which must be `data`."""
        while self._events:
            line = self._events.popleft()
            if _is_request(line):
                if line.data != data:
                    self._differ(
                        f"another request than in the capture ({line.place}): "
                        f"sent {data.hex(' ')}, in the capture {line.data.hex(' ')}"
                    )
                self._remaining -= 1
                return line
            if line.what == "dropped":
                self._missing(line)
            if line.what == "failed" and line.fields.get("call") == "read":
                self._fail(line)
        return self._differ(f"{self._name} ends before this request: sent {data.hex(' ')}")

    def _equal_request(self, data: bytes) -> CaptureLine:
        """Return the line of a request that equals `data`; what followed it follows."""
        answers = self._answers.get(_comparable(data, tcp=self._tcp))
        if not answers:
            self._differ(f"{self._name} has no such request: sent {data.hex(' ')}")
        line, *following = answers.popleft() if len(answers) > 1 else answers[0]
        if self._tcp:  # the transaction id of the reply is that of the request
            following = [_renumbered(each, line.data[:2], data[:2]) for each in following]
        self._events = deque(following)
        return line

    def _missing(self, line: CaptureLine) -> NoReturn:
        self._differ(
            f"{line.place}: {line.missing} here, not written in time; replay with strict=False"
        )

    def _differ(self, difference: str) -> NoReturn:
        self._difference = difference
        raise self._error()

    def _check_same(self) -> None:
        if self._difference:
            raise self._error()

    def _error(self) -> WatlowReplayError:
        return WatlowReplayError(self._difference, context=ErrorContext(port=self._port))

    def _check_open(self) -> None:
        if not self._open:
            raise WatlowClosedError(
                "the port is closed; open it first", context=ErrorContext(port=self._port)
            )

    def _fail(self, line: CaptureLine) -> NoReturn:
        """Raise the error of the line; the port is lost unless it was a timeout."""
        kind = getattr(errors, str(line.fields.get("error")), None)
        allowed = (WatlowTransportError, WatlowConfigurationError, WatlowFrameError)
        if not (isinstance(kind, type) and issubclass(kind, allowed)):
            kind = WatlowConnectionError
        self._open = self._open and issubclass(kind, WatlowTimeoutError)
        message = str(line.fields.get("message", "the port failed"))
        raise kind(message, context=ErrorContext(port=self._port, request=line.data))


def _chosen(path: str | os.PathLike[str], lines: Iterable[CaptureLine], port: str | None) -> str:
    """Return the port to replay."""
    ports = list(dict.fromkeys(each.port for each in lines if each.port and _is_request(each)))
    names = ", ".join(ports)
    if not ports:
        raise WatlowConfigurationError(f"{shown(os.fspath(path))} has no request; {HINT}")
    if port is None and len(ports) > 1:
        raise WatlowConfigurationError(
            f"{shown(os.fspath(path))} has several ports: give port= one of {names}"
        )
    if port is not None and port not in ports:
        raise WatlowConfigurationError(
            f"port={shown(port)}: {shown(os.fspath(path))} has requests of {names}"
        )
    return port or ports[0]


def _is_request(line: CaptureLine) -> bool:
    return line.what == "sent" or (line.what == "failed" and line.fields.get("call") == "write")


def _comparable(request: bytes, *, tcp: bool) -> bytes:
    """Return what equal requests have in common: on Modbus TCP all but the transaction id."""
    return request[2:] if tcp else request


def _renumbered(line: CaptureLine, before: bytes, now: bytes) -> CaptureLine:
    """Return a line whose bytes begin with another transaction id, if it is `before`."""
    return line._replace(data=now + line.data[2:]) if line.data.startswith(before) else line


def _by_request(
    lines: Iterable[CaptureLine], *, tcp: bool
) -> dict[bytes, deque[list[CaptureLine]]]:
    """Return, for each request, what followed it each time; the request itself comes first.

    A request whose end was not captured is left out if there are others like it.
    """
    answers: dict[bytes, deque[list[CaptureLine]]] = {}
    latest: list[CaptureLine] = []
    for line in lines:
        if _is_request(line):
            latest = [line]
            answers.setdefault(_comparable(line.data, tcp=tcp), deque()).append(latest)
        elif line.what in ("received", "timeout") or line.fields.get("call") == "read":
            latest.append(line)
        elif line.what == "dropped":
            latest = []
    for request, each in answers.items():
        known = [lines for lines in each if len(lines) > 1 or lines[0].what == "failed"]
        answers[request] = deque(known or each)
    return answers
