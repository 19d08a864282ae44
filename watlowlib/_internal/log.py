"""Loggers that import `logging` when they are used first.

A script that opens a controller and reads it logs nothing: it starts faster without `logging`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from logging import Logger


class _Logger:
    """A stand-in for `logging.getLogger(name)` that gets each attribute when it is first used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        try:
            import logging
        except ImportError:  # the interpreter is exiting, and imports nothing any more
            return lambda *args, **options: None
        _add_null_handler()
        value = getattr(logging.getLogger(self._name), attribute)
        setattr(self, attribute, value)
        return value


@lru_cache(maxsize=1)
def _add_null_handler() -> None:
    """Give the package a handler, once: without any handler `logging` prints warnings."""
    import logging

    logging.getLogger("watlowlib").addHandler(logging.NullHandler())


def logger(name: str) -> Logger:
    """Return the logger `name`."""
    return cast("Logger", _Logger(name))
