"""Ends the process at once and quietly on a signal, while nothing has to be kept.

This module imports almost nothing: it is there before the slow imports of the command.
"""

import os
import signal


def end_at_once(number: int, frame: object) -> None:
    """End the process with the exit code of the signal."""
    os._exit(128 + number)


def end_on_signals() -> None:
    """Call `end_at_once` on SIGINT, SIGTERM and SIGHUP, unless they are ignored."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end_at_once)
