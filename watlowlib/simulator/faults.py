"""What can go wrong on a line, on purpose: by chance from a seed, or one after the other.

    plan = FaultPlan({Fault.DROP: 0.05, Fault.LATE: 0.01}, seed=7)
    plan.next_are(Fault.CORRUPT, None, Fault.ECHO)      # then by chance again

A fault turns the reply to one request into portions of bytes, each with its delay.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias

from watlowlib._internal.validation import as_enum
from watlowlib.errors import WatlowConfigurationError
from watlowlib.protocol.modbus.frames import READ_HOLDING, READ_INPUT, SLAVES, RtuFrame
from watlowlib.protocol.stdbus.frames import Frame, FrameDecoder, encode_frame

Portions: TypeAlias = "list[tuple[float, bytes]]"
"""What arrives: seconds after the reply was due, and the bytes."""


class Fault(str, Enum):
    """One thing that goes wrong with one reply."""

    DROP = "drop"
    """No reply, though the controller has done what was asked."""
    DELAY = "delay"
    """The reply comes late, but in time."""
    LATE = "late"
    """The reply comes after the client has given up."""
    CORRUPT = "corrupt"
    """One bit of the reply is wrong."""
    DUPLICATE = "duplicate"
    """The reply comes twice."""
    TRUNCATE = "truncate"
    """The reply breaks off."""
    ECHO = "echo"
    """The request is heard back before the reply, as on a two-wire adapter."""
    NOISE = "noise"
    """Random bytes come before the reply."""
    FOREIGN = "foreign"
    """The reply answers another question: another parameter, another value, right checksums."""
    SILENT = "silent"
    """The controller goes off; `SimulatedBus.power_on` brings it back."""
    CLOSE = "close"
    """The port goes away, as when an adapter is unplugged."""


class FaultPlan:
    """Decides, request by request, what goes wrong.

    Args:
        rates: How often each fault happens, 0 to 1; together at most 1.
        seed: Of the chance.
        delay_s: How much later a `DELAY` is.
        late_s: How much later a `LATE` is; above the client's timeout.
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
        """How often each fault has come about."""
        self._random = random.Random(seed)
        self._script: deque[Fault | None] = deque()

    def __repr__(self) -> str:
        chances = ", ".join(f"{fault.value} {rate:g}" for fault, rate in self.rates.items())
        return f"<FaultPlan of {chances or 'no chances'}, {self.happened.total()} so far>"

    def next_are(self, *faults: Fault | None) -> None:
        """Meet the next requests with these, None for a reply in order."""
        self._script.extend(
            None if fault is None else as_enum("fault", Fault, fault) for fault in faults
        )

    def draw(self) -> Fault | None:
        """What happens to the next reply."""
        fault = self._script.popleft() if self._script else self._by_chance()
        if fault is not None:
            self.happened[fault] += 1
        return fault

    def _by_chance(self) -> Fault | None:
        if not self.rates:
            return None
        faults = list(self.rates)
        rest = 1.0 - sum(self.rates.values())
        return self._random.choices([*faults, None], [*self.rates.values(), rest])[0]

    def portions(self, fault: Fault | None, request: bytes, reply: bytes) -> Portions:
        """What arrives instead of `reply`."""
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
        return [(0.0, self._spoilt(fault, reply))]

    def _spoilt(self, fault: Fault | None, reply: bytes) -> bytes:
        if fault is Fault.TRUNCATE:
            return reply[: self._random.randrange(1, len(reply))]
        if fault is Fault.CORRUPT:
            at = self._random.randrange(len(reply))
            flipped = reply[at] ^ 1 << self._random.randrange(8)
            return reply[:at] + bytes((flipped,)) + reply[at + 1 :]
        if fault is Fault.FOREIGN:
            frames = FrameDecoder().feed(reply)
            if frames:
                return _another_answer(frames[0])
            return _another_modbus_answer(reply, self._random.random() < 0.5)
        return reply


def _another_answer(frame: Frame) -> bytes:
    payload = bytearray(frame.payload)
    # Of a read or write reply the member and the value; of an error reply the sender.
    if len(payload) > 4:
        payload[4] ^= 0x20
        payload[-1] ^= 0x55
        return encode_frame(frame._replace(payload=bytes(payload)))
    return encode_frame(frame._replace(source=frame.source ^ 0x01))


def _another_modbus_answer(reply: bytes, own: bool) -> bytes:
    """Other values under a right checksum, as many from another slave, or not as many.

    As many from the same slave cannot be told from the answer by anybody: a Modbus reply does
    not say which registers it is about. A reply to a write does.
    """
    source, payload = reply[0], bytearray(reply[1:-2])
    read = payload[0] in (READ_HOLDING, READ_INPUT)
    if read:
        payload[-1] ^= 0x55
    if own and read:
        payload[1] += 2
        payload += payload[-2:]
    elif own and len(payload) > 2:
        payload[2] ^= 0x02
    else:
        source += 1 if source < SLAVES[-1] else -1
    return RtuFrame(source, bytes(payload)).raw
