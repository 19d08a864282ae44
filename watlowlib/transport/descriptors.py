"""Waits for the bytes of a file descriptor or socket, and moves them, in limited time.

A poll object takes half the time of `select.select`, and accepts descriptors above 1023. On macOS
it does not accept terminals. `select` waits for descriptors on macOS, and for everything on
Windows, which has no poll objects.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from watlowlib._internal.clock import Deadline

CHUNK = 256
"""How many bytes are read at a time: most replies are shorter, and a larger buffer costs more."""

MILLISECOND_S = 0.001

POLL: Callable[[], Any] | None = getattr(select, "poll", None)
"""Makes a poll object; None on Windows."""

if sys.platform != "win32":
    import fcntl
if TYPE_CHECKING:
    import socket

Wait: TypeAlias = Callable[[int], object]
"""Waits at most this many milliseconds; returns whether something is ready, or has failed."""


def waiter(device: int | socket.socket, *, to_write: bool = False) -> Wait:
    """Return a function that waits until a descriptor or socket can be read, or written.

    Give the socket itself: `select` then notices that another thread has closed it.
    """
    if POLL is not None and not (isinstance(device, int) and sys.platform == "darwin"):
        poller = POLL()
        poller.register(device, select.POLLOUT if to_write else select.POLLIN)
        return poller.poll  # type: ignore[no-any-return]
    if to_write:
        return lambda ms: select.select((), (device,), (), ms / 1e3)[1]
    return lambda ms: select.select((device,), (), (), ms / 1e3)[0]


def is_ready_by(deadline: Deadline, wait: Wait) -> bool:
    """Wait until a descriptor is ready, or until exactly the deadline; return whether it is."""
    while True:
        left_s = deadline.left_s()
        if wait(int(left_s * 1e3)):
            return True
        if left_s <= 0.0:
            return False
        if left_s < MILLISECOND_S:
            time.sleep(left_s)  # the wait has whole milliseconds


def read_some(fd: int | None) -> bytes:
    """Return the bytes of a device that is ready; none if the driver says to try again.

    Raises:
        TypeError: `fd` is None.
        OSError: It is ready without any: the device was removed, or another program reads it.
    """
    try:
        data = os.read(fd, CHUNK)  # type: ignore[arg-type] # None raises a TypeError
    except BlockingIOError:
        return b""
    if not data:
        raise OSError("it is ready, but has no data (removed, or read by another program too?)")
    return data


def write_some(fd: int | None, data: bytes) -> int:
    """Write what the driver accepts at once; return the number of bytes.

    Raises:
        TypeError: `fd` is None.
    """
    try:
        return os.write(fd, data)  # type: ignore[arg-type] # None raises a TypeError
    except BlockingIOError:
        return 0


def unlock(fd: int | None) -> None:
    """Release the lock of a port that is about to be closed; it may be lost already.

    A child process that was just forked still has the descriptor for a moment, and with it the
    lock, which would refuse the next opening.
    """
    if fd is not None and sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_UN)
