"""Late replies: the requests to each station whose reply may still come.

A station replies to one request after the other, but a reply may be late or may never come. So
a received frame belongs to the earliest pending request that it fits, or to a later one; the
replies to all requests before that one will never come. A frame is therefore accepted only if
the earliest request that it fits belongs to the current read or write.

Replies with equal `reply_key` cannot be told apart. Before a request is sent whose reply could be
taken for a pending one, the client sends a marker: a read with another `reply_key`. Its reply
shows that the pending replies have come or will never come.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Hashable, Set
from typing import Any, Generic, NamedTuple

from watlowlib.protocol.exchange import F, Request

LATE_REPLY_S = 30.0
"""How long after its timeout a reply is expected."""

NO_KEYS: frozenset[Hashable] = frozenset()


class PendingReply(NamedTuple):
    """A request whose reply may still come.

    Attributes:
        request: The request.
        group: Equal for the attempts of one read or write; any of their replies is accepted.
        until_s: When the reply is no longer expected, on the monotonic clock.
    """

    request: Request[Any]
    group: object
    until_s: float


class PendingReplies(Generic[F]):
    """The pending replies of each station, in the order of the requests."""

    def __init__(self) -> None:
        self._pending: defaultdict[int, list[PendingReply]] = defaultdict(list)

    @property
    def expired(self) -> bool:
        """Whether no reply is expected any more."""
        now_s = time.monotonic()
        return all(
            reply.until_s <= now_s for replies in self._pending.values() for reply in replies
        )

    def add_earlier(self, earlier: PendingReplies[F] | None) -> None:
        """Add the pending replies of an earlier client of the same port."""
        if earlier is not None:
            self._pending.update(earlier._pending)

    def add(self, request: Request[F], group: object, timeout_s: float) -> None:
        """Add a request that is about to be sent and awaited for `timeout_s`."""
        now_s = time.monotonic()
        pending = self._pending[request.station]
        if pending and pending[0].until_s < now_s:
            pending[:] = [reply for reply in pending if reply.until_s >= now_s]
        pending.append(PendingReply(request, group, now_s + timeout_s + LATE_REPLY_S))

    def match(self, frame: F) -> PendingReply | None:
        """Return the earliest request that `frame` fits, and remove it and the earlier ones."""
        pending = self._pending.get(frame.source, [])
        for place, reply in enumerate(pending):
            if reply.request.fits(frame):
                del pending[: place + 1]
                return reply
        return None

    def conflicting_keys(self, request: Request[F], group: object) -> Set[Hashable]:
        """Return the keys that a marker before `request` must not have; empty if none is needed.

        They are the key of `request` and those of the pending replies up to the last one that
        has this key and belongs to another group.
        """
        pending = self._pending.get(request.station)
        if not pending:
            return NO_KEYS
        now_s = time.monotonic()
        for place in range(len(pending) - 1, -1, -1):
            reply = pending[place]
            if (
                reply.request.reply_key == request.reply_key
                and reply.group is not group
                and reply.until_s > now_s
            ):
                return {earlier.request.reply_key for earlier in pending[: place + 1]}
        return NO_KEYS
