"""Questions and answers on Standard Bus, on a port that may be shared.

An exchange is: take the port, empty the line, send the question, read frames until one
fits it or the deadline passes. Whatever does not fit (noise, our own echo, a late
reply to another question) is counted and passed over.

A controller answers one question after the other, so after a timeout it owes us an
answer. While it does, the last answer that fits is taken: once all that were asked for
have come, or the line has been quiet. An old answer is never believed when a newer one
follows it.

Reads are asked again; a write is sent a second time only after a read has shown that
the first one did not arrive.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple, TypeAlias

from watlowlib.clock import Deadline
from watlowlib.errors import ErrorContext, WatlowCRCError, WatlowTimeoutError, WatlowWriteError
from watlowlib.protocol.port import Port
from watlowlib.protocol.stdbus.frames import Frame, FrameDecoder, address_of, encode_frame
from watlowlib.protocol.stdbus.payloads import ReadRequest, WriteRequest, decode_value
from watlowlib.protocol.stdbus.questions import (
    Question,
    is_refusal,
    read_question,
    refusal,
    write_question,
)

OWING_S = 0.5
"""How long after a timeout its answer may still come."""


class Debt(NamedTuple):
    """Answers that a controller owes us, and until when they may come."""

    answers: int
    until_s: float


NO_DEBT = Debt(0, 0.0)


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


Exchange: TypeAlias = "Callable[[Question, float, float], Frame]"


class StdBusClient:
    """Reads and writes parameters of the controllers on one port, from any thread."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self._debts: dict[int, Debt] = {}

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
        return self._ask(address, request, patience, partial(self._in_turn, urgent))

    def write(
        self, address: int, request: WriteRequest, patience: Patience, *, readable: bool = True
    ) -> Answer:
        """Store one value; when no echo confirms it, read whether it arrived.

        Args:
            address: Controller address, 1 to 16.
            request: What to store.
            patience: How long to wait, and how often to try again.
            readable: Whether the parameter can be read back.

        Raises:
            WatlowWriteError: The controller answers, but holds another value.
            WatlowTimeoutError: No answer; whether the value was stored is not known.
            WatlowCRCError: Only damaged answers; whether it was stored is not known.
            WatlowDeviceError: The controller refused.
            WatlowConnectionError: The port is gone.
        """
        question = write_question(address, request)
        selector = ReadRequest(*request[:3])
        wanted = bytes((request.tag,)) + request.data
        started_at, started_s = datetime.now(timezone.utc), time.monotonic()
        try:
            # One turn for all of it: nobody else's write comes between this one and its proof.
            self.port.take(urgent=True)
            for _ in range(patience.retries + 1):
                echo = b""
                try:
                    frame = self._exchange(question, patience.timeout_s, started_s)
                    echo = frame.payload[len(question.expected) :]
                    if echo == wanted:
                        return _answer(request.tag, request.data, frame, started_at, started_s)
                except (WatlowTimeoutError, WatlowCRCError):
                    if not readable:
                        raise
                held = self._ask(address, selector, patience, self._exchange)
                stored = bytes((held.tag,)) + held.data
                if stored == wanted:
                    latency_s = time.monotonic() - started_s
                    return held._replace(requested_at=started_at, latency_s=latency_s)
                if stored == echo:
                    break  # it has said twice what it made of ours: once more is only wear
        finally:
            self.port.give()
        raise WatlowWriteError(
            f"the write was not taken: the controller holds {decode_value(held.tag, held.data)}",
            context=self._context(question, started_s, held.raw),
        )

    def _ask(
        self, address: int, request: ReadRequest, patience: Patience, exchange: Exchange
    ) -> Answer:
        """Ask for one parameter by `exchange`, again after a timeout or a damaged answer."""
        question = read_question(address, request)
        started_at, started_s = datetime.now(timezone.utc), time.monotonic()
        for left in range(patience.retries, -1, -1):
            try:
                frame = exchange(question, patience.timeout_s, started_s)
                break
            except (WatlowTimeoutError, WatlowCRCError):
                if not left:
                    raise
        value = frame.payload[len(question.expected) :]
        return _answer(value[0], value[1:], frame, started_at, started_s)

    def _in_turn(
        self, urgent: bool, question: Question, timeout_s: float, started_s: float
    ) -> Frame:
        """One exchange in a turn of its own."""
        try:
            self.port.take(urgent=urgent)
            return self._exchange(question, timeout_s, started_s)
        finally:
            self.port.give()

    def _exchange(self, question: Question, timeout_s: float, started_s: float) -> Frame:
        """One exchange while the port is ours; the frame that fits, unless it refuses."""
        thrown_away = self.port.line.send(question.frame)
        for frame in FrameDecoder().feed(thrown_away) if thrown_away else ():
            self._owe(frame.source, self._debt(frame.source).answers - 1)
        try:
            frame = self._await(question, Deadline.after(timeout_s), started_s)
        except (WatlowTimeoutError, WatlowCRCError):
            raise
        except BaseException:
            # Ctrl-C or a lost port in the middle: the answer to this one may still come.
            self._owe(question.mac, self._debt(question.mac).answers + 1, _soon())
            self.port.line.distrust()
            raise
        self.port.stats.exchanges += 1
        if is_refusal(frame.payload):
            raise refusal(frame.payload, self._context(question, started_s, encode_frame(frame)))
        return frame

    def _await(self, question: Question, deadline: Deadline, started_s: float) -> Frame:
        line, decoder, mac = self.port.line, FrameDecoder(), question.mac
        expected = self._debt(mac).answers + 1
        found: Frame | None = None
        heard = b""
        while data := line.receive(deadline):
            heard += data
            frames = decoder.feed(data)
            expected -= sum(frame.source == mac for frame in frames)
            fitting = self._last_that_fits(question, frames)
            if fitting is not None:
                found, deadline = fitting, Deadline.after(line.quiet_s)
            if (found is not None and expected <= 0) or deadline.passed():
                break
        if found is None:
            line.distrust()
            # A damaged answer has been given; else it is owed from now on.
            self._owe(mac, expected - bool(decoder.damaged), _soon())
            raise self._unanswered(question, started_s, heard, decoder.damaged)
        self._owe(mac, expected)
        if decoder.pending:
            line.distrust()
        if expected > 0 and is_refusal(found.payload):
            # It names no parameter: perhaps it refuses what was asked before.
            line.distrust()
            raise self._unanswered(question, started_s, heard, decoder.damaged)
        return found

    def _debt(self, mac: int) -> Debt:
        """What the controller still owes."""
        debt = self._debts.get(mac, NO_DEBT)
        return debt if debt.answers and time.monotonic() < debt.until_s else NO_DEBT

    def _owe(self, mac: int, answers: int, until_s: float | None = None) -> None:
        """Note what it owes from now on, if anything."""
        if answers > 0:
            until_s = self._debts[mac].until_s if until_s is None else until_s
            self._debts[mac] = Debt(answers, until_s)
        else:
            self._debts.pop(mac, None)

    def _last_that_fits(self, question: Question, frames: list[Frame]) -> Frame | None:
        found: Frame | None = None
        for frame in frames:
            if question.fits(frame):
                found = frame
            elif encode_frame(frame) == question.frame:
                self.port.stats.echoes_skipped += 1
            else:
                self.port.stats.frames_skipped += 1
        return found

    def _unanswered(
        self, question: Question, started_s: float, heard: bytes, damaged: int
    ) -> WatlowTimeoutError | WatlowCRCError:
        context = self._context(question, started_s, heard)
        if damaged:
            self.port.stats.crc_errors += 1
            return WatlowCRCError("only damaged frames came back", context=context)
        self.port.stats.timeouts += 1
        what = "nothing came back" if not heard else f"{len(heard)} bytes came, but no answer"
        return WatlowTimeoutError(
            f"{what}; is the controller on, at this address and set to Standard Bus?",
            context=context,
        )

    def _context(self, question: Question, started_s: float, reply: bytes) -> ErrorContext:
        return ErrorContext(
            port=self.port.name,
            address=address_of(question.mac),
            request=question.frame,
            reply=reply,
            elapsed_s=time.monotonic() - started_s,
        )


def _soon() -> float:
    """Until when what is owed now may come."""
    return time.monotonic() + OWING_S


def _answer(tag: int, data: bytes, frame: Frame, started_at: datetime, started_s: float) -> Answer:
    latency_s = time.monotonic() - started_s
    return Answer(tag, data, encode_frame(frame), started_at, latency_s)
