"""The interpreter's switch interval, lowered while something needs the processor in time.

A thread that computes in pure Python lets a waiting thread run only after the switch interval, 5 ms
by default, and a read over a serial line waits for its turn several times. There is one interval
for the whole interpreter: here it is the smallest that is wanted at the time, and goes back to
what it was when nothing wants another. A value that the program sets meanwhile stays.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from watlowlib._internal.process import run_in_child
from watlowlib._internal.validation import as_positive

SWITCH_INTERVAL_S = 0.0005
"""The switch interval while a recording runs, by default."""

_lock = threading.Lock()
_wanted_us: list[int] = []
_before_us = _ours_us = 0
"""The interval that the program had, and the one that was set here last, in microseconds."""


def as_switch_interval(seconds: float | None) -> float | None:
    """Return a switch interval in seconds; None to leave it alone.

    Raises:
        WatlowConfigurationError: It is not above 0 and at most 1.
    """
    if seconds is None:
        return None
    return as_positive("switch_interval", seconds, 1.0, "seconds, or None to leave it alone")


@contextmanager
def lowered(seconds: float | None) -> Iterator[None]:
    """Lower the switch interval to `seconds` within a `with` block; None leaves it alone."""
    if seconds is None:
        yield
        return
    wanted_us = max(1, round(seconds * 1e6))
    _begin(wanted_us)
    try:
        yield
    finally:
        _end(wanted_us)


def _begin(wanted_us: int) -> None:
    global _before_us
    with _lock:
        if not _wanted_us or _current_us() != _ours_us:
            _before_us = _current_us()
        _wanted_us.append(wanted_us)
        _set()


def _end(wanted_us: int) -> None:
    with _lock:
        _wanted_us.remove(wanted_us)
        if _current_us() == _ours_us:
            _set()


def _set() -> None:
    global _ours_us
    _ours_us = min([_before_us, *_wanted_us])
    # The interpreter cuts the fraction of a microsecond off.
    sys.setswitchinterval((_ours_us + 0.5) / 1e6)


def _current_us() -> int:
    return round(sys.getswitchinterval() * 1e6)


def _leave_in_child() -> None:
    """Restore the interval in a forked child, which has none of the threads that wanted another."""
    global _lock
    _lock = threading.Lock()
    if _wanted_us and _current_us() == _ours_us:
        _wanted_us.clear()
        _set()
    _wanted_us.clear()


run_in_child(_leave_in_child)
