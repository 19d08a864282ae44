"""Questions and answers on a port that may be shared, whatever is spoken on it.

An exchange is: take the port, empty the line, send the question, read frames until one
fits it or the deadline passes. Whatever does not fit (noise, our own echo, a late
reply to another question) is counted and passed over. What fits may still be the late
answer to a question from before this call, where the controller owes us one: then it is
passed over too, and if nothing follows it we ask once more.

Reads are asked again after a timeout; a write is sent a second time only after a read has
shown that the first one did not arrive. How questions and answers look is for the clients of
the two protocols to say, which build on this.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import defaultdict
from typing import ClassVar, Generic

from watlowlib._internal.clock import Deadline
from watlowlib.errors import (
    ErrorContext,
    WatlowCRCError,
    WatlowDeviceError,
    WatlowTimeoutError,
    WatlowWriteError,
)
from watlowlib.protocol.exchange import (
    Call,
    Decoder,
    F,
    Reply,
    ReplyContent,
    Request,
    RetryPolicy,
    WriteOptions,
)
from watlowlib.protocol.late_replies import LATE_REPLY_S, PendingReplies, PendingReply
from watlowlib.protocol.port import Port
from watlowlib.protocol.stats import DeviceStats


class _AmbiguousReplyError(Exception):
    """What came may all have been owed from before."""


class ProtocolClient(ABC, Generic[F]):
    """Asks on one port, from any thread; the client of a protocol says what and how."""

    protocol_name: ClassVar[str]
    """What is spoken, for messages."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self._pending_replies = PendingReplies()
        self._stats: defaultdict[int, DeviceStats] = defaultdict(DeviceStats)

    def stats_of(self, station: int) -> DeviceStats:
        """The counters of one controller."""
        return self._stats[station]

    def close(self) -> None:
        """Close the port for good."""
        self.port.close()

    @abstractmethod
    def _decoder(self) -> Decoder[F]:
        """What finds frames in the bytes that come."""

    @abstractmethod
    def _is_error_reply(self, payload: bytes) -> bool:
        """Whether a reply's payload is an error reply."""

    @abstractmethod
    def _error_from(self, payload: bytes, context: ErrorContext) -> WatlowDeviceError:
        """The error that an error reply stands for."""

    @abstractmethod
    def _describe(self, content: bytes) -> object:
        """What an answer says, for a message."""

    def _ask(self, request: Request[F], policy: RetryPolicy, *, urgent: bool = False) -> Reply:
        """The answer to a read; each exchange has a turn of its own."""
        call = Call(policy, urgent=urgent)
        return call.reply(self._read_with_retries(call, request, in_turns=True))

    def _store(
        self,
        write: Request[F],
        read: Request[F],
        wanted: bytes,
        policy: RetryPolicy,
        options: WriteOptions,
    ) -> Reply:
        """Store one value; where the answer does not repeat it, read whether it arrived.

        Args:
            write: What stores it. An answer repeats what was stored, or says nothing.
            read: What reads it.
            wanted: What an answer says when the value is stored.
            policy: How long to wait, and how often to try again.
            options: Whether it can be read back, and what else there is to know.
        """
        call = Call(policy, urgent=True)
        try:
            # One turn for all of it: nobody else's write comes between this one and its proof.
            self.port.take(urgent=True)
            if options.spare:
                held = self._read_with_retries(call, read)
                if held.content == wanted:
                    return call.reply(held)
            for _ in range(policy.retries + 1):
                echo = b""
                options.sending()
                try:
                    stored = self._exchange_once(call, write)
                    echo = stored.content
                    if echo == wanted or not (echo or options.readable):
                        return call.reply(stored)
                except (WatlowTimeoutError, WatlowCRCError):
                    if not options.readable:
                        raise
                except _AmbiguousReplyError:
                    if not options.readable:
                        raise self._no_reply_error(call, write, b"", damaged=False) from None
                held = self._read_with_retries(call, read)
                if held.content == wanted:
                    return call.reply(held)
                if held.content == echo:
                    break  # it has said twice what it made of ours: once more is only wear
        finally:
            self.port.give()
        raise WatlowWriteError(
            f"the write was not taken: the controller holds {self._describe(held.content)}",
            context=self._context(call, write, held.raw),
        )

    def _read_with_retries(
        self, call: Call, request: Request[F], *, in_turns: bool = False
    ) -> ReplyContent:
        """The answer to a read, asked again after a timeout, damage, or what may be old."""
        talk = self._exchange_in_turn if in_turns else self._exchange_once
        left = call.policy.retries
        while True:
            try:
                return talk(call, request)
            except _AmbiguousReplyError:
                # Something is there and answers: what was owed is paid by now.
                continue
            except (WatlowTimeoutError, WatlowCRCError):
                if not left:
                    raise
                left -= 1
                self._count(request.station, "retries")

    def _exchange_in_turn(self, call: Call, request: Request[F]) -> ReplyContent:
        """One exchange in a turn of its own."""
        try:
            self.port.take(urgent=call.urgent)
            return self._exchange_once(call, request)
        finally:
            self.port.give()

    def _exchange_once(self, call: Call, request: Request[F]) -> ReplyContent:
        """One exchange while the port is ours, in the way of the protocol."""
        return self._exchange(call, request)

    def _exchange(self, call: Call, request: Request[F]) -> ReplyContent:
        """One exchange while the port is ours; what fits is told, unless it refuses."""
        try:
            self._send_request(call, request)
            frame = self._await_reply(call, request)
        except (WatlowTimeoutError, WatlowCRCError, _AmbiguousReplyError):
            raise
        except BaseException:
            # Ctrl-C or a lost port in the middle: the answer to this one may still come.
            self._expect_late_reply(call, request)
            self.port.line.distrust()
            raise
        self._count(request.station, "exchanges")
        if self._is_error_reply(frame.payload):
            raise self._error_from(frame.payload, self._context(call, request, frame.raw))
        return ReplyContent(frame.payload[len(request.expected) :], frame.raw)

    def _send_request(self, call: Call, request: Request[F]) -> None:
        """Send the question; what had to be thrown away before may have been owed."""
        try:
            thrown_away = self.port.line.send(request.frame)
        except WatlowTimeoutError:
            # The port has not taken it in time, but it may have gone out, and be answered.
            self._expect_late_reply(call, request)
            self.port.line.distrust()
            self._count(request.station, "timeouts")
            raise
        for frame in self._decoder().feed(thrown_away) if thrown_away else ():
            self._match_late_reply(frame)

    def _await_reply(self, call: Call, request: Request[F]) -> F:
        line, decoder, station = self.port.line, self._decoder(), request.station
        deadline = Deadline.after(call.policy.timeout_s + request.wire_s)
        found: F | None = None
        doubt: PendingReply | None = None
        heard = b""
        while data := line.receive(deadline):
            heard += data
            for frame in decoder.feed(data):
                pending = self._match_late_reply(frame, call)
                if not request.fits(frame):
                    if pending is None:
                        self._count_skipped(request, frame)
                elif pending is not None:
                    doubt, deadline = pending, Deadline.after(line.quiet_s + request.wire_s)
                else:
                    found = frame
            if found is not None or deadline.passed():
                break
        if found is not None:
            if self._pending_replies.void(station, call):
                self._expect_late_reply(call, request)
            if decoder.pending:
                line.distrust()
            return found
        if doubt is not None:
            # Either that was ours, or ours is owed now: as long as that one was.
            self._pending_replies.add(station, request.expected, call, doubt.until_s, doubted=True)
            raise _AmbiguousReplyError
        line.distrust()
        self._expect_late_reply(call, request)
        raise self._no_reply_error(call, request, heard, damaged=decoder.damaged > 0)

    def _expect_late_reply(self, call: Call, request: Request[F]) -> None:
        """Who was asked owes us the answer from now on; it may still come."""
        until_s = time.monotonic() + call.policy.early_s + LATE_REPLY_S
        self._pending_replies.add(request.station, request.expected, call, until_s)

    def _match_late_reply(self, frame: F, call: object = None) -> PendingReply | None:
        """Which of the answers owed to other calls than `call` a frame may be."""
        refused = self._is_error_reply(frame.payload)
        pending = self._pending_replies.settle(frame.source, frame.payload, call, is_error=refused)
        if pending is not None:
            self._count(frame.source, "late_replies")
        return pending

    def _count_skipped(self, request: Request[F], frame: F) -> None:
        """Count a frame that answers something else, or nothing."""
        echo = frame.raw == request.frame
        self._count(request.station, "echoes_skipped" if echo else "frames_skipped")

    def _no_reply_error(
        self, call: Call, request: Request[F], heard: bytes, *, damaged: bool
    ) -> WatlowTimeoutError | WatlowCRCError:
        context = self._context(call, request, heard)
        if damaged:
            self._count(request.station, "crc_errors")
            return WatlowCRCError(
                "only damaged frames came back; is the line noisy, not terminated, or set to "
                "another baud rate or parity?",
                context=context,
            )
        self._count(request.station, "timeouts")
        if not heard:
            found = (
                "nothing came back; is the controller on, at this address and set to "
                f"{self.protocol_name}, and its line connected?"
            )
        elif heard == request.frame:
            found = (
                "only our own question came back: the adapter hands on what it sends, and nobody "
                "answers; look at the wires behind it"
            )
        else:
            found = (
                f"{len(heard)} bytes came, but no answer; is the line set to another baud rate or "
                f"parity, or is it not {self.protocol_name} that is spoken on it?"
            )
        return WatlowTimeoutError(found, context=context)

    def _count(self, station: int, what: str) -> None:
        """Add one to a counter of a controller, and of the port."""
        for stats in (self._stats[station], self.port.stats):
            setattr(stats, what, getattr(stats, what) + 1)
            if what == "timeouts":
                stats.unanswered += 1
            elif what in ("exchanges", "crc_errors"):
                stats.unanswered = 0

    def _context(self, call: Call, request: Request[F], reply: bytes) -> ErrorContext:
        return ErrorContext(
            port=self.port.name,
            address=request.address,
            request=request.frame,
            reply=reply,
            elapsed_s=time.monotonic() - call.started_s,
        )
