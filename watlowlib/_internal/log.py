"""Loggers that import `logging` when they are used first.

A script that opens a controller and reads it logs nothing: it starts faster without `logging`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from logging import Logger


class _Logger:
    """A stand-in for `logging.getLogger(name)` that gets each attribute when it is first used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        import logging

        package = logging.getLogger("watlowlib")
        if not package.handlers:  # without a handler `logging` prints warnings
            package.addHandler(logging.NullHandler())
        value = getattr(logging.getLogger(self._name), attribute)
        setattr(self, attribute, value)
        return value


def logger(name: str) -> Logger:
    """Return the logger `name`."""
    return cast("Logger", _Logger(name))
