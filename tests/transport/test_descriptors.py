"""Waiting for descriptors and sockets, with a poll object and with `select`."""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from watlowlib.transport import descriptors
from watlowlib.transport.descriptors import waiter


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


@pytest.fixture(params=["poll", "select"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the system waits."""
    if request.param == "select":  # as on Windows
        monkeypatch.setattr(descriptors, "POLL", None)
    return str(request.param)


@pytest.mark.parametrize("as_number", [False, True])
def test_a_wait_ends_when_there_is_something(
    way: str, as_number: bool, pair: tuple[socket.socket, socket.socket]
) -> None:
    one, other = pair
    device = one.fileno() if as_number else one
    wait = waiter(device)
    assert not wait(0)
    assert waiter(device, to_write=True)(10_000)
    other.send(b"x")
    assert wait(10_000)


def test_a_socket_that_was_closed_meanwhile_is_noticed(
    way: str, pair: tuple[socket.socket, socket.socket]
) -> None:
    wait = waiter(pair[0])
    pair[0].close()
    if way == "select":
        with pytest.raises(ValueError, match="file descriptor"):
            wait(10_000)
    else:
        assert wait(10_000)  # the next use of the socket fails


def test_on_macos_a_poll_object_waits_for_sockets_only(
    monkeypatch: pytest.MonkeyPatch, pair: tuple[socket.socket, socket.socket]
) -> None:
    def refuse(*arguments: object) -> Any:
        raise ValueError("select was called")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(select, "select", refuse)
    assert not waiter(pair[0])(0)
    with pytest.raises(ValueError, match="select was called"):
        waiter(pair[0].fileno())(0)
