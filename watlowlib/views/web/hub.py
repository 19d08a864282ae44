"""Gives each event to every viewer; a slow one delays neither the recording nor the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from watlowlib._internal.queues import BoundedQueue, ShutDown, put_dropping_oldest

MOST_VIEWERS = 80


class TooManyViewersError(Exception):
    """There are already `MOST_VIEWERS`."""


class Hub:
    """The viewers, each with a queue for one event: a newer one replaces it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest: bytes | None = None
        self._viewers: set[BoundedQueue[bytes]] = set()
        self._closed = False

    @property
    def viewers(self) -> int:
        """The number of viewers now."""
        return len(self._viewers)

    def publish(self, event: bytes) -> None:
        """Give `event` to all viewers, and to those that connect before the next event."""
        with self._lock:
            self._latest = event
            for viewer in self._viewers:
                with suppress(ShutDown):
                    put_dropping_oldest(viewer, event)

    @contextmanager
    def viewer(self) -> Iterator[BoundedQueue[bytes]]:
        """Add a viewer while the `with` block runs; yield its queue, with the latest event.

        Raises:
            TooManyViewersError: There are already `MOST_VIEWERS`.
        """
        queue: BoundedQueue[bytes] = BoundedQueue(1)
        with self._lock:
            if len(self._viewers) >= MOST_VIEWERS:
                raise TooManyViewersError
            if self._latest is not None:
                queue.put_nowait(self._latest)
            if self._closed:
                queue.shutdown()
            self._viewers.add(queue)
        try:
            yield queue
        finally:
            with self._lock:
                self._viewers.discard(queue)

    def close(self) -> None:
        """End the queues of all viewers, after the event that is in them."""
        with self._lock:
            self._closed = True
            for viewer in self._viewers:
                viewer.shutdown()
