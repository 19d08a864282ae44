"""Modbus requests, each with the check that a reply matches.

A reply matches if it comes from the requested slave, with the function of the request and the
requested number of bytes; the reply to a write also has its register and count. The reply to
a read does not name its registers: `protocol/late_replies.py` decides whether it may belong
to an older request.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from watlowlib.errors import (
    ErrorContext,
    WatlowDeviceError,
    WatlowDeviceFailureError,
    WatlowGatewayError,
    WatlowGatewayPathError,
    WatlowGatewayTargetError,
    WatlowIllegalFunctionError,
    WatlowIllegalValueError,
    WatlowModbusSlaveFailureError,
    WatlowNoSuchRegisterError,
)
from watlowlib.protocol.modbus.frames import EXCEPTION, READ_HOLDING, WRITE_MANY

CRC_BYTES = 2

ModbusErrorType: TypeAlias = "type[WatlowDeviceError] | type[WatlowGatewayError]"

_ERRORS: dict[int, tuple[ModbusErrorType, str]] = {
    1: (WatlowIllegalFunctionError, "it does not support this function"),
    2: (WatlowNoSuchRegisterError, "it has no such register"),
    3: (WatlowIllegalValueError, "it does not accept this value"),
    4: (WatlowDeviceFailureError, "it failed to carry out the request"),
    5: (WatlowModbusSlaveFailureError, "it needs more time for the request"),
    6: (WatlowModbusSlaveFailureError, "it is busy"),
    8: (WatlowModbusSlaveFailureError, "its memory has a parity error"),
    10: (WatlowGatewayPathError, "the gateway has no path to it"),
    11: (WatlowGatewayTargetError, "the gateway got no reply from it; is the controller on?"),
}


class ModbusFrame(Protocol):
    """A received frame: a controller, and the function with its data."""

    @property
    def source(self) -> int:
        """The slave or unit that sent it."""

    @property
    def payload(self) -> bytes:
        """The function and its data."""


@dataclass
class RtuRequest:
    """A request to a slave, and the first bytes of its reply, before the registers.

    Attributes:
        station: The slave, 1 to 247.
        register: The first register.
        count: The number of registers.
        words: The values to write; None for a read.
        byte_time_s: Seconds that one byte takes on the wire.
        frame: The bytes sent; empty before minimalmodbus has built them.
        zone: The key of the counters of a zone of a gateway; None for a controller without one.
    """

    station: int
    register: int
    count: int
    words: tuple[int, ...] | None
    byte_time_s: float
    frame: bytes = b""
    zone: Hashable = None

    @property
    def counter(self) -> Hashable:
        """The key of the controller's counters."""
        return self.station if self.zone is None else self.zone

    @property
    def address(self) -> int:
        """The slave address, as users count it."""
        return self.station

    @property
    def expected(self) -> bytes:
        """The first bytes of the reply's payload."""
        return reply_begin(self.register, self.count, self.words)

    reply_key = expected

    @property
    def content_size(self) -> int:
        """The number of register bytes in the reply."""
        return 2 * self.count if self.words is None else 0

    @property
    def wire_s(self) -> float:
        """Seconds that request and reply take on the wire."""
        if not self.byte_time_s:
            return 0.0
        reply = 1 + len(self.expected) + self.content_size + CRC_BYTES
        return (len(self.frame) + reply) * self.byte_time_s

    def fits(self, frame: ModbusFrame) -> bool:
        """Whether `frame` is a reply to this request, with registers or an exception."""
        return frame.source == self.station and is_reply(
            frame.payload, self.expected, self.content_size
        )


def reply_begin(register: int, count: int, words: tuple[int, ...] | None) -> bytes:
    """Return the first bytes of the payload of a reply, before the registers."""
    if words is None:
        return bytes((READ_HOLDING, 2 * count))
    return struct.pack(">BHH", WRITE_MANY, register, count)


def is_reply(payload: bytes, expected: bytes, content_size: int) -> bool:
    """Whether a payload is a reply that begins with `expected`, or an exception instead of it."""
    if payload.startswith(expected):
        return len(payload) == len(expected) + content_size
    return is_exception(payload) and payload[0] ^ EXCEPTION == expected[0]


def is_exception(payload: bytes) -> bool:
    """Whether a reply's payload is an exception."""
    return len(payload) == 2 and bool(payload[0] & EXCEPTION)


def is_from_gateway(payload: bytes, *, zone: bool = False) -> bool:
    """Whether a reply's payload is an exception of a gateway whose controller does not reply.

    For a `zone`, exception 04 may be one, too: what a gateway sends is not published.
    """
    if not is_exception(payload):
        return False
    kind, _ = error_of_code(payload[1])
    return issubclass(kind, WatlowGatewayError) or (zone and kind is WatlowDeviceFailureError)


def error_of_code(code: int) -> tuple[ModbusErrorType, str]:
    """Return the Python exception and the meaning of an exception code."""
    unknown = WatlowModbusSlaveFailureError, "the meaning of this code is not known"
    return _ERRORS.get(code, unknown)


def error_from_exception(
    payload: bytes, context: ErrorContext
) -> WatlowDeviceError | WatlowGatewayError:
    """Return the Python exception for a Modbus exception, also for an unknown code."""
    code = payload[1]
    kind, meaning = error_of_code(code)
    operation = "write" if payload[0] ^ EXCEPTION == WRITE_MANY else "read"
    text = f"replied to a {operation} with exception {code:02d}: {meaning}"
    if issubclass(kind, WatlowGatewayError):
        return kind(f"the gateway {text}", context=context)
    return kind(f"the controller {text}", code=code, context=context)
