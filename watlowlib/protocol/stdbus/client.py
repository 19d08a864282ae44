"""Questions and answers on Standard Bus, on a port that may be shared.

An exchange is: take the port, empty the line, send the question, read frames until one
fits it or the deadline passes. Whatever does not fit (noise, our own echo, a late
reply to another question) is counted and passed over. After a timeout the controller
may still owe us an answer; then the last one that fits is taken, once the line has
been quiet, so that an old answer is never believed when a newer one follows it.

Reads are asked again; a write is sent a second time only after a read has shown that
the first one did not arrive.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import NamedTuple

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


class StdBusClient:
    """Reads and writes parameters of the controllers on one port, from any thread."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self._owing: set[int] = set()

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
        question = read_question(address, request)
        started_at, started_s = datetime.now(timezone.utc), time.monotonic()
        for left in range(patience.retries, -1, -1):
            try:
                frame = self._attempt(question, patience.timeout_s, started_s, urgent)
                break
            except (WatlowTimeoutError, WatlowCRCError):
                if not left:
                    raise
        value = frame.payload[len(question.expected) :]
        return _answer(value[0], value[1:], frame, started_at, started_s)

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
        started_at, started_s = datetime.now(timezone.utc), time.monotonic()
        for _ in range(patience.retries + 1):
            try:
                frame = self._attempt(question, patience.timeout_s, started_s, True)
                return _answer(request.tag, request.data, frame, started_at, started_s)
            except (WatlowTimeoutError, WatlowCRCError):
                if not readable:
                    raise
            held = self.read(address, ReadRequest(*request[:3]), patience, urgent=True)
            if (held.tag, held.data) == (request.tag, request.data):
                latency_s = time.monotonic() - started_s
                return held._replace(requested_at=started_at, latency_s=latency_s)
        raise WatlowWriteError(
            f"the write was not taken: the controller holds {decode_value(held.tag, held.data)}",
            context=self._context(question, started_s, held.raw),
        )

    def _attempt(
        self, question: Question, timeout_s: float, started_s: float, urgent: bool
    ) -> Frame:
        """One exchange while the port is ours; the frame that fits, unless it refuses."""
        port = self.port
        port.take(urgent=urgent)
        try:
            port.line.send(question.frame)
            frame = self._await(question, Deadline.after(timeout_s), started_s)
            port.stats.exchanges += 1
        finally:
            port.give()
        if is_refusal(frame.payload):
            raise refusal(frame.payload, self._context(question, started_s, encode_frame(frame)))
        return frame

    def _await(self, question: Question, deadline: Deadline, started_s: float) -> Frame:
        line, decoder = self.port.line, FrameDecoder()
        owing = question.mac in self._owing
        found: Frame | None = None
        heard = b""
        while data := line.receive(deadline):
            heard += data
            fitting = self._last_that_fits(question, decoder.feed(data))
            if fitting is not None:
                if found is None:
                    deadline = Deadline.after(line.quiet_s)
                found = fitting
                if not owing:
                    break
            if deadline.passed():
                break
        if found is None:
            self._owing.add(question.mac)
            line.distrust()
            raise self._unanswered(question, started_s, heard, decoder.damaged)
        self._owing.discard(question.mac)
        if decoder.pending:
            line.distrust()
        return found

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


def _answer(tag: int, data: bytes, frame: Frame, started_at: datetime, started_s: float) -> Answer:
    latency_s = time.monotonic() - started_s
    return Answer(tag, data, encode_frame(frame), started_at, latency_s)
