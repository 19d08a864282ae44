"""A page that is being served: its board and its viewers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.views.web.board import Board
from watlowlib.views.web.guard import Guard, Wsgi
from watlowlib.views.web.hub import Hub
from watlowlib.views.web.serving import DEFAULT_HOST, Serving

DEFAULT_PORT = 8080


class WebPage(Serving):
    """A live page, served in a `with` statement.

    Args:
        board: What it shows.
        host: The address to listen on. If other machines can reach it, viewers need a token,
            which is new each time and part of `url`.
        port: The port; 0 for any that is free.

    Raises:
        WatlowSinkDependencyError: bottle or cheroot is not installed.
    """

    def __init__(self, board: Board, *, host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> None:
        import_optional("bottle")
        super().__init__(host, port)
        self.board = board
        self.hub = Hub()

    def publish(self, health: Mapping[str, Any]) -> None:
        """Send the state of the board and `health` to all viewers."""
        self.hub.publish(partial(self.board.event, health))

    def __enter__(self) -> WebPage:
        """Listen on the address, and begin to serve; see `Serving`."""
        super().__enter__()
        self.hub.start()
        return self

    def _make_app(self, guard: Guard) -> Wsgi:
        from watlowlib.views.web.app import make_app

        return make_app(self.board, self.hub, guard)

    def close(self) -> None:
        """End all connections, each after the event that waits for it."""
        self.hub.close()
        super().close()
