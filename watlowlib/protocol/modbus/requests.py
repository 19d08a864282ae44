"""A Modbus question together with the test for its answer: promise 1, in one place.

A reply fits when it comes from the slave that was asked, with the function of the question
and as many bytes as were asked for; to a write, with the register and the count of it. Which
registers it is about an answer to a read does not say: whether it may be an old one is for
`protocol/debts.py`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from watlowlib.errors import (
    ErrorContext,
    WatlowDeviceError,
    WatlowDeviceFailureError,
    WatlowIllegalFunctionError,
    WatlowIllegalValueError,
    WatlowNoSuchRegisterError,
)
from watlowlib.protocol.modbus.frames import EXCEPTION, READ_HOLDING, WRITE_MANY, RtuFrame

CRC_BYTES = 2

_ERRORS: dict[int, tuple[type[WatlowDeviceError], str]] = {
    1: (WatlowIllegalFunctionError, "it does not know this function"),
    2: (WatlowNoSuchRegisterError, "it has no such register"),
    3: (WatlowIllegalValueError, "it does not take this value"),
    4: (WatlowDeviceFailureError, "it failed to do what was asked"),
    5: (WatlowDeviceError, "it needs longer for it"),
    6: (WatlowDeviceError, "it is busy"),
    8: (WatlowDeviceError, "its memory has a parity error"),
    10: (WatlowDeviceError, "the gateway has no way to it"),
    11: (WatlowDeviceError, "the gateway got no answer from it"),
}


@dataclass
class RtuRequest:
    """What is asked of a slave, and what an answer to it begins with, up to what it says.

    Attributes:
        station: The slave, 1 to 247.
        register: The first register.
        count: How many.
        words: What to store there; None for a read.
        byte_time_s: How long a byte is on the wire.
        frame: The bytes it was sent as, once it has been.
    """

    station: int
    register: int
    count: int
    words: tuple[int, ...] | None
    byte_time_s: float
    frame: bytes = b""

    @property
    def address(self) -> int:
        """The slave, as users count it."""
        return self.station

    @property
    def expected(self) -> bytes:
        """What the payload of an answer begins with."""
        if self.words is None:
            return bytes((READ_HOLDING, 2 * self.count))
        return struct.pack(">BHH", WRITE_MANY, self.register, self.count)

    @property
    def content_size(self) -> int:
        """How many bytes of registers an answer has."""
        return 2 * self.count if self.words is None else 0

    @property
    def wire_s(self) -> float:
        """How long question and answer are on the wire."""
        reply = 1 + len(self.expected) + self.content_size + CRC_BYTES
        return (len(self.frame) + reply) * self.byte_time_s

    def fits(self, frame: RtuFrame) -> bool:
        """Whether `frame` answers this question, with registers or an exception."""
        if frame.source != self.station:
            return False
        payload, expected = frame.payload, self.expected
        if payload.startswith(expected):
            return len(payload) == len(expected) + self.content_size
        return is_exception(payload) and payload[0] ^ EXCEPTION == expected[0]


def is_exception(payload: bytes) -> bool:
    """Whether a reply's payload is an exception."""
    return len(payload) == 2 and bool(payload[0] & EXCEPTION)


def exception(payload: bytes, context: ErrorContext) -> WatlowDeviceError:
    """The error that an exception stands for; an unknown code is kept in it."""
    code = payload[1]
    kind, meaning = _ERRORS.get(code, (WatlowDeviceError, "the meaning of this code is not known"))
    doing = "write" if payload[0] ^ EXCEPTION == WRITE_MANY else "read"
    return kind(
        f"the controller answers a {doing} with exception {code:02d}: {meaning}",
        code=code,
        context=context,
    )
