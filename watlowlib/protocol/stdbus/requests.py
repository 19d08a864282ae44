"""A Standard Bus question together with the test for its answer: promise 1, in one place.

A reply fits when it is a reply frame from the controller that was asked to the host
that asked, and names the service, class, member and instance of the question. A write
is answered by the echo of what was stored; whether that is what was sent is for the client
to see. An error reply names nothing but its code: that it comes from the right controller,
on a line that was quiet before, is all that can be checked.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from watlowlib.errors import (
    ErrorContext,
    WatlowAccessDeniedError,
    WatlowDeviceError,
    WatlowNoSuchAttributeError,
    WatlowNoSuchInstanceError,
    WatlowNoSuchObjectError,
)
from watlowlib.protocol.stdbus.frames import (
    HOST_MAC,
    REPLY,
    REQUEST,
    Frame,
    address_of,
    encode_frame,
    mac_of,
)
from watlowlib.protocol.stdbus.payloads import (
    READ_REPLY,
    REFUSAL,
    SERVICES,
    WRITE_REPLY,
    ErrorCode,
    ReadRequest,
    WriteRequest,
    encode_payload,
)

_ERRORS: dict[int, tuple[type[WatlowDeviceError], str]] = {
    ErrorCode.ACCESS_DENIED: (WatlowAccessDeniedError, "access denied"),
    ErrorCode.NO_SUCH_OBJECT: (WatlowNoSuchObjectError, "this controller has no such class"),
    ErrorCode.NO_SUCH_ATTRIBUTE: (WatlowNoSuchAttributeError, "the class has no such member"),
    ErrorCode.NO_SUCH_INSTANCE: (
        WatlowNoSuchInstanceError,
        "this controller does not have this instance of the parameter",
    ),
}


class StdBusRequest(NamedTuple):
    """What is sent, and what an answer to it begins with, before the tag and the value."""

    frame: bytes
    station: int
    expected: bytes
    wire_s: float = 0.0

    @property
    def address(self) -> int:
        """Whom it is put to."""
        return address_of(self.station)

    def fits(self, frame: Frame) -> bool:
        """Whether `frame` answers this question, with a value or a refusal."""
        if frame.type != REPLY or frame.source != self.station or frame.destination != HOST_MAC:
            return False
        payload = frame.payload
        if payload.startswith(self.expected) and len(payload) > len(self.expected):
            return True
        return is_error_reply(payload)


def is_error_reply(payload: bytes) -> bool:
    """Whether a reply's payload is an error reply."""
    return len(payload) > 1 and payload[0] == REFUSAL and payload[1] not in SERVICES


@lru_cache(maxsize=4096)
def frame_read_request(address: int, request: ReadRequest) -> StdBusRequest:
    """How to ask `address` for a parameter."""
    mac = mac_of(address)
    frame = encode_frame(Frame(REQUEST, mac, HOST_MAC, encode_payload(request)))
    return StdBusRequest(frame, mac, READ_REPLY + bytes(request))


def frame_write_request(address: int, request: WriteRequest) -> StdBusRequest:
    """How to have `address` store a value."""
    mac = mac_of(address)
    payload = encode_payload(request)
    frame = encode_frame(Frame(REQUEST, mac, HOST_MAC, payload))
    return StdBusRequest(frame, mac, WRITE_REPLY + bytes(request[:3]))


def error_from_reply(payload: bytes, context: ErrorContext) -> WatlowDeviceError:
    """The error that an error reply stands for; an unknown code is kept in it."""
    code = payload[1]
    kind, meaning = _ERRORS.get(code, (WatlowDeviceError, "the meaning of this code is not known"))
    return kind(f"the controller answers error {code:02X}: {meaning}", code=code, context=context)
