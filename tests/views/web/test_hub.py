"""Viewers: the newest event wins, none is cut, and no viewer delays another."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from watlowlib.views.web.hub import FULL, MOST_VIEWERS, SEND_S, STILL_HERE, STILL_HERE_S, Hub

PATIENCE_S = 20.0
LARGE = 2_000_000
"""The length of an event that no buffer of a socket takes at once."""


class Peer:
    """The other end of a viewer's socket."""

    def __init__(self, hub: Hub) -> None:
        self.socket, viewer = socket.socketpair()
        self.socket.settimeout(PATIENCE_S)
        self._file = self.socket.makefile("rb")
        hub.add(viewer)

    def line(self) -> bytes:
        """Return the next line; b"" at the end."""
        return self._file.readline()

    def close(self) -> None:
        self._file.close()
        self.socket.close()


def event(number: int, length: int = 1) -> Callable[[], bytes]:
    return lambda: b"%d" % number * length + b"\n"


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def hub(now: list[float]) -> Iterator[Hub]:
    hub = Hub(lambda: now[0])
    hub.start()
    yield hub
    hub.close()


@pytest.fixture
def connect(hub: Hub) -> Iterator[Callable[[], Peer]]:
    peers: list[Peer] = []

    def connect() -> Peer:
        peers.append(Peer(hub))
        return peers[-1]

    yield connect
    for each in peers:
        each.close()


def test_a_slow_viewer_gets_whole_events_and_the_newest_while_the_others_get_all(
    hub: Hub, connect: Callable[[], Peer]
) -> None:
    slow, quick = connect(), connect()
    for number in (1, 2, 3):
        hub.publish(event(number, LARGE))
        assert quick.line() == b"%d" % number * LARGE + b"\n"
    assert slow.line() == b"1" * LARGE + b"\n"  # had been begun
    assert slow.line() == b"3" * LARGE + b"\n"


def test_an_event_is_built_once_and_only_for_a_viewer(
    hub: Hub, connect: Callable[[], Peer]
) -> None:
    built: list[int] = []

    def build() -> bytes:
        built.append(1)
        return b"1\n"

    hub.publish(build)
    hub.publish(build)
    assert connect().line() == b"1\n"
    assert connect().line() == b"1\n"  # at once, although nothing was published meanwhile
    assert built == [1]


def test_a_viewer_that_leaves_is_removed(hub: Hub, connect: Callable[[], Peer]) -> None:
    hub.publish(event(1))
    left = connect()
    assert left.line() == b"1\n"
    left.close()
    assert connect().line() == b"1\n"
    assert hub.viewers == 1


def test_a_viewer_that_takes_nothing_is_closed(
    hub: Hub, now: list[float], connect: Callable[[], Peer]
) -> None:
    stuck, quick = connect(), connect()
    hub.publish(event(1, LARGE))
    assert len(quick.line()) == LARGE + 1
    now[0] += SEND_S
    for number in (2, 3):
        hub.publish(event(number))
        assert quick.line() == b"%d\n" % number
    assert len(stuck.line()) < LARGE  # then it ends
    assert hub.viewers == 1


def test_a_viewer_without_events_gets_a_comment(
    hub: Hub, now: list[float], connect: Callable[[], Peer]
) -> None:
    hub.publish(event(1))
    viewer = connect()
    assert viewer.line() == b"1\n"
    now[0] += STILL_HERE_S
    connect()  # wakes the thread at once
    assert viewer.line() + viewer.line() == STILL_HERE


def test_the_last_event_arrives_before_the_end(hub: Hub, connect: Callable[[], Peer]) -> None:
    viewer = connect()

    def build() -> bytes:
        hub.publish(event(2))
        hub._end()
        return b"1\n"

    hub.publish(build)
    assert [viewer.line() for _ in range(3)] == [b"1\n", b"2\n", b""]
    assert connect().line() == b""


def test_the_end_does_not_wait_for_a_viewer_that_takes_nothing(
    hub: Hub, connect: Callable[[], Peer]
) -> None:
    stuck, quick = connect(), connect()
    hub.publish(event(1, LARGE))
    assert len(quick.line()) == LARGE + 1
    hub.close()
    assert len(stuck.line()) < LARGE


def test_viewers_beyond_the_limit_are_refused(hub: Hub, connect: Callable[[], Peer]) -> None:
    hub.publish(event(1))
    held = [connect() for _ in range(MOST_VIEWERS)]
    assert {each.line() for each in held} == {b"1\n"}
    refused = connect()
    assert b"".join(iter(refused.line, b"")) == FULL
    held[0].close()
    hub.publish(event(2))
    assert held[1].line() == b"2\n"
    hub.publish(event(3))
    assert held[1].line() == b"3\n"
    assert connect().line() == b"3\n"


def test_an_event_that_cannot_be_built_is_in_the_log(
    hub: Hub, connect: Callable[[], Peer], caplog: pytest.LogCaptureFixture
) -> None:
    viewer = connect()
    hub.publish(lambda: b"%d" % "one")  # type: ignore[str-bytes-safe]
    assert viewer.line() == b""
    hub.close()
    assert "the live page ended early: TypeError" in caplog.text
