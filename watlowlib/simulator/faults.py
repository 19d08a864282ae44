"""Faults of a simulated line: at random from a seed, or scripted reply by reply.

    plan = FaultPlan({Fault.DROP: 0.05, Fault.LATE: 0.01}, seed=7)
    plan.next_are(Fault.CORRUPT, None, Fault.ECHO)      # then at random again

A fault turns the reply to one request into chunks of bytes, each with a delay.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias

from watlowlib._internal.validation import as_enum
from watlowlib.errors import WatlowConfigurationError
from watlowlib.protocol.modbus.frames import EXCEPTION, READ_HOLDING, READ_INPUT, SLAVES, RtuFrame
from watlowlib.protocol.modbus.mbap import TRANSACTIONS, TcpFrame, split_frames
from watlowlib.protocol.modbus.mbap import encode_frame as encode_tcp_frame
from watlowlib.protocol.stdbus.frames import Frame, FrameDecoder, ReceivedFrame, encode_frame

TCP_HEAD = 9
"""The bytes of a reply of Modbus TCP up to the number of register bytes."""

Chunks: TypeAlias = "list[tuple[float, bytes]]"
"""The chunks that arrive: a delay in seconds, after the due time or the chunk before, and bytes."""


class Fault(str, Enum):
    """A fault of one reply."""

    DROP = "drop"
    """No reply, although the controller has carried out the request."""
    DELAY = "delay"
    """The reply is delayed, but arrives before the timeout."""
    LATE = "late"
    """The reply arrives after the client's timeout."""
    CORRUPT = "corrupt"
    """One bit of the reply is inverted."""
    DUPLICATE = "duplicate"
    """The reply is sent twice."""
    TRUNCATE = "truncate"
    """The end of the reply is missing."""
    ECHO = "echo"
    """The request is echoed before the reply, as by a two-wire adapter."""
    NOISE = "noise"
    """Random bytes precede the reply."""
    FOREIGN = "foreign"
    """The reply belongs to another request: other parameter, other value, valid checksums."""
    SILENT = "silent"
    """The controller is powered off; `SimulatedBus.power_on` switches it on again."""
    CLOSE = "close"
    """The port disappears, as when an adapter is unplugged. A gateway closes the connection."""
    NO_PATH = "no_path"
    """On Modbus TCP, exception 10: the gateway has no path to the controller."""
    NO_TARGET = "no_target"
    """On Modbus TCP, exception 11: the gateway got no reply from the controller."""


TCP_EXCEPTIONS = {Fault.NO_PATH: 10, Fault.NO_TARGET: 11}


class FaultPlan:
    """The faults of a line, drawn request by request.

    Args:
        rates: Probability of each fault, 0 to 1; the sum is at most 1.
        seed: Seed of the random faults.
        delay_s: Delay of a `DELAY` fault, seconds.
        late_s: Delay of a `LATE` fault, seconds; longer than the client's timeout.
    """

    def __init__(
        self,
        rates: Mapping[Fault, float] | None = None,
        *,
        seed: int = 0,
        delay_s: float = 0.1,
        late_s: float = 0.55,
    ) -> None:
        self.rates = {as_enum("fault", Fault, key): rate for key, rate in (rates or {}).items()}
        if min(self.rates.values(), default=0.0) < 0 or sum(self.rates.values()) > 1:
            raise WatlowConfigurationError(
                f"rates={self.rates!r}: each at least 0, together at most 1"
            )
        self.delay_s = delay_s
        self.late_s = late_s
        self.happened: Counter[Fault] = Counter()
        """The number of faults so far, by kind."""
        self._random = random.Random(seed)
        self._script: deque[Fault | None] = deque()

    def __repr__(self) -> str:
        rates = ", ".join(f"{fault.value} {rate:g}" for fault, rate in self.rates.items())
        return f"<FaultPlan rates: {rates or 'none'}; faults so far: {self.happened.total()}>"

    def next_are(self, *faults: Fault | None) -> None:
        """Script the faults of the next replies; None is a correct reply."""
        self._script.extend(
            None if fault is None else as_enum("fault", Fault, fault) for fault in faults
        )

    def draw(self) -> Fault | None:
        """Return the fault of the next reply, None for a correct reply."""
        fault = self._script.popleft() if self._script else self._unscripted()
        if fault is not None:
            self.happened[fault] += 1
        return fault

    def _unscripted(self) -> Fault | None:
        """Return the fault of a reply that is not scripted."""
        if not self.rates:
            return None
        faults = list(self.rates)
        no_fault = 1.0 - sum(self.rates.values())
        return self._random.choices([*faults, None], [*self.rates.values(), no_fault])[0]

    def portions(
        self, fault: Fault | None, request: bytes, reply: bytes, *, tcp: bool = False
    ) -> Chunks:
        """Return the chunks that arrive instead of `reply`.

        Args:
            fault: The fault.
            request: The request.
            reply: The correct reply.
            tcp: Whether it is a frame of Modbus TCP. Then a bit of the head is inverted, because
                TCP itself protects all bytes, and a foreign reply has another transaction or unit.
        """
        if fault in (Fault.DROP, Fault.SILENT, Fault.CLOSE):
            return []
        if fault is Fault.DELAY:
            return [(self.delay_s, reply)]
        if fault is Fault.LATE:
            return [(self.late_s, reply)]
        if fault is Fault.DUPLICATE:
            return [(0.0, reply), (0.0, reply)]
        if fault is Fault.ECHO:
            return [(0.0, request), (0.0, reply)]
        if fault is Fault.NOISE:
            return [(0.0, self._random.randbytes(self._random.randint(1, 20)) + reply)]
        return [(0.0, self._altered(fault, reply, tcp=tcp))]

    def _altered(self, fault: Fault | None, reply: bytes, *, tcp: bool) -> bytes:
        if fault is Fault.TRUNCATE:
            return reply[: self._random.randrange(1, len(reply))]
        if fault is Fault.CORRUPT:
            at = self._random.randrange(TCP_HEAD if tcp else len(reply))
            flipped = reply[at] ^ 1 << self._random.randrange(8)
            return reply[:at] + bytes((flipped,)) + reply[at + 1 :]
        if fault in TCP_EXCEPTIONS and tcp:
            frame = split_frames(reply)[0]
            payload = bytes((frame.payload[0] | EXCEPTION, TCP_EXCEPTIONS[fault]))
            return encode_tcp_frame(frame.transaction, frame.source, payload)
        if fault is Fault.FOREIGN and tcp:
            return _foreign_tcp_reply(split_frames(reply)[0], self._random.random() < 0.5)
        if fault is Fault.FOREIGN:
            frames = FrameDecoder().feed(reply)
            if frames:
                return _foreign_stdbus_reply(frames[0])
            return _foreign_modbus_reply(reply, self._random.random() < 0.5)
        return reply


def _foreign_tcp_reply(frame: TcpFrame, same_unit: bool) -> bytes:
    """Return a reply with other values, of another transaction or another unit."""
    payload = frame.payload[:-1] + bytes((frame.payload[-1] ^ 0x55,))
    if same_unit:
        transaction = (frame.transaction + 0x1000) % TRANSACTIONS
        return encode_tcp_frame(transaction, frame.source, payload)
    return encode_tcp_frame(frame.transaction, frame.source ^ 1, payload)


def _foreign_stdbus_reply(received: ReceivedFrame) -> bytes:
    frame = Frame(*received[:4])
    payload = bytearray(frame.payload)
    # A read or write reply gets another member and value, an error reply another sender.
    if len(payload) > 4:
        payload[4] ^= 0x20
        payload[-1] ^= 0x55
        return encode_frame(frame._replace(payload=bytes(payload)))
    return encode_frame(frame._replace(source=frame.source ^ 0x01))


def _foreign_modbus_reply(reply: bytes, same_slave: bool) -> bytes:
    """Return a reply with other values and valid checksum, of another slave or another length.

    A Modbus read reply does not name its registers, so one of the same slave and length cannot
    be recognized as foreign. A write reply names its register, which is changed instead.
    """
    source, payload = reply[0], bytearray(reply[1:-2])
    read = payload[0] in (READ_HOLDING, READ_INPUT)
    if read:
        payload[-1] ^= 0x55
    if same_slave and read:
        payload[1] += 2
        payload += payload[-2:]
    elif same_slave and len(payload) > 2:
        payload[2] ^= 0x02
    else:
        source += 1 if source < SLAVES[-1] else -1
    return RtuFrame(source, bytes(payload)).raw
