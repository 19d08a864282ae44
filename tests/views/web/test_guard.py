"""Who may see the page: methods, Host, Origin and the token."""

from __future__ import annotations

from typing import Any

import pytest

from watlowlib.views.web.guard import Guard

TOKEN = "a-token"


def environ(host: str = "127.0.0.1:8080", method: str = "GET", **more: str) -> dict[str, Any]:
    return {"REQUEST_METHOD": method, "HTTP_HOST": host, **more}


def status(guard: Guard, given: dict[str, Any]) -> int:
    refusal = guard.refuse(given)
    return 200 if refusal is None else int(refusal.status[:3])


@pytest.mark.parametrize(
    ("bound", "host", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:8080", 200),
        ("127.0.0.1", "localhost:8080", 200),
        ("127.0.0.1", "LOCALHOST:8080", 200),
        ("127.0.0.1", "[::1]:8080", 200),
        ("127.0.0.1", "evil.example:8080", 421),
        ("127.0.0.1", "127.0.0.1.evil.example:8080", 421),
        ("127.0.0.1", "192.168.1.5:8080", 421),
        ("127.0.0.1", "127.0.0.1", 421),
        ("127.0.0.1", "127.0.0.1:8081", 421),
        ("127.0.0.1", "127.0.0.1:8080@evil.example", 421),
        ("127.0.0.1", "evil@127.0.0.1:8080", 421),
        ("127.0.0.1", "127.0.0.1:8080/", 421),
        ("127.0.0.1", "127.0.0.1:port", 421),
        ("127.0.0.1", "[::1", 421),
        ("127.0.0.1", "", 421),
        ("lab.example", "lab.example:8080", 200),
        ("lab.example", "192.168.1.5:8080", 421),
        ("0.0.0.0", "192.168.1.5:8080", 200),
        ("0.0.0.0", "[fd00::1]:8080", 200),
        ("0.0.0.0", "evil.example:8080", 421),
    ],
)
def test_only_names_of_the_page_itself_are_served(bound: str, host: str, expected: int) -> None:
    assert status(Guard(bound, 8080, None), environ(host)) == expected


def test_port_80_may_be_left_out_of_host() -> None:
    assert status(Guard("127.0.0.1", 80, None), environ("127.0.0.1")) == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get"])
def test_methods_other_than_get_and_head_are_refused(method: str) -> None:
    assert status(Guard("127.0.0.1", 8080, None), environ(method=method)) == 405


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("http://127.0.0.1:8080", 200),
        ("http://127.0.0.1:8081", 403),
        ("https://127.0.0.1:8080", 403),
        ("http://evil.example", 403),
        ("null", 403),
    ],
)
def test_another_page_is_refused(origin: str, expected: int) -> None:
    given = environ(HTTP_ORIGIN=origin)
    assert status(Guard("127.0.0.1", 8080, None), given) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, 403),
        ({"QUERY_STRING": f"token={TOKEN}"}, 200),
        ({"QUERY_STRING": "token="}, 403),
        ({"QUERY_STRING": "token=a-tokem"}, 403),
        ({"QUERY_STRING": "token=%C3%A4"}, 403),
        ({"HTTP_COOKIE": f"watlowlib_8080={TOKEN}"}, 200),
        ({"HTTP_COOKIE": f"watlowlib_8081={TOKEN}"}, 403),
        ({"HTTP_COOKIE": "watlowlib_8080=other"}, 403),
        ({"HTTP_COOKIE": "\x01;=="}, 403),
    ],
)
def test_a_viewer_needs_the_token(more: dict[str, str], expected: int) -> None:
    assert status(Guard("127.0.0.1", 8080, TOKEN), environ(**more)) == expected


def test_the_token_does_not_open_the_page_under_a_foreign_name() -> None:
    given = environ("evil.example:8080", QUERY_STRING=f"token={TOKEN}")
    assert status(Guard("0.0.0.0", 8080, TOKEN), given) == 421


def test_without_a_token_no_address_has_one() -> None:
    guard = Guard("127.0.0.1", 8080, None)
    assert not guard.has_token(environ(QUERY_STRING="token="))
