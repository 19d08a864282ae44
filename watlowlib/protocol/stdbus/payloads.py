"""Codec for Watlow's attribute service in the frames, and for the values it carries.

::

    read request    01 03 01 CLASS MEMBER INSTANCE
    read reply      02 03 01 CLASS MEMBER INSTANCE TAG VALUE
    write request   01 04 CLASS MEMBER INSTANCE TAG VALUE
    write reply     02 04 CLASS MEMBER INSTANCE TAG VALUE      (echo of what was stored)
    error reply     02 CODE                                    (names no parameter)

A payload keeps the bytes after its tag unchanged, so a decoded payload encodes to the same
bytes; `decode_value` interprets them. Source: captures from a PM3.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from watlowlib.errors import WatlowFrameError
from watlowlib.model import Value


class Tag(IntEnum):
    """The type of the value that follows the tag."""

    U8 = 0x01
    U16 = 0x03
    U32 = 0x05
    S32 = 0x06
    FLOAT = 0x08
    STRING = 0x09
    ENUM = 0x0F


class ErrorCode(IntEnum):
    """The error codes with known meaning."""

    ACCESS_DENIED = 0x80
    NO_SUCH_OBJECT = 0x81
    NO_SUCH_ATTRIBUTE = 0x83
    NO_SUCH_INSTANCE = 0x84


class ReadRequest(NamedTuple):
    """A request to read one parameter."""

    class_id: int
    member_id: int
    instance: int


class _ParameterValue(NamedTuple):
    class_id: int
    member_id: int
    instance: int
    tag: int
    data: bytes


class ReadReply(_ParameterValue):
    """The reply to a read; `data` is the value's bytes after the tag."""


class WriteRequest(_ParameterValue):
    """A request to write one parameter."""


class WriteReply(_ParameterValue):
    """The reply to a write, with the stored value."""


class ErrorReply(NamedTuple):
    """An error reply; `detail` is the bytes after the code."""

    code: int
    detail: bytes = b""


Payload: TypeAlias = "ReadRequest | ReadReply | WriteRequest | WriteReply | ErrorReply"

READ_REQUEST = b"\x01\x03\x01"
READ_REPLY = b"\x02\x03\x01"
WRITE_REQUEST = b"\x01\x04"
WRITE_REPLY = b"\x02\x04"
ERROR_REPLY = 0x02
SERVICES = (0x03, 0x04)

_NUMBERS = {
    Tag.U8: struct.Struct(">B"),
    Tag.U16: struct.Struct(">H"),
    Tag.U32: struct.Struct(">I"),
    Tag.S32: struct.Struct(">i"),
    Tag.FLOAT: struct.Struct(">f"),
}


def encode_payload(payload: Payload) -> bytes:
    """Return the bytes of `payload`.

    Raises:
        WatlowFrameError: A class, member, instance, tag or code does not fit one byte, or an
            error code equals a service number, so the payload would be ambiguous.
    """
    if isinstance(payload, ErrorReply) and payload.code in SERVICES:
        raise WatlowFrameError(f"{payload}: {payload.code:02X} is a service, not an error code")
    try:
        if isinstance(payload, ReadRequest):
            return READ_REQUEST + bytes(payload)
        if isinstance(payload, ErrorReply):
            return bytes((ERROR_REPLY, payload.code)) + payload.detail
        service = {ReadReply: READ_REPLY, WriteRequest: WRITE_REQUEST, WriteReply: WRITE_REPLY}
        return service[type(payload)] + bytes(payload[:4]) + payload.data
    except ValueError as error:
        raise WatlowFrameError(f"{payload} does not fit a frame: {error}") from error


def decode_payload(payload: bytes) -> Payload:
    """Return the decoded `payload`.

    Raises:
        WatlowFrameError: It is none of the five kinds, or is truncated.
    """
    if payload.startswith(READ_REQUEST) and len(payload) == 6:
        return ReadRequest(*payload[3:])
    if payload.startswith(READ_REPLY) and len(payload) > 7:
        return ReadReply(*_selector(payload[3:7]), payload[7:])
    if payload.startswith(WRITE_REQUEST) and len(payload) > 6:
        return WriteRequest(*_selector(payload[2:6]), payload[6:])
    if payload.startswith(WRITE_REPLY) and len(payload) > 6:
        return WriteReply(*_selector(payload[2:6]), payload[6:])
    if len(payload) > 1 and payload[0] == ERROR_REPLY and payload[1] not in SERVICES:
        return ErrorReply(payload[1], payload[2:])
    raise WatlowFrameError(f"the payload is neither a request nor a reply: {payload.hex(' ')}")


def _selector(data: bytes) -> tuple[int, int, int, int]:
    class_id, member_id, instance, tag = data
    return class_id, member_id, instance, tag


def decode_value(tag: int, data: bytes) -> Value:
    """Return the value of `data`, whose type is `tag`.

    Returns:
        A float, an int (also for an enumeration's code), a text without its final NUL, or a
        tuple of codes if an enumeration does not have exactly one.

    Raises:
        WatlowFrameError: The tag is unknown, or the number of bytes does not match it.
    """
    number = _NUMBERS.get(tag)  # type: ignore[call-overload]
    if number is not None and len(data) == number.size:
        value: float | int = number.unpack(data)[0]
        return value
    if tag == Tag.ENUM and len(data) == 1 + 2 * (data[0] if data else 0):
        codes = struct.unpack(f">{data[0]}H", data[1:])
        return int(codes[0]) if len(codes) == 1 else codes
    if tag == Tag.STRING and data and len(data) == 1 + data[0]:
        return data[1:].removesuffix(b"\0").decode("latin-1")
    raise WatlowFrameError(f"tag {tag:02X} does not match the bytes {data.hex(' ') or '(none)'}")


def decode_content(content: bytes) -> Value:
    """Return the value of a reply's content, which is a tag and its data; see `decode_value`."""
    return decode_value(content[0], content[1:])


def encode_value(tag: Tag, value: Value) -> bytes:
    """Return the bytes of `value` that follow `tag`.

    Raises:
        WatlowFrameError: The value does not fit the tag.
    """
    try:
        number = _NUMBERS.get(tag)
        if number is not None:
            return number.pack(value)
        if tag == Tag.ENUM:
            codes = value if isinstance(value, tuple) else (value,)
            return struct.pack(f">B{len(codes)}H", len(codes), *codes)
        if isinstance(value, str):
            text = value.encode("latin-1") + b"\0"
            return bytes((len(text),)) + text
    except (struct.error, ValueError, OverflowError) as error:
        raise WatlowFrameError(f"{value!r} does not fit tag {tag.name}: {error}") from error
    raise WatlowFrameError(f"{value!r} does not fit tag {tag.name}")
