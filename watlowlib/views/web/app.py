"""The replies of the web server: the page, the events and the trends."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from importlib import resources
from typing import Any

import bottle

from watlowlib.views.web.board import Board
from watlowlib.views.web.guard import Guard, Wsgi, guarded
from watlowlib.views.web.history import WINDOWS
from watlowlib.views.web.hub import BEGIN, Hub
from watlowlib.views.web.server import TAKES_OVER

KINDS = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "chart.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files of the page and their content types."""


def make_app(board: Board, hub: Hub, guard: Guard) -> Wsgi:
    """Return the WSGI application, which asks `guard` first."""
    return guarded(_routes(board, hub), guard)


def _routes(board: Board, hub: Hub) -> Any:
    app = bottle.Bottle()
    app.default_error_handler = _plain_error
    folder = resources.files(__package__) / "static"
    files = {name: (folder / name).read_bytes() for name in KINDS}

    @app.get("/")  # type: ignore[untyped-decorator]
    @app.get("/<name>")  # type: ignore[untyped-decorator]
    def _file(name: str = "index.html") -> bytes:
        if name not in files:
            bottle.abort(404, "There is no such page.")
        bottle.response.content_type = KINDS[name]
        return files[name]

    @app.get("/events")  # type: ignore[untyped-decorator]
    def _events() -> Iterator[bytes]:
        bottle.response.content_type = "text/event-stream"
        if bottle.request.method == "GET":
            bottle.request.environ[TAKES_OVER] = hub.add
        return iter([BEGIN])

    @app.get("/history/<window:int>")  # type: ignore[untyped-decorator]
    def _history(window: int) -> Iterator[bytes]:
        if window not in WINDOWS:
            bottle.abort(404, f"Windows have {', '.join(map(str, WINDOWS))} seconds.")
        bottle.response.content_type = "application/json"
        if "gzip" not in bottle.request.get_header("Accept-Encoding", ""):
            return board.history(window)
        bottle.response.set_header("Content-Encoding", "gzip")
        return _compressed(board.history(window))

    return app


def _compressed(parts: Iterator[bytes]) -> Iterator[bytes]:
    gzip = zlib.compressobj(level=1, wbits=31)
    for part in parts:
        yield gzip.compress(part)
    yield gzip.flush()


def _plain_error(error: Any) -> str:
    bottle.response.content_type = "text/plain"
    return f"{error.body}\n"
