"""Standard Bus requests, each with the check that a reply matches.

A reply matches if it is a reply frame from the requested controller to the host, with the
service, class, member and instance of the request. The reply to a write echoes the stored
value, which the client compares with the one sent. An error reply contains only its code: it
is accepted if it comes from the requested controller, on a line that was quiet before.
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
    ReceivedFrame,
    address_of,
    encode_frame,
    mac_of,
)
from watlowlib.protocol.stdbus.payloads import (
    ERROR_REPLY,
    READ_REPLY,
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
    """A request frame, and the first bytes of its reply, before the tag and the value.

    `host` is the MAC that sends the request and gets the reply; `counter` is the station.
    """

    frame: bytes
    station: int
    counter: int
    expected: bytes
    host: int = HOST_MAC
    wire_s: float = 0.0

    @property
    def reply_key(self) -> tuple[int, bytes]:
        """The host's MAC and the first bytes of the payload."""
        return self.host, self.expected

    @property
    def address(self) -> int:
        """The controller address."""
        return address_of(self.station)

    def fits(self, frame: ReceivedFrame) -> bool:
        """Whether `frame` is a reply to this request, with a value or an error."""
        if frame.type != REPLY or frame.source != self.station or frame.destination != self.host:
            return False
        payload = frame.payload
        if payload.startswith(self.expected) and len(payload) > len(self.expected):
            return True
        return is_error_reply(payload)


def is_error_reply(payload: bytes) -> bool:
    """Whether a reply's payload is an error reply."""
    return len(payload) > 1 and payload[0] == ERROR_REPLY and payload[1] not in SERVICES


@lru_cache(maxsize=4096)
def frame_read_request(address: int, request: ReadRequest, host: int = HOST_MAC) -> StdBusRequest:
    """Return the request to read a parameter of `address`."""
    mac = mac_of(address)
    frame = encode_frame(Frame(REQUEST, mac, host, encode_payload(request)))
    return StdBusRequest(frame, mac, mac, READ_REPLY + bytes(request), host)


def frame_write_request(address: int, request: WriteRequest, host: int = HOST_MAC) -> StdBusRequest:
    """Return the request to write a parameter of `address`."""
    mac = mac_of(address)
    frame = encode_frame(Frame(REQUEST, mac, host, encode_payload(request)))
    return StdBusRequest(frame, mac, mac, WRITE_REPLY + bytes(request[:3]), host)


def error_of_code(code: int) -> tuple[type[WatlowDeviceError], str]:
    """Return the exception and the meaning of an error code."""
    return _ERRORS.get(code, (WatlowDeviceError, "the meaning of this code is not known"))


def error_from_reply(payload: bytes, context: ErrorContext) -> WatlowDeviceError:
    """Return the exception for an error reply, also for an unknown code."""
    code = payload[1]
    kind, meaning = error_of_code(code)
    message = f"the controller replied with error {code:02X}: {meaning}"
    return kind(message, code=code, context=context)
