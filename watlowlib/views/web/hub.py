"""Sends each event to every viewer, all in one thread; a slow viewer delays nobody.

A viewer is the socket of a request whose headers have been sent. What waits for it is at most the
rest of the event that it is getting and the newest event: a newer one replaces that, so that no
event is cut and the memory is bounded. An event is built once, and only if there is a viewer.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, DefaultSelector

from watlowlib._internal.clock import Deadline
from watlowlib._internal.log import logger
from watlowlib._internal.queues import SLICE_S
from watlowlib._internal.threads import Worker

log = logger(__name__)

MOST_VIEWERS = 80

SEND_S = 10.0
"""How long a viewer may take no byte of what waits for it."""

STILL_HERE_S = 15.0
"""The longest time without a byte for a viewer: only sending shows that one is lost."""

LEAVE_S = 0.2
"""How long viewers may take to receive the last event."""

JOIN_S = 5.0

BEGIN = b"retry: 1000\n\n"
"""What a viewer gets with the headers."""

STILL_HERE = b": still here\n\n"
FULL = b"retry: 10000\nevent: full\ndata: {}\n\n"


class Viewer:
    """A socket, the rest of what it is getting, and what comes after that."""

    def __init__(self, sock: socket.socket, now_s: float) -> None:
        self.socket = sock
        self._rest = memoryview(b"")
        self._next = b""
        self.moved_s = now_s
        """When the socket last took a byte, or when it was given some after it had taken all."""

    @property
    def waits(self) -> bool:
        """Whether there is something that the socket has not taken yet."""
        return bool(self._rest or self._next)

    def give(self, event: bytes, now_s: float) -> None:
        """Send `event` next, instead of another one that has not been begun."""
        if not self.waits:
            self.moved_s = now_s
        self._next = event

    def send(self, now_s: float) -> None:
        """Send what the socket takes without waiting; an `OSError` means that it is lost."""
        with suppress(BlockingIOError):
            while self.waits:
                if not self._rest:
                    self._rest, self._next = memoryview(self._next), b""
                self._rest = self._rest[self.socket.send(self._rest) :]
                self.moved_s = now_s


class Hub:
    """The viewers and the thread that sends to them, between `start` and `close`.

    Args:
        clock: Returns the time in seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._make: Callable[[], bytes] | None = None
        """Builds the newest event; None once `_event` is that one."""
        self._event = b""
        self._new: list[Viewer] = []
        self._viewers: set[Viewer] = set()
        self._closed = False
        self._alarm: socket.socket | None = None
        self._worker = Worker("web-sender", self._run, self._end)

    @property
    def viewers(self) -> int:
        """The number of viewers now."""
        return len(self._viewers) + len(self._new)

    def start(self) -> None:
        """Begin to send."""
        self._woken, self._alarm = socket.socketpair()
        self._woken.setblocking(False)
        self._alarm.setblocking(False)
        self._worker.start()

    def publish(self, make: Callable[[], bytes]) -> None:
        """Send the event that `make` returns to all viewers, also to those that come later.

        It is called in the thread that sends, or never.
        """
        with self._lock:
            self._make = make
            if self.viewers:
                self._wake()

    def add(self, sock: socket.socket) -> None:
        """Take over the socket of a request for events, after its headers."""
        sock.setblocking(False)
        with self._lock:
            if not self._closed and self.viewers < MOST_VIEWERS:
                self._new.append(Viewer(sock, self._clock()))
                self._wake()
                return
        with sock, suppress(OSError):
            if not self._closed:
                sock.send(FULL)  # the buffer of a new connection has room for it

    def close(self) -> None:
        """End all viewers, each after the event that waits for it, or after `LEAVE_S`."""
        self._end()
        self._worker.join(JOIN_S)
        if self._worker.failure is not None:
            log.warning("the live page ended early: %r", self._worker.failure)

    def _end(self) -> None:
        with self._lock:
            self._closed = True
            self._wake()

    def _wake(self) -> None:
        if self._alarm is not None:
            with suppress(OSError):  # full, and hence awake; or closed
                self._alarm.send(b"\0")

    def _run(self) -> None:
        selector = DefaultSelector()
        with self._woken, selector:
            selector.register(self._woken, EVENT_READ)
            try:
                while not self._closed:
                    self._turn(selector, SLICE_S)
                deadline = Deadline.after(LEAVE_S)
                self._turn(selector, 0.0)
                while any(each.waits for each in self._viewers) and deadline.left_s() > 0:
                    self._turn(selector, deadline.left_s())
            finally:
                self._close_all()

    def _turn(self, selector: BaseSelector, wait_s: float) -> None:
        """Wait until there is something to do or `wait_s` have passed, and do it."""
        for key, mask in selector.select(wait_s):
            if key.data is None:
                with suppress(OSError):
                    self._woken.recv(4096)
            elif mask & EVENT_READ:  # its end: a viewer has nothing to say after its request
                self._drop(selector, key.data)
            else:
                self._send(selector, key.data)
        self._distribute(selector)
        now_s = self._clock()
        for viewer in list(self._viewers):
            silent_s = now_s - viewer.moved_s
            if viewer.waits and silent_s >= SEND_S:
                self._drop(selector, viewer)
            elif not viewer.waits and silent_s >= STILL_HERE_S:
                viewer.give(STILL_HERE, now_s)
                self._send(selector, viewer)

    def _distribute(self, selector: BaseSelector) -> None:
        """Give the newest event to all, and to new viewers also if the others have it."""
        with self._lock:
            new, self._new = self._new, []
            self._viewers |= set(new)
            make = self._make if self._viewers else None
            self._make = None if make else self._make
        for viewer in new:
            selector.register(viewer.socket, EVENT_READ, viewer)
        if make:
            self._event = make()
        now_s = self._clock()
        for viewer in list(self._viewers) if make else new:
            if self._event:
                viewer.give(self._event, now_s)
            self._send(selector, viewer)

    def _send(self, selector: BaseSelector, viewer: Viewer) -> None:
        try:
            viewer.send(self._clock())
        except OSError:
            self._drop(selector, viewer)
            return
        wanted = EVENT_READ | (EVENT_WRITE if viewer.waits else 0)
        if selector.get_key(viewer.socket).events != wanted:
            selector.modify(viewer.socket, wanted, viewer)

    def _drop(self, selector: BaseSelector, viewer: Viewer) -> None:
        selector.unregister(viewer.socket)
        viewer.socket.close()
        self._viewers.discard(viewer)

    def _close_all(self) -> None:
        """Close all sockets; later ones are closed by `add`."""
        with self._lock:
            self._closed = True
            viewers = [*self._viewers, *self._new]
            self._viewers, self._new = set(), []
            if self._alarm is not None:
                self._alarm.close()
        for viewer in viewers:
            viewer.socket.close()
