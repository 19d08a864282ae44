"""A port that was lost: how often it is opened again, and what is said meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest

from watlowlib._internal.clock import Deadline
from watlowlib.errors import WatlowConnectionError, WatlowPortNotFoundError
from watlowlib.protocol.line import REOPEN_FIRST_S, Line, PortStats
from watlowlib.transport.scripted import ScriptedTransport

PATIENCE_S = 10.0


class Unplugged(ScriptedTransport):
    """A port that cannot be opened until it is plugged in, and may be lost when used."""

    def __init__(self) -> None:
        super().__init__(lambda data: [b"answer"])
        self.plugged = False
        self.lost_at_once = False
        self.attempts = 0

    def open(self) -> None:
        self.attempts += 1
        if not self.plugged:
            raise WatlowPortNotFoundError("there is no port")
        super().open()

    def write(self, data: bytes, deadline: Deadline) -> None:
        if self.lost_at_once:
            self.close()
            raise WatlowConnectionError("the port was lost")
        super().write(data, deadline)


def asked(line: Line) -> bytes:
    line.send(b"question")
    return line.receive(Deadline.after(PATIENCE_S))


def until_answered(line: Line) -> Iterator[str]:
    """What the questions fail with until one is answered."""
    late = Deadline.after(PATIENCE_S)
    while not late.passed():
        try:
            assert asked(line) == b"answer"
            return
        except WatlowConnectionError as error:
            yield str(error)
    raise AssertionError("not opened again")


@pytest.fixture
def port() -> Unplugged:
    return Unplugged()


@pytest.fixture
def line(port: Unplugged) -> Line:
    return Line(port, PortStats(), quiet_s=0.0)


def most_attempts(since_s: float) -> int:
    # No pause is shorter than half of the first one.
    return 2 + int((time.monotonic() - since_s) / (REOPEN_FIRST_S / 2))


def test_a_lost_port_is_not_opened_at_every_question(port: Unplugged, line: Line) -> None:
    since_s = time.monotonic()
    for n in range(1000):
        with pytest.raises(WatlowConnectionError) as caught:
            asked(line)
        said = str(caught.value)
        assert "there is no port" in said
        # The attempt itself, and then what it came to.
        assert n > 0 or "tried again" not in said
    assert port.attempts <= most_attempts(since_s)


def test_it_is_opened_again_by_itself(
    port: Unplugged, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    late = Deadline.after(PATIENCE_S)
    while port.attempts < 3:
        assert not late.passed()
        with pytest.raises(WatlowConnectionError):
            asked(line)
    assert any("tried again in 0." in each for each in until_answered_after(port, line))
    assert line._stats.reconnects == 1
    messages = [each.message for each in caplog.records if each.levelno >= logging.WARNING]
    assert messages == [
        "port scripted was lost: there is no port",
        "port scripted is open again",
    ]


def until_answered_after(port: Unplugged, line: Line) -> list[str]:
    port.plugged = True
    return list(until_answered(line))


def test_after_an_answer_a_loss_is_a_new_one(port: Unplugged, line: Line) -> None:
    with pytest.raises(WatlowConnectionError):
        asked(line)
    until_answered_after(port, line)
    port.close()
    before = port.attempts
    assert asked(line) == b"answer"
    assert port.attempts == before + 1


def test_a_port_that_opens_and_is_lost_at_once_is_not_opened_at_every_question(
    port: Unplugged, line: Line
) -> None:
    port.plugged = port.lost_at_once = True
    since_s = time.monotonic()
    for _ in range(1000):
        with pytest.raises(WatlowConnectionError, match="the port was lost"):
            asked(line)
    assert port.attempts <= most_attempts(since_s)
    port.lost_at_once = False
    assert all("lost" in each for each in until_answered(line))
