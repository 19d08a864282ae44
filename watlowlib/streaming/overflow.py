"""What a recording does when its consumer does not keep up."""

from __future__ import annotations

import queue
from contextlib import suppress
from enum import Enum

from watlowlib._internal.log import logger
from watlowlib._internal.queues import BoundedQueue, ShutDown, put_dropping_oldest, put_waiting
from watlowlib.model import Sample
from watlowlib.streaming.counters import Batch

log = logger(__name__)


class OverflowPolicy(str, Enum):
    """What a recording does when its consumer does not keep up."""

    BLOCK = "block"
    """Wait for the consumer; slots that pass meanwhile are skipped and counted."""
    DROP_NEWEST = "drop_newest"
    """Drop the batch just read, and count it."""
    DROP_OLDEST = "drop_oldest"
    """Drop the oldest batch in the queue, and count it."""


def put(batches: BoundedQueue[Batch], batch: Batch, policy: OverflowPolicy) -> list[Batch]:
    """Put `batch` into the queue; return what was dropped because the queue was full."""
    if policy is OverflowPolicy.DROP_OLDEST:
        return put_dropping_oldest(batches, batch)
    try:
        if policy is OverflowPolicy.BLOCK:
            put_waiting(batches, batch)
        else:
            batches.put_nowait(batch)
    except queue.Full:
        return [batch]
    return []


class Watch(BoundedQueue[list[Sample]]):
    """The lists of samples that wait for an observer; a new one replaces the oldest."""

    dropped = 0
    """The number of lists that were replaced; set before a later one can be taken."""

    def offer(self, samples: list[Sample]) -> None:
        """Put the samples of a tick into the queue at once, unless it was shut down."""
        with suppress(ShutDown):
            while True:
                try:
                    return self.put_nowait(samples)
                except queue.Full:
                    self.dropped += 1
                    with suppress(queue.Empty):
                        self.get_nowait()


class DropLog:
    """Logs the first dropped batch of a series, and the end of the series."""

    def __init__(self) -> None:
        self._dropped = 0

    def note(self, dropped: int, has_room: bool) -> None:
        """Note how many batches were dropped now, and whether the queue has room again."""
        if dropped and not self._dropped:
            log.warning("the consumer does not keep up: batches are being dropped")
        self._dropped += dropped
        if self._dropped and not dropped and has_room:
            log.warning("no more batches are being dropped; %d were", self._dropped)
            self._dropped = 0
