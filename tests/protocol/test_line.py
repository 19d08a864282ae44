"""A lost port: how often it is opened again, and the errors meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest

from watlowlib._internal.clock import Deadline
from watlowlib.errors import WatlowConnectionError, WatlowPortNotFoundError, WatlowTimeoutError
from watlowlib.protocol.exchange import RetryPolicy
from watlowlib.protocol.line import REOPEN_FIRST_S, Line, OutageError, PortReopenedError, PortStats
from watlowlib.protocol.port import Port
from watlowlib.protocol.stdbus.client import StdBusClient
from watlowlib.protocol.stdbus.payloads import ReadRequest
from watlowlib.transport.scripted import ScriptedTransport

TIMEOUT_S = 10.0


class UnpluggedTransport(ScriptedTransport):
    """A port that cannot be opened while unplugged, and may be lost at each write."""

    def __init__(self) -> None:
        super().__init__(lambda data: [b"reply"])
        self.plugged = False
        self.lost_at_write = False
        self.attempts = 0

    def open(self) -> None:
        self.attempts += 1
        if not self.plugged:
            raise WatlowPortNotFoundError("there is no port")
        super().open()

    def write(self, data: bytes) -> None:
        if self.lost_at_write:
            self.close()
            raise WatlowConnectionError("the port was lost")
        super().write(data)


def exchange(line: Line) -> bytes:
    line.prepare()
    line.send(b"request")
    return line.receive(Deadline.after(TIMEOUT_S))


def errors_until_reply(line: Line) -> Iterator[str]:
    """Yield the errors of the requests until one gets a reply."""
    deadline = Deadline.after(TIMEOUT_S)
    while not deadline.passed():
        try:
            assert exchange(line) == b"reply"
            return
        except WatlowConnectionError as error:
            yield str(error)
    raise AssertionError("the port was not opened again")


@pytest.fixture
def port() -> UnpluggedTransport:
    return UnpluggedTransport()


@pytest.fixture
def line(port: UnpluggedTransport) -> Line:
    return Line(port, PortStats(), quiet_s=0.0)


def max_attempts(since_s: float) -> int:
    # No back-off pause is shorter than half of the first one.
    return 2 + int((time.monotonic() - since_s) / (REOPEN_FIRST_S / 2))


def test_lost_port_is_not_opened_at_every_request(port: UnpluggedTransport, line: Line) -> None:
    since_s = time.monotonic()
    for n in range(1000):
        with pytest.raises(WatlowConnectionError) as caught:
            exchange(line)
        message = str(caught.value)
        assert "there is no port" in message
        # The first request tries to open the port; only later ones report the back-off.
        assert n > 0 or "the next attempt" not in message
    assert port.attempts <= max_attempts(since_s)


def test_lost_port_is_opened_again(
    port: UnpluggedTransport, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    deadline = Deadline.after(TIMEOUT_S)
    while port.attempts < 3:
        assert not deadline.passed()
        with pytest.raises(WatlowConnectionError):
            exchange(line)
    assert any("attempt to open it is in 0." in error for error in plug_in_and_retry(port, line))
    assert line._stats.reconnects == 1
    messages = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert messages == [
        "port scripted was lost: there is no port",
        "port scripted is open again",
    ]


def plug_in_and_retry(port: UnpluggedTransport, line: Line) -> list[str]:
    port.plugged = True
    return list(errors_until_reply(line))


def test_reply_resets_the_backoff(port: UnpluggedTransport, line: Line) -> None:
    with pytest.raises(WatlowConnectionError):
        exchange(line)
    plug_in_and_retry(port, line)
    port.close()
    attempts = port.attempts
    assert exchange(line) == b"reply"
    assert port.attempts == attempts + 1


def test_the_cause_of_a_loss_is_named_without_the_backoff(
    port: UnpluggedTransport, line: Line
) -> None:
    for _ in range(2):  # the second one is usually within the back-off
        with pytest.raises(WatlowConnectionError) as caught:
            exchange(line)
    line.note_failure(caught.value)
    port.plugged = True
    line._backoff.succeeded()
    with pytest.raises(PortReopenedError, match=r"lost \(there is no port\); nothing was sent"):
        line.prepare(0)


def test_a_timeout_that_closes_the_connection_is_named_as_the_cause(
    port: UnpluggedTransport, line: Line
) -> None:
    line.note_failure(WatlowTimeoutError("the reply is incomplete"))
    port.plugged = True
    with pytest.raises(PortReopenedError, match=r"lost \(the reply is incomplete\); nothing"):
        line.prepare(0)


def test_a_request_that_is_refused_after_an_outage_is_not_named_as_the_cause(
    port: UnpluggedTransport,
) -> None:
    client = StdBusClient(Port(port))
    with pytest.raises(OutageError):
        client.read(1, ReadRequest(4, 1, 1), RetryPolicy(outages=1))
    port.plugged = True
    with pytest.raises(PortReopenedError, match="after it was lost; nothing was sent"):
        client.read(1, ReadRequest(4, 1, 1), RetryPolicy(opening=0))


def test_port_lost_right_after_opening_is_not_opened_at_every_request(
    port: UnpluggedTransport, line: Line
) -> None:
    port.plugged = port.lost_at_write = True
    since_s = time.monotonic()
    for _ in range(1000):
        with pytest.raises(WatlowConnectionError, match="the port was lost"):
            exchange(line)
    assert port.attempts <= max_attempts(since_s)
    port.lost_at_write = False
    assert all("lost" in error for error in errors_until_reply(line))
