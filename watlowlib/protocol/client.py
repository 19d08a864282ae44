"""Requests and replies on a port that may be shared, for either protocol.

An exchange acquires the port, empties the line, sends the request and reads frames until one
matches or the deadline passes. Frames that do not match (noise, our own echo, a late reply to
another request) are counted and skipped. If the late reply to an earlier request could be taken
for the reply, the exchange begins with a marker: see `late_replies.py`.

Reads are retried after a timeout. A write is sent a second time only after a read has shown
that the first one did not arrive. The clients of the two protocols are subclasses, which
define the requests and decode the replies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Set
from typing import ClassVar, Generic

from watlowlib._internal.clock import Deadline
from watlowlib._internal.process import NotCopied
from watlowlib.errors import (
    ErrorContext,
    WatlowCRCError,
    WatlowError,
    WatlowTimeoutError,
    WatlowWriteError,
)
from watlowlib.model.text import counted
from watlowlib.protocol import trace
from watlowlib.protocol.exchange import (
    MOST_RECEIVED,
    SLICE,
    Call,
    Decoder,
    F,
    Reply,
    Request,
    RetryPolicy,
    WriteOptions,
    decode_until,
)
from watlowlib.protocol.late_replies import PendingReplies
from watlowlib.protocol.line import OutageError
from watlowlib.protocol.port import Port
from watlowlib.protocol.stats import OFFLINE_AFTER, DeviceCounters, DeviceStats
from watlowlib.transport.urls import tcp_hint


class ProtocolClient(NotCopied, Generic[F]):
    """The base class of the protocols' clients; usable from any thread."""

    protocol_name: ClassVar[str]
    """The protocol's name in messages."""
    _decoder: Callable[[], Decoder[F]]
    """Returns a new decoder of received bytes."""
    _error_from: Callable[[bytes, ErrorContext], WatlowError]
    """Returns the exception for an error reply."""
    _describe: Callable[[bytes], object]
    """Returns the content of a reply in readable form, for messages."""
    _timeout_error: ClassVar[type[WatlowTimeoutError]] = WatlowTimeoutError
    _frame_gap_s = 0.0
    """The silence between frames that the protocol requires."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self._line = port.line
        self.pending_replies: PendingReplies[F] = PendingReplies()
        self._stats = DeviceCounters()

    def stats_of(self, counter: Hashable) -> DeviceStats:
        """Return the counters of one controller; see `Request.counter`."""
        return self._stats[counter]

    def close(self) -> None:
        """Close the port for good."""
        self.port.close()

    def _is_from_gateway(self, request: Request[F], payload: bytes) -> bool:
        """Whether the payload of an error reply says that the controller did not reply."""
        return False

    def _marker(self, request: Request[F], keys: Set[Hashable]) -> Request[F] | None:
        """Return a read of the station of `request` whose `reply_key` is not in `keys`, if any."""
        raise NotImplementedError

    def _read(self, request: Request[F], policy: RetryPolicy, *, urgent: bool = False) -> Reply:
        """Return the reply to a read; the port is released between retries.

        Raises:
            WatlowTimeoutError: No matching reply, also after the retries.
            WatlowCRCError: Only damaged replies, also after the retries.
            WatlowDeviceError: The controller sent an error reply or exception.
            WatlowConnectionError: The port is lost.
        """
        call = Call(policy, urgent=urgent)
        return self._read_with_retries(call, request, self._exchange_locked)

    def _write(
        self,
        write: Request[F],
        read: Request[F],
        content: bytes,
        policy: RetryPolicy,
        options: WriteOptions,
    ) -> Reply:
        """Write one value; if the reply does not echo it, read it back.

        Args:
            write: The write request. Its reply echoes the stored value, or has no content.
            read: The request that reads the value back.
            content: The content of a reply when the value is stored.
            policy: Timeout and retries.
            options: Whether the value can be read back, and further options.

        Raises:
            WatlowWriteError: The controller replies, but holds another value.
            WatlowTimeoutError: No reply; it is not known whether the value was stored.
            WatlowCRCError: Only damaged replies; it is not known whether the value was stored.
            WatlowDeviceError: The controller sent an error reply or exception.
            WatlowConnectionError: The port is lost.
        """
        call = Call(policy, urgent=True)
        try:
            # Hold the port throughout: no other write may come between this one and its check.
            self.port.acquire(urgent=True)
            if options.skip_unchanged:
                current = self._read_with_retries(call, read, self._exchange)
                if current.content == content:
                    return current
            for _ in range(policy.retries + 1):
                echo = b""
                options.on_send()
                call.group = object()
                try:
                    stored = self._exchange(call, write)
                    echo = stored.content
                    if echo == content or not (echo or options.readable):
                        return stored
                except (WatlowTimeoutError, WatlowCRCError):
                    if not options.readable:
                        raise
                current = self._read_with_retries(call, read, self._exchange)
                if current.content == content:
                    return current
                if current.content == echo:
                    break  # echo and read agree on another value: a retry would only add wear
        finally:
            self.port.release()
        raise WatlowWriteError(
            f"the value was not stored: the controller holds {self._describe(current.content)}",
            context=self._context(call, write, current.raw),
        )

    def _read_with_retries(
        self,
        call: Call,
        request: Request[F],
        exchange: Callable[[Call, Request[F]], Reply],
    ) -> Reply:
        """Send a read, again after a timeout or damaged frames."""
        retries_left = call.policy.retries
        call.group = object()
        while True:
            try:
                return exchange(call, request)
            except (WatlowTimeoutError, WatlowCRCError):
                if not retries_left:
                    raise
                retries_left -= 1
                self._count(request.counter, "retries")

    def _exchange_locked(self, call: Call, request: Request[F]) -> Reply:
        """Acquire the port for one exchange."""
        try:
            self.port.acquire(urgent=call.urgent)
            return self._exchange(call, request)
        finally:
            self.port.release()

    def _exchange(self, call: Call, request: Request[F]) -> Reply:
        """Make one exchange on the acquired port; raise on an error reply.

        A protocol may extend this.
        """
        policy = call.policy
        if policy.outages is not None:
            self._check_outages(policy.outages, request)
        try:
            self._prepare_line(policy.opening)
            if keys := self.pending_replies.conflicting_keys(request, call.group):
                self._settle_late_replies(call, request, keys)
            self._send(call, request, call.group)
            frame = self._await_reply(call, request, call.group)
        except BaseException as error:
            # The reply may still come, also after Ctrl-C.
            self._line.note_failure(error)
            raise
        payload, expected = frame.payload, request.expected
        if not payload.startswith(expected):
            raise self._error_from(payload, self._context(call, request, frame.raw))
        return call.make_reply(payload[len(expected) :], frame.raw)

    def _check_outages(self, outages: int, request: Request[F]) -> None:
        if outages != self._stats[request.counter].outages:
            raise OutageError(
                "the controller did not reply for a while; nothing was sent, because another one "
                "may be connected now; repeat the request",
                context=ErrorContext(port=self.port.name, address=request.address),
            )

    def _prepare_line(self, opening: int | None) -> None:
        """Wait until the line is quiet; the stale frames received before may be late replies."""
        if stale := self._line.prepare(opening):
            for frame in self._decoder().feed(stale):
                if late := self.pending_replies.match(frame):
                    self._count(late.request.counter, "late_replies")

    def _settle_late_replies(self, call: Call, request: Request[F], keys: Set[Hashable]) -> None:
        """Send a marker; without it a late reply could be taken for the reply to `request`.

        `keys` are those of the late replies.
        """
        marker = self._marker(request, keys)
        if marker is None:
            return
        # Equal markers form a group: no other request to the station lies between them.
        self._send(call, marker, marker.reply_key)
        self._await_reply(call, marker, marker.reply_key, before=request)
        if self._frame_gap_s:
            self._line.require_silence(self._frame_gap_s)
        self._prepare_line(call.policy.opening)

    def _send(self, call: Call, request: Request[F], group: object) -> None:
        self.pending_replies.add(request, group, call.policy.timeout_s)
        try:
            self._line.send(request.frame)
        except WatlowTimeoutError:
            # The port was too slow, but the request may have been sent and get a reply.
            self._count(request.counter, "timeouts")
            raise
        if call.traced:
            trace.sent(self.port.name, request.address, request.frame)

    def _await_reply(
        self, call: Call, request: Request[F], group: object, *, before: Request[F] | None = None
    ) -> F:
        """Return the reply to a request of `group`.

        `request` is a marker if it is sent `before` another request. When a late reply settles
        that, the marker's reply is awaited only until the line is quiet.
        """
        line, decoder = self._line, self._decoder()
        sent_s = time.monotonic()
        deadline = Deadline(sent_s + call.policy.timeout_s + request.wire_s)
        found: F | None = None
        settled: F | None = None
        received = b""
        while data := line.receive(deadline):
            received += data[: MOST_RECEIVED - len(received)]
            short = len(data) <= SLICE  # nearly always: then without a generator
            for frame in decoder.feed(data) if short else decode_until(deadline, decoder, data):
                if call.traced:
                    trace.received(self.port.name, request.address, frame.raw, sent_s)
                reply = self.pending_replies.match(frame)
                if reply is None:
                    self._count_skipped(request, frame)
                elif reply.group == group:
                    found = frame
                else:
                    self._count(reply.request.counter, "late_replies")
                    if before and not self.pending_replies.conflicting_keys(before, call.group):
                        settled, deadline = frame, Deadline.after(line.quiet_s + request.wire_s)
            if found is not None or deadline.passed():
                break
        found = found or settled
        if found is not None:
            self._count_reply(request, found.payload)
            if decoder.pending:
                line.require_silence()
            return found
        if call.traced:
            trace.unusable(self.port.name, request.address, received, sent_s)
        raise self._no_reply_error(call, request, received, damaged=decoder.damaged > 0)

    def _count_reply(self, request: Request[F], payload: bytes) -> None:
        """Count a reply; a gateway's exception for a controller without a reply is a timeout."""
        if not payload.startswith(request.expected) and self._is_from_gateway(request, payload):
            self._count(request.counter, "timeouts")
            return
        for stats in (self._stats[request.counter], self.port.stats):
            stats.exchanges += 1
            stats.unanswered = 0

    def _count_skipped(self, request: Request[F], frame: F) -> None:
        """Count a frame that does not match the request."""
        echo = frame.raw == request.frame
        self._count(request.counter, "echoes_skipped" if echo else "frames_skipped")

    def _no_reply_error(
        self, call: Call, request: Request[F], received: bytes, *, damaged: bool
    ) -> WatlowTimeoutError | WatlowCRCError:
        context = self._context(call, request, received)
        if damaged:
            self._count(request.counter, "crc_errors")
            return WatlowCRCError(
                "only damaged frames were received; is the line noisy, not terminated, or set to "
                "another baud rate or parity?",
                context=context,
            )
        self._count(request.counter, "timeouts")
        if not received:
            reason = (
                "no reply; is the controller on, at this address and set to "
                f"{self.protocol_name}, and its line connected?"
            )
        elif received == request.frame:
            reason = (
                "only our own request was received: the adapter echoes what it sends, and no "
                "controller replies; check the wiring behind the adapter"
            )
        else:
            reason = (
                f"{counted(len(received), 'byte was', 'bytes were')} received, but no valid "
                "reply; is the line set to another baud rate or parity, or to another protocol "
                f"than {self.protocol_name}?"
            )
        return self._timeout_error(reason + tcp_hint(self.port.name), context=context)

    def _count(self, key: Hashable, counter: str) -> None:
        """Add one to a counter of a controller and of the port."""
        for stats in (self._stats[key], self.port.stats):
            setattr(stats, counter, getattr(stats, counter) + 1)
            if counter == "timeouts":
                stats.unanswered += 1
                stats.outages += stats.unanswered == OFFLINE_AFTER
            elif counter == "crc_errors":
                stats.unanswered = 0

    def _context(self, call: Call, request: Request[F], reply: bytes) -> ErrorContext:
        return ErrorContext(
            port=self.port.name,
            address=request.address,
            request=request.frame,
            reply=reply,
            elapsed_s=time.monotonic() - call.started_s,
        )
