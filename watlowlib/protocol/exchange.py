"""The types of an exchange, for either protocol: requests, frames, replies and policies."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from datetime import datetime, timezone
from typing import NamedTuple, Protocol, TypeVar

from watlowlib._internal.clock import Deadline
from watlowlib.model import Unit
from watlowlib.protocol import trace

DEFAULT_TIMEOUT_S = 0.5
"""How long to wait for a reply by default."""

LONGEST_TIMEOUT_S = 3600.0

SLICE = 512
"""How many bytes are decoded before the deadline is checked."""

MOST_RECEIVED = 4096
"""How many of the bytes of an exchange are kept for its error, and of the stale bytes before it."""


class RetryPolicy(NamedTuple):
    """How long to wait for a reply, and how often to retry.

    Attributes:
        timeout_s: Seconds to wait for a reply.
        retries: How often to retry.
        opening: The opening of the port (`PortStats.reconnects`) for which requests are meant;
            after another they are not sent. None for any.
        outages: The number of outages (`DeviceStats.outages`) with which requests are sent; after
            another outage they are not. None for any.
    """

    timeout_s: float = DEFAULT_TIMEOUT_S
    retries: int = 1
    opening: int | None = None
    outages: int | None = None

    def for_call(self, timeout_s: float) -> RetryPolicy:
        """Return a policy with this timeout and without retries."""
        return self._replace(timeout_s=timeout_s, retries=0)

    def single_attempt(self, within_s: float | None) -> RetryPolicy:
        """Return a policy without retries and with a timeout of at most `within_s` (None: self).

        A timeout above the default is kept, because the controller needs that long.
        """
        if within_s is None:
            return self
        slow = self.timeout_s > DEFAULT_TIMEOUT_S
        return RetryPolicy(self.timeout_s if slow else min(self.timeout_s, within_s), 0)


class WriteOptions(NamedTuple):
    """Options of a write.

    Attributes:
        readable: Whether the stored value can be read back.
        skip_unchanged: Whether to read first, and skip the write if the value is stored already.
        on_send: Called before each time the write is sent.
        scale: The scale that a temperature was converted to; None if it was not.
    """

    readable: bool = True
    skip_unchanged: bool = False
    on_send: Callable[[], None] = lambda: None
    scale: Unit | None = None


class Reply(NamedTuple):
    """The reply to a call: its content, the whole frame, and the times."""

    content: bytes
    raw: bytes
    requested_at: datetime
    latency_s: float
    monotonic_ns: int


class ReceivedFrame(Protocol):
    """A received frame with correct checksums."""

    @property
    def source(self) -> int:
        """The station that sent the frame."""

    @property
    def payload(self) -> bytes:
        """The payload of the frame."""

    @property
    def raw(self) -> bytes:
        """The bytes on the wire."""


F = TypeVar("F", bound=ReceivedFrame)
F_in = TypeVar("F_in", bound=ReceivedFrame, contravariant=True)
F_out = TypeVar("F_out", bound=ReceivedFrame, covariant=True)


class Request(Protocol[F_in]):
    """A request: its bytes, its station, and how a reply to it begins."""

    @property
    def frame(self) -> bytes:
        """The bytes to send."""

    @property
    def station(self) -> int:
        """The station that gets the request; `ReceivedFrame.source` of its reply."""

    @property
    def address(self) -> int:
        """The address of the station, as users count it."""

    @property
    def counter(self) -> Hashable:
        """The key of the controller's counters: the station, or also its zone of a gateway."""

    @property
    def expected(self) -> bytes:
        """The first bytes of the reply's payload, before the content."""

    @property
    def reply_key(self) -> Hashable:
        """What a reply shows; replies to requests with equal keys cannot be told apart."""

    @property
    def wire_s(self) -> float:
        """Seconds that request and reply take on the wire, where that is significant."""

    def fits(self, frame: F_in) -> bool:
        """Whether `frame` is a reply to this request, with a value or an error."""


class Decoder(Protocol[F_out]):
    """Finds frames in bytes that arrive in any portions."""

    @property
    def pending(self) -> bytes:
        """The bytes kept because they may belong to a frame."""

    def feed(self, data: bytes) -> Sequence[F_out]:
        """Add the next portion and return the frames that are complete now."""

    @property
    def damaged(self) -> int:
        """The number of damaged frames."""


def decode_until(deadline: Deadline, decoder: Decoder[F], data: bytes) -> Iterator[F]:
    """Yield the frames that `data` completes, up to the deadline, because noise takes time.

    The first slice is decoded in any case: a reply may arrive at the last moment.
    """
    for at in range(0, len(data), SLICE):
        yield from decoder.feed(data[at : at + SLICE])
        if deadline.passed():
            return


class Call:
    """One read or write of the client, with its start time; it may need several exchanges.

    Attributes:
        policy: Timeout and retries.
        urgent: Whether it gets the port before other calls that wait for it.
        traced: Whether its frames are logged.
        started_s: When it began, on the monotonic clock.
        started_at: When it began, on the wall clock.
        group: Only replies to the requests of this group are accepted; see `PendingReply`.
    """

    __slots__ = ("group", "policy", "started_at", "started_s", "traced", "urgent")

    def __init__(self, policy: RetryPolicy, *, urgent: bool = False) -> None:
        self.policy = policy
        self.urgent = urgent
        self.traced = trace.enabled()
        # In this order the times of a reply include the exchange, also if the thread is
        # interrupted between the two.
        self.started_s = time.monotonic()
        self.started_at = datetime.now(timezone.utc)
        self.group: object = None

    def make_reply(self, content: bytes, raw: bytes) -> Reply:
        """Return the content and the frame of a reply, with the call's start time and latency."""
        now_ns = time.monotonic_ns()
        return Reply(content, raw, self.started_at, now_ns / 1e9 - self.started_s, now_ns)
