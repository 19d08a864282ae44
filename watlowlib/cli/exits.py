"""The exit codes of the command, and the error that carries one."""

from __future__ import annotations

from watlowlib.errors import WatlowConfigurationError, WatlowError, WatlowTimeoutError

DONE, FAILED, USAGE, SILENT, WAITING = range(5)
"""Done; failed; wrong usage; nothing answered; rows are waiting and not delivered."""
INTERRUPTED = 130
"""Ended by Ctrl-C: 128 and the number of the signal, as shells report it."""


class CommandError(WatlowError):
    """An error that ends the command with exit code `code`."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: WatlowError) -> int:
    """Return the exit code for `error`."""
    if isinstance(error, CommandError):
        return error.code
    if isinstance(error, WatlowConfigurationError):
        return USAGE
    return SILENT if isinstance(error, WatlowTimeoutError) else FAILED
