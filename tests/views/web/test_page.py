"""The server: its replies, its headers, its errors, and its end with viewers connected."""

from __future__ import annotations

import gzip
import json
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import resources
from urllib.parse import urlsplit

import pytest

from tests.views.web.viewer import events, request
from watlowlib.errors import WatlowConfigurationError
from watlowlib.views.web import page as page_module
from watlowlib.views.web.board import Board, Point
from watlowlib.views.web.page import WebPage

pytest.importorskip("bottle")
pytest.importorskip("cheroot")

POINT = Point("oven", "process_value", 4001, 1, 72.4, "°F", "ok", 1000.0, 50.0)
TRENDS = [[["oven", "process_value", 1], [[1000.0, 72.4, 72.4, False]]]]


def new_board() -> Board:
    board = Board("run.csv", live=True, clock=lambda: 50.0)
    board.add([POINT])
    return board


@pytest.fixture
def page() -> Iterator[WebPage]:
    with WebPage(new_board(), port=0) as serving:
        yield serving


def test_every_file_of_the_page_is_served_and_loads_nothing_from_elsewhere(page: WebPage) -> None:
    folder = resources.files(page_module.__package__) / "static"
    names = sorted(each.name for each in folder.iterdir())
    assert len(names) == 5
    for name in names:
        status, headers, body = request(page.url + name)
        assert (status, body) == (200, (folder / name).read_bytes())
        assert headers["Content-Type"].partition(";")[0] != "application/octet-stream"
        assert not re.search(rb"(src|href|url\(|from|import)\W+(https?:)?//", body), name


def test_every_reply_has_a_strict_policy(page: WebPage) -> None:
    foreign = {"Host": "evil.example"}
    for path, given in (("", {}), ("history/300", {}), ("nothing", {}), ("", foreign)):
        _, headers, _ = request(page.url + path, headers=given)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers


def test_foreign_names_pages_and_methods_are_refused(page: WebPage) -> None:
    assert request(page.url + "events", headers={"Host": "evil.example"})[0] == 421
    assert request(page.url + "events", headers={"Origin": "http://evil.example"})[0] == 403
    status, headers, _ = request(page.url, "POST")
    assert (status, headers["Allow"]) == (405, "GET, HEAD")
    assert request(page.url + "nothing")[0] == 404
    assert request(page.url + "../page.py")[0] == 404
    assert request(page.url + "history/7")[0] == 404


def test_head_has_no_body_and_does_not_wait_for_events(page: WebPage) -> None:
    for path in ("", "events", "history/300"):
        assert request(page.url + path, "HEAD")[::2] == (200, b"")
    assert page.hub.viewers == 0


def test_trends_are_compressed_for_viewers_that_accept_gzip(page: WebPage) -> None:
    assert json.loads(request(page.url + "history/300")[2]) == TRENDS
    _, headers, body = request(page.url + "history/300", headers={"Accept-Encoding": "gzip"})
    assert headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(body)) == TRENDS


def test_all_viewers_get_each_event_and_the_end(page: WebPage) -> None:
    with ExitStack() as stack:
        viewers = [stack.enter_context(events(page.url)) for _ in range(5)]
        for ticks in (1, 2):
            page.publish({"ticks": ticks})
            for each in viewers:
                each.until(ticks=ticks)
        page.publish({"ticks": 3})
        page.close()
        for each in viewers:
            each.until(ticks=3)
            assert each.next() is None


def test_a_viewer_that_does_not_read_delays_no_one(
    page: WebPage, caplog: pytest.LogCaptureFixture
) -> None:
    parts = urlsplit(page.url)
    with socket.create_connection((parts.hostname, parts.port)) as stuck, events(page.url) as other:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.sendall(f"GET /events HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        stuck.recv(100)  # it is being served
        for number in range(40):
            page.publish({"ticks": number, "long": "x" * 200_000})
            other.until(ticks=number)
        page.close()
    assert "has not ended" not in caplog.text  # nor the thread that waits for its viewer


def test_another_address_needs_the_token_of_its_url(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), WebPage(new_board(), host="127.0.0.2", port=0) as page:
        url, _, token = page.url.partition("?token=")
        assert len(token) >= 32
        assert request(url)[0] == 403
        assert request(url + "?token=" + token[::-1])[0] == 403
        status, headers, _ = request(page.url)
        assert status == 200
        cookie, *options = headers["Set-Cookie"].split("; ")
        assert {"HttpOnly", "SameSite=Strict"} <= set(options)
        assert request(url + "history/300", headers={"Cookie": cookie})[0] == 200
        assert "Set-Cookie" not in request(url, headers={"Cookie": cookie})[1]
    assert token not in caplog.text


def test_the_tokens_of_two_pages_differ() -> None:
    with WebPage(new_board(), host="127.0.0.2", port=0) as one:
        with WebPage(new_board(), host="127.0.0.2", port=0) as other:
            assert one.url.partition("?")[2] != other.url.partition("?")[2]


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("127.0.0.1", "port [0-9]+ on 127.0.0.1 is in use by another program; give another port"),
        ("192.0.2.77", "192.0.2.77 is not an address of this machine"),
        ("host.invalid", "host.invalid is not an address of this machine"),
    ],
)
def test_an_address_that_cannot_be_used_is_named(host: str, message: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        page = WebPage(new_board(), host=host, port=other.getsockname()[1])
        with pytest.raises(WatlowConfigurationError, match=message):
            page.__enter__()
