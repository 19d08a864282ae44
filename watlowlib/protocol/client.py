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
    Answer,
    Call,
    F,
    FrameSource,
    Patience,
    Question,
    Storing,
    Told,
)
from watlowlib.protocol.late_replies import OWING_S, Debts, Owed
from watlowlib.protocol.port import Port
from watlowlib.protocol.stats import DeviceStats


class _OnlyOwedError(Exception):
    """What came may all have been owed from before."""


class Conversation(ABC, Generic[F]):
    """Asks on one port, from any thread; the client of a protocol says what and how."""

    language: ClassVar[str]
    """What is spoken, for messages."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self._debts = Debts()
        self._stats: defaultdict[int, DeviceStats] = defaultdict(DeviceStats)

    def stats_of(self, station: int) -> DeviceStats:
        """The counters of one controller."""
        return self._stats[station]

    def close(self) -> None:
        """Close the port for good."""
        self.port.close()

    @abstractmethod
    def _listener(self) -> FrameSource[F]:
        """What finds frames in the bytes that come."""

    @abstractmethod
    def _is_refusal(self, payload: bytes) -> bool:
        """Whether a reply's payload is an error reply."""

    @abstractmethod
    def _refusal(self, payload: bytes, context: ErrorContext) -> WatlowDeviceError:
        """The error that an error reply stands for."""

    @abstractmethod
    def _shown(self, content: bytes) -> object:
        """What an answer says, for a message."""

    def _ask(self, question: Question[F], patience: Patience, *, urgent: bool = False) -> Answer:
        """The answer to a read; each exchange has a turn of its own."""
        call = Call(patience, urgent=urgent)
        return call.answer(self._asked(call, question, in_turns=True))

    def _store(
        self,
        write: Question[F],
        read: Question[F],
        wanted: bytes,
        patience: Patience,
        storing: Storing,
    ) -> Answer:
        """Store one value; where the answer does not repeat it, read whether it arrived.

        Args:
            write: What stores it. An answer repeats what was stored, or says nothing.
            read: What reads it.
            wanted: What an answer says when the value is stored.
            patience: How long to wait, and how often to try again.
            storing: Whether it can be read back, and what else there is to know.
        """
        call = Call(patience, urgent=True)
        try:
            # One turn for all of it: nobody else's write comes between this one and its proof.
            self.port.take(urgent=True)
            if storing.spare:
                held = self._asked(call, read)
                if held.content == wanted:
                    return call.answer(held)
            for _ in range(patience.retries + 1):
                echo = b""
                storing.sending()
                try:
                    told = self._talk(call, write)
                    echo = told.content
                    if echo == wanted or not (echo or storing.readable):
                        return call.answer(told)
                except (WatlowTimeoutError, WatlowCRCError):
                    if not storing.readable:
                        raise
                except _OnlyOwedError:
                    if not storing.readable:
                        raise self._unanswered(call, write, b"", damaged=False) from None
                held = self._asked(call, read)
                if held.content == wanted:
                    return call.answer(held)
                if held.content == echo:
                    break  # it has said twice what it made of ours: once more is only wear
        finally:
            self.port.give()
        raise WatlowWriteError(
            f"the write was not taken: the controller holds {self._shown(held.content)}",
            context=self._context(call, write, held.raw),
        )

    def _asked(self, call: Call, question: Question[F], *, in_turns: bool = False) -> Told:
        """The answer to a read, asked again after a timeout, damage, or what may be old."""
        talk = self._in_turn if in_turns else self._talk
        left = call.patience.retries
        while True:
            try:
                return talk(call, question)
            except _OnlyOwedError:
                # Something is there and answers: what was owed is paid by now.
                continue
            except (WatlowTimeoutError, WatlowCRCError):
                if not left:
                    raise
                left -= 1
                self._count(question.station, "retries")

    def _in_turn(self, call: Call, question: Question[F]) -> Told:
        """One exchange in a turn of its own."""
        try:
            self.port.take(urgent=call.urgent)
            return self._talk(call, question)
        finally:
            self.port.give()

    def _talk(self, call: Call, question: Question[F]) -> Told:
        """One exchange while the port is ours, in the way of the protocol."""
        return self._exchange(call, question)

    def _exchange(self, call: Call, question: Question[F]) -> Told:
        """One exchange while the port is ours; what fits is told, unless it refuses."""
        try:
            self._send(call, question)
            frame = self._await(call, question)
        except (WatlowTimeoutError, WatlowCRCError, _OnlyOwedError):
            raise
        except BaseException:
            # Ctrl-C or a lost port in the middle: the answer to this one may still come.
            self._owe(call, question)
            self.port.line.distrust()
            raise
        self._count(question.station, "exchanges")
        if self._is_refusal(frame.payload):
            raise self._refusal(frame.payload, self._context(call, question, frame.raw))
        return Told(frame.payload[len(question.expected) :], frame.raw)

    def _send(self, call: Call, question: Question[F]) -> None:
        """Send the question; what had to be thrown away before may have been owed."""
        try:
            thrown_away = self.port.line.send(question.frame)
        except WatlowTimeoutError:
            # The port has not taken it in time, but it may have gone out, and be answered.
            self._owe(call, question)
            self.port.line.distrust()
            self._count(question.station, "timeouts")
            raise
        for frame in self._listener().feed(thrown_away) if thrown_away else ():
            self._settled(frame)

    def _await(self, call: Call, question: Question[F]) -> F:
        line, listener, station = self.port.line, self._listener(), question.station
        deadline = Deadline.after(call.patience.timeout_s + question.wire_s)
        found: F | None = None
        doubt: Owed | None = None
        heard = b""
        while data := line.receive(deadline):
            heard += data
            for frame in listener.feed(data):
                owed = self._settled(frame, call)
                if not question.fits(frame):
                    if owed is None:
                        self._pass_over(question, frame)
                elif owed is not None:
                    doubt, deadline = owed, Deadline.after(line.quiet_s + question.wire_s)
                else:
                    found = frame
            if found is not None or deadline.passed():
                break
        if found is not None:
            if self._debts.void(station, call):
                self._owe(call, question)
            if listener.pending:
                line.distrust()
            return found
        if doubt is not None:
            # Either that was ours, or ours is owed now: as long as that one was.
            self._debts.add(station, question.expected, call, doubt.until_s, doubted=True)
            raise _OnlyOwedError
        line.distrust()
        self._owe(call, question)
        raise self._unanswered(call, question, heard, damaged=listener.damaged > 0)

    def _owe(self, call: Call, question: Question[F]) -> None:
        """Who was asked owes us the answer from now on; it may still come."""
        until_s = time.monotonic() + call.patience.early_s + OWING_S
        self._debts.add(question.station, question.expected, call, until_s)

    def _settled(self, frame: F, call: object = None) -> Owed | None:
        """Which of the answers owed to other calls than `call` a frame may be."""
        refusal = self._is_refusal(frame.payload)
        owed = self._debts.settle(frame.source, frame.payload, call, refusal=refusal)
        if owed is not None:
            self._count(frame.source, "late_replies")
        return owed

    def _pass_over(self, question: Question[F], frame: F) -> None:
        """Count a frame that answers something else, or nothing."""
        echo = frame.raw == question.frame
        self._count(question.station, "echoes_skipped" if echo else "frames_skipped")

    def _unanswered(
        self, call: Call, question: Question[F], heard: bytes, *, damaged: bool
    ) -> WatlowTimeoutError | WatlowCRCError:
        context = self._context(call, question, heard)
        if damaged:
            self._count(question.station, "crc_errors")
            return WatlowCRCError(
                "only damaged frames came back; is the line noisy, not terminated, or set to "
                "another baud rate or parity?",
                context=context,
            )
        self._count(question.station, "timeouts")
        if not heard:
            found = (
                "nothing came back; is the controller on, at this address and set to "
                f"{self.language}, and its line connected?"
            )
        elif heard == question.frame:
            found = (
                "only our own question came back: the adapter hands on what it sends, and nobody "
                "answers; look at the wires behind it"
            )
        else:
            found = (
                f"{len(heard)} bytes came, but no answer; is the line set to another baud rate or "
                f"parity, or is it not {self.language} that is spoken on it?"
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

    def _context(self, call: Call, question: Question[F], reply: bytes) -> ErrorContext:
        return ErrorContext(
            port=self.port.name,
            address=question.address,
            request=question.frame,
            reply=reply,
            elapsed_s=time.monotonic() - call.started_s,
        )
