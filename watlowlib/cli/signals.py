"""Signals while a command runs: Ctrl-C, SIGTERM and SIGHUP are raised as exceptions."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from watlowlib.cli.quiet import end_at_once

ENDING_SIGNALS = ("SIGTERM", "SIGHUP")
"""Names of the signals that end the command; Windows has no SIGHUP."""


class TerminatedError(BaseException):
    """Raised on SIGTERM and SIGHUP: the command ends in the same way as after Ctrl-C.

    Attributes:
        code: The exit code, 128 and the number of the signal, as shells report it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number


@contextmanager
def signals_raise() -> Iterator[None]:
    """Raise `KeyboardInterrupt` on SIGINT, and `TerminatedError` on SIGTERM and SIGHUP.

    A signal that is ignored (by nohup) or has a handler of the calling program stays so.
    """
    before = {number: signal.getsignal(number) for number in _ours()}
    for number in before:
        interrupt = number == signal.SIGINT
        signal.signal(number, signal.default_int_handler if interrupt else _raise_terminated)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def first_signal_only() -> Iterator[None]:
    """Ignore the signals that follow the first one, so that they do not interrupt the end."""
    handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            handlers[number](number, frame)

    if threading.current_thread() is threading.main_thread():
        for number in _ending_numbers():
            handler = signal.getsignal(number)
            if handler in (_raise_terminated, signal.default_int_handler):
                handlers[number] = handler
                signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _ending_numbers() -> list[int]:
    names = ("SIGINT", *ENDING_SIGNALS)
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def _ours() -> list[int]:
    """Return the signals that have no handler of the calling program."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [n for n in _ending_numbers() if signal.getsignal(n) in (signal.SIG_DFL, end_at_once)]


def _raise_terminated(number: int, frame: object) -> None:
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is not None and signal.getsignal(hangup) is _raise_terminated:
        # The shell and the system both send SIGHUP: a second one must not interrupt the end.
        signal.signal(hangup, signal.SIG_IGN)
    if number == hangup:
        _discard_lost_terminal()
    raise TerminatedError(number)


def _discard_lost_terminal() -> None:
    """Send the output to the null device if its terminal was closed: a write would fail."""
    for descriptor in (1, 2):
        try:
            os.get_terminal_size(descriptor)
        except OSError as error:  # anything but EIO: a file or a pipe
            if error.errno == errno.EIO:
                discard_output(descriptor)


def discard_output(descriptor: int) -> None:
    """Send what is written to `descriptor` to the null device."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)
