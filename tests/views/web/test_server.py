"""Connections: their files are closed, and slow requests keep nobody out."""

from __future__ import annotations

import gc
import socket
import sys
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.forked import Child, in_child, needs_fork
from tests.views.web.viewer import events, free_port, request
from watlowlib.views.web import server as server_module
from watlowlib.views.web.board import Board
from watlowlib.views.web.page import WebPage

pytest.importorskip("bottle")
pytest.importorskip("cheroot")

PATIENCE_S = 20.0


def test_the_end_of_a_connection_sends_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    ours, viewer = socket.socketpair()
    connection = server_module.Connection(server_module.Server("127.0.0.1", 0, lambda *_: []), ours)
    viewer.close()
    with pytest.raises(OSError):  # noqa: PT011 - the message depends on the system
        connection.wfile.write(b"a reply")
    connection.close()
    assert ours.fileno() == -1
    assert connection.wfile.closed
    del connection, ours
    gc.collect()  # where Python 3.13 flushes a file that is still open, and reports the error
    assert unraisable == []


def test_viewers_of_events_need_no_thread_each() -> None:
    board = Board("run.csv", live=True, clock=lambda: 0.0)
    with WebPage(board, port=0) as page, ExitStack() as stack:
        viewers = [stack.enter_context(events(page.url)) for _ in range(3)]
        requests = page._server.requests
        with requests._changed:
            assert requests._changed.wait_for(lambda: not requests._active, PATIENCE_S)
        page.publish({"ticks": 1})
        for each in viewers:
            each.until(ticks=1)


def test_slow_requests_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(server_module, "REQUEST_S", 0.0)
    board = Board("run.csv", live=True, clock=lambda: 0.0)
    with WebPage(board, port=0) as page, ExitStack() as stack:
        parts = urlsplit(page.url)
        address = (parts.hostname, parts.port)
        slow = [
            stack.enter_context(socket.create_connection(address, PATIENCE_S)) for _ in range(2)
        ]
        for each in slow:
            each.sendall(b"GET / HTTP/1.1\r\nHos")
        assert request(page.url)[0] == 200
        assert [each.recv(1) for each in slow] == [b"", b""]


@needs_fork
def test_a_child_keeps_no_connection_and_does_not_end_the_page() -> None:
    board = Board("run.csv", live=True, clock=lambda: 0.0)
    with ExitStack() as stack:
        port = free_port()
        page = stack.enter_context(WebPage(board, port=port))
        with events(page.url) as viewer:
            page.publish({"ticks": 1})
            viewer.until(ticks=1)
            with page.hub._lock:  # as if a tick were being published
                assert in_child(lambda: page.__exit__(None, None, None)) is None
            with Child(Child.wait_for_parent):
                page.publish({"ticks": 2})
                viewer.until(ticks=2)
                stack.close()
                assert viewer.next() is None
                again = WebPage(board, port=port)
                assert request(stack.enter_context(again).url)[0] == 200


def test_a_connection_without_a_thread_is_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(worker: object) -> None:
        raise RuntimeError("can't start new thread")

    board = Board("run.csv", live=True, clock=lambda: 0.0)
    with WebPage(board, port=0) as page:
        with monkeypatch.context() as patched:
            patched.setattr(server_module.Worker, "start", fail)
            with pytest.raises(OSError):  # noqa: PT011 - the message depends on the system
                request(page.url)
        assert "a request was refused: 0 are being served" in caplog.text
        assert request(page.url)[0] == 200
