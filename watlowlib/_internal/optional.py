"""Libraries that not everybody has: named when one is needed and not there."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from watlowlib.errors import WatlowSinkError


def import_optional(module: str, extra: str) -> Any:
    """The library `module`, imported now.

    Raises:
        WatlowSinkError: It is not installed; the message has the command that brings it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise WatlowSinkError(
            f"this needs {module.split('.')[0]} ({error}): pip install 'watlowlib[{extra}]'"
        ) from error
