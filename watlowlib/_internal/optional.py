"""Import of optional dependencies, with an error that names the missing one."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from watlowlib.errors import WatlowSinkError


def import_optional(module: str, extra: str) -> Any:
    """Import `module` and return it.

    Raises:
        WatlowSinkError: It is not installed; the message has the command that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise WatlowSinkError(
            f"this needs {module.split('.')[0]} ({error}): pip install 'watlowlib[{extra}]'"
        ) from error
