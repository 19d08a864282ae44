"""What an exchange is made of, whatever is spoken: questions, frames, and what was told."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import NamedTuple, Protocol, TypeVar

DEFAULT_TIMEOUT_S = 0.5
"""How long to wait where nobody says that it is to be longer."""


class RetryPolicy(NamedTuple):
    """How long to wait for an answer, and how often to ask again.

    Attributes:
        timeout_s: Seconds to wait.
        retries: How often to ask again.
        early_s: How many seconds before the usual time waiting ends; so much longer the answer
            may still come.
    """

    timeout_s: float = DEFAULT_TIMEOUT_S
    retries: int = 1
    early_s: float = 0.0

    def single_attempt(self, within_s: float | None) -> RetryPolicy:
        """To ask once, and wait no longer than `within_s`; None for what it is.

        Who was given more time than is usual needs it: then once, but for as long as always.
        """
        if within_s is None:
            return self
        slow = self.timeout_s > DEFAULT_TIMEOUT_S
        timeout_s = self.timeout_s if slow else min(self.timeout_s, within_s)
        return RetryPolicy(timeout_s, 0, self.timeout_s - timeout_s)


def _nothing() -> None:
    """Nobody wants to know."""


class WriteOptions(NamedTuple):
    """How a value is to be stored.

    Attributes:
        readable: Whether reading it shows what was stored.
        spare: Whether to read it first, and not to write what is there already.
        sending: Called each time before the write goes out.
    """

    readable: bool = True
    spare: bool = False
    sending: Callable[[], None] = _nothing


class Reply(NamedTuple):
    """What came back: what it says, the whole frame, and when."""

    content: bytes
    raw: bytes
    requested_at: datetime
    latency_s: float


class ReplyContent(NamedTuple):
    """What one exchange brought: what the answer says behind what names it, and its frame."""

    content: bytes
    raw: bytes


class ReceivedFrame(Protocol):
    """A frame whose checksums were right."""

    @property
    def source(self) -> int:
        """Who sent it."""

    @property
    def payload(self) -> bytes:
        """What it says."""

    @property
    def raw(self) -> bytes:
        """Its bytes on the wire."""


F = TypeVar("F", bound=ReceivedFrame)
F_in = TypeVar("F_in", bound=ReceivedFrame, contravariant=True)
F_out = TypeVar("F_out", bound=ReceivedFrame, covariant=True)


class Request(Protocol[F_in]):
    """What is sent, to whom, and what an answer to it begins with."""

    @property
    def frame(self) -> bytes:
        """The bytes to send."""

    @property
    def station(self) -> int:
        """Who is asked: what `ReceivedFrame.source` of an answer is."""

    @property
    def address(self) -> int:
        """The same as users count it."""

    @property
    def expected(self) -> bytes:
        """What the payload of an answer begins with, up to what it says."""

    @property
    def wire_s(self) -> float:
        """How long question and answer are on the wire, where that is worth waiting for."""

    def fits(self, frame: F_in) -> bool:
        """Whether `frame` answers this question, with a value or a refusal."""


class Decoder(Protocol[F_out]):
    """Finds frames in bytes that come in any portions."""

    @property
    def pending(self) -> int:
        """Bytes kept because they may belong to a frame."""

    def feed(self, data: bytes) -> Sequence[F_out]:
        """Take the next portion and return the frames that are whole now."""

    @property
    def damaged(self) -> int:
        """How much of what came was a frame once, and is spoilt."""


class Call:
    """One call from outside: however many exchanges it takes, it began once."""

    __slots__ = ("policy", "started_at", "started_s", "urgent")

    def __init__(self, policy: RetryPolicy, *, urgent: bool = False) -> None:
        self.policy = policy
        self.urgent = urgent
        self.started_at = datetime.now(timezone.utc)
        self.started_s = time.monotonic()

    def reply(self, content: ReplyContent) -> Reply:
        """What was told, and how long it took."""
        return Reply(*content, self.started_at, time.monotonic() - self.started_s)
