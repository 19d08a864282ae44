"""Questions and answers on Standard Bus, on a port that may be shared.

An exchange is: take the port, empty the line, send the question, read frames until one
fits it or the deadline passes. Whatever does not fit (noise, our own echo, a late
reply to another question) is counted and passed over. What fits may still be the late
answer to the same question from before this call, where the controller owes us one: then
it is passed over too, and if nothing follows it we ask once more.

Reads are asked again after a timeout; a write is sent a second time only after a read has
shown that the first one did not arrive.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import NamedTuple, TypeAlias

from watlowlib.clock import Deadline
from watlowlib.errors import ErrorContext, WatlowCRCError, WatlowTimeoutError, WatlowWriteError
from watlowlib.protocol.port import Port
from watlowlib.protocol.stdbus.debts import Debts, Owed
from watlowlib.protocol.stdbus.frames import Frame, FrameDecoder, address_of, encode_frame
from watlowlib.protocol.stdbus.payloads import ReadRequest, WriteRequest, decode_value
from watlowlib.protocol.stdbus.questions import (
    Question,
    is_refusal,
    read_question,
    refusal,
    write_question,
)


class Patience(NamedTuple):
    """How long to wait for an answer, and how often to ask again."""

    timeout_s: float = 0.5
    retries: int = 1


class Answer(NamedTuple):
    """What came back: the value's tag and bytes, the whole frame, and when."""

    tag: int
    data: bytes
    raw: bytes
    requested_at: datetime
    latency_s: float


class _OnlyOwedError(Exception):
    """What came may all have been owed from before."""


class _Call:
    """One call from outside: however many exchanges it takes, it began once."""

    __slots__ = ("patience", "started_at", "started_s", "urgent")

    def __init__(self, patience: Patience, *, urgent: bool) -> None:
        self.patience = patience
        self.urgent = urgent
        self.started_at = datetime.now(timezone.utc)
        self.started_s = time.monotonic()

    def answer(self, tag: int, data: bytes, frame: Frame) -> Answer:
        latency_s = time.monotonic() - self.started_s
        return Answer(tag, data, encode_frame(frame), self.started_at, latency_s)


Exchange: TypeAlias = "Callable[[_Call, Question], Frame]"


class StdBusClient:
    """Reads and writes parameters of the controllers on one port, from any thread."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self._debts = Debts()

    def read(
        self, address: int, request: ReadRequest, patience: Patience, *, urgent: bool = False
    ) -> Answer:
        """Ask for one parameter, again after a timeout or a damaged answer.

        Raises:
            WatlowTimeoutError: No answer that fits, also when asked again.
            WatlowCRCError: Only damaged answers, also when asked again.
            WatlowDeviceError: The controller refused.
            WatlowConnectionError: The port is gone.
        """
        call = _Call(patience, urgent=urgent)
        question = read_question(address, request)
        frame = self._asked(call, question, self._in_turn)
        value = frame.payload[len(question.expected) :]
        return call.answer(value[0], value[1:], frame)

    def write(
        self,
        address: int,
        request: WriteRequest,
        patience: Patience,
        *,
        readable: bool = True,
        spare: bool = False,
        sending: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Store one value; when no echo confirms it, read whether it arrived.

        Args:
            address: Controller address, 1 to 16.
            request: What to store.
            patience: How long to wait, and how often to try again.
            readable: Whether the parameter can be read back.
            spare: Whether to read it first, and not to write what is there already.
            sending: Called each time before the write goes out.

        Raises:
            WatlowWriteError: The controller answers, but holds another value.
            WatlowTimeoutError: No answer; whether the value was stored is not known.
            WatlowCRCError: Only damaged answers; whether it was stored is not known.
            WatlowDeviceError: The controller refused.
            WatlowConnectionError: The port is gone.
        """
        question = write_question(address, request)
        selector = read_question(address, ReadRequest(*request[:3]))
        wanted = bytes((request.tag,)) + request.data
        call = _Call(patience, urgent=True)
        try:
            # One turn for all of it: nobody else's write comes between this one and its proof.
            self.port.take(urgent=True)
            if spare:
                held = self._asked(call, selector, self._exchange)
                if held.payload[len(selector.expected) :] == wanted:
                    return call.answer(request.tag, request.data, held)
            for _ in range(patience.retries + 1):
                echo = b""
                sending()
                try:
                    frame = self._exchange(call, question)
                    echo = frame.payload[len(question.expected) :]
                    if echo == wanted:
                        return call.answer(request.tag, request.data, frame)
                except (WatlowTimeoutError, WatlowCRCError):
                    if not readable:
                        raise
                except _OnlyOwedError:
                    if not readable:
                        raise self._unanswered(call, question, b"", 0) from None
                held = self._asked(call, selector, self._exchange)
                stored = held.payload[len(selector.expected) :]
                if stored == wanted:
                    return call.answer(request.tag, request.data, held)
                if stored == echo:
                    break  # it has said twice what it made of ours: once more is only wear
        finally:
            self.port.give()
        raise WatlowWriteError(
            f"the write was not taken: the controller holds {decode_value(stored[0], stored[1:])}",
            context=self._context(call, question, encode_frame(held)),
        )

    def _asked(self, call: _Call, question: Question, exchange: Exchange) -> Frame:
        """The answer to a read, asked again after a timeout, damage, or what may be old."""
        left = call.patience.retries
        while True:
            try:
                return exchange(call, question)
            except _OnlyOwedError:
                # Something is there and answers: what was owed is paid by now.
                continue
            except (WatlowTimeoutError, WatlowCRCError):
                if not left:
                    raise
                left -= 1

    def _in_turn(self, call: _Call, question: Question) -> Frame:
        """One exchange in a turn of its own."""
        try:
            self.port.take(urgent=call.urgent)
            return self._exchange(call, question)
        finally:
            self.port.give()

    def _exchange(self, call: _Call, question: Question) -> Frame:
        """One exchange while the port is ours; the frame that fits, unless it refuses."""
        try:
            thrown_away = self.port.line.send(question.frame)
            for frame in FrameDecoder().feed(thrown_away) if thrown_away else ():
                self._debts.settle(frame.source, frame.payload)
            frame = self._await(call, question)
        except (WatlowTimeoutError, WatlowCRCError, _OnlyOwedError):
            raise
        except BaseException:
            # Ctrl-C or a lost port in the middle: the answer to this one may still come.
            self._debts.add(question.mac, question.expected, call)
            self.port.line.distrust()
            raise
        self.port.stats.exchanges += 1
        if is_refusal(frame.payload):
            raise refusal(frame.payload, self._context(call, question, encode_frame(frame)))
        return frame

    def _await(self, call: _Call, question: Question) -> Frame:
        line, decoder, mac = self.port.line, FrameDecoder(), question.mac
        deadline = Deadline.after(call.patience.timeout_s)
        found: Frame | None = None
        doubt: Owed | None = None
        heard = b""
        while data := line.receive(deadline):
            heard += data
            for frame in decoder.feed(data):
                owed = self._debts.settle(frame.source, frame.payload, call)
                if not question.fits(frame):
                    self._pass_over(question, frame)
                elif owed is not None:
                    doubt, deadline = owed, Deadline.after(line.quiet_s)
                else:
                    found = frame
            if found is not None or deadline.passed():
                break
        if found is not None:
            self._debts.void(mac, call)
            if decoder.pending:
                line.distrust()
            return found
        if doubt is not None:
            # Either that was ours, or ours is owed now: as long as that one was.
            self._debts.add(mac, question.expected, call, doubt.until_s)
            raise _OnlyOwedError
        line.distrust()
        self._debts.add(mac, question.expected, call)
        raise self._unanswered(call, question, heard, decoder.damaged)

    def _pass_over(self, question: Question, frame: Frame) -> None:
        """Count a frame that answers something else, or nothing."""
        if encode_frame(frame) == question.frame:
            self.port.stats.echoes_skipped += 1
        else:
            self.port.stats.frames_skipped += 1

    def _unanswered(
        self, call: _Call, question: Question, heard: bytes, damaged: int
    ) -> WatlowTimeoutError | WatlowCRCError:
        context = self._context(call, question, heard)
        if damaged:
            self.port.stats.crc_errors += 1
            return WatlowCRCError("only damaged frames came back", context=context)
        self.port.stats.timeouts += 1
        what = "nothing came back" if not heard else f"{len(heard)} bytes came, but no answer"
        return WatlowTimeoutError(
            f"{what}; is the controller on, at this address and set to Standard Bus?",
            context=context,
        )

    def _context(self, call: _Call, question: Question, reply: bytes) -> ErrorContext:
        return ErrorContext(
            port=self.port.name,
            address=address_of(question.mac),
            request=question.frame,
            reply=reply,
            elapsed_s=time.monotonic() - call.started_s,
        )
