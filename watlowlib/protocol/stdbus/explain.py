"""Explains a Standard Bus frame field by field, also one that is damaged or cut short."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import lru_cache

from watlowlib.errors import WatlowFrameError
from watlowlib.model import ProtocolKind, Value
from watlowlib.model.text import counted
from watlowlib.protocol.explanation import (
    EndOfFrameError,
    Explanation,
    Field,
    FieldReader,
    Match,
    text_of,
)
from watlowlib.protocol.stdbus.crc import crc8, crc16
from watlowlib.protocol.stdbus.frames import (
    ADDRESSES,
    HEADER_SIZE,
    HOST_MAC,
    MAX_PAYLOAD,
    PREAMBLE,
    REPLY,
    REQUEST,
    address_of,
)
from watlowlib.protocol.stdbus.payloads import (
    READ_REPLY,
    READ_REQUEST,
    WRITE_REPLY,
    WRITE_REQUEST,
    ReadRequest,
    Tag,
    WriteRequest,
    decode_payload,
    decode_value,
)
from watlowlib.protocol.stdbus.requests import error_of_code, is_error_reply
from watlowlib.registry.parameters import PARAMETERS, ParameterSpec

_TYPES = {
    0x00: "token",
    0x01: "poll for master",
    0x02: "reply to poll for master",
    0x03: "test request",
    0x04: "test response",
    REQUEST: "request, expects a reply",
    REPLY: "reply",
    0x07: "reply postponed",
}
"""The frame types. Source: BACnet MS/TP; a controller uses 05 and 06 only."""

_SERVICES = {
    READ_REQUEST: "read request",
    READ_REPLY: "read reply",
    WRITE_REQUEST: "write request",
    WRITE_REPLY: "write reply",
}
TAGS: dict[int, str] = {tag: tag.name.lower() for tag in Tag}


def explain_frame(data: bytes, before: bytes = b"") -> Explanation:
    """Explain the frame that begins `data`; what follows it is explained as the rest.

    Args:
        data: A whole frame, or the beginning of one.
        before: The good frame before it, which an error reply may answer.
    """
    reader = FieldReader(data)
    kind = "frame"
    try:
        length = _take_header(reader)
        payload, after = reader.rest[:length], reader.rest[length:]
        kind = _kind_of(payload, data[2])
        if length:
            reader.rest = payload
            _take_payload(reader, length, _requested_by(before) if _answers(data, before) else b"")
            reader.rest = after
            if len(payload) == length:
                reader.take_check("data CRC", crc16(payload))
    except EndOfFrameError:
        pass
    reader.take_rest()
    return Explanation(ProtocolKind.STDBUS, kind, tuple(reader.fields))


def _take_header(reader: FieldReader) -> int:
    """Take the header and return the length of the payload."""
    header = reader.rest[len(PREAMBLE) : HEADER_SIZE - 1]
    reader.take("preamble", len(PREAMBLE))
    reader.take("frame type", 1, lambda data: _TYPES.get(data[0], "unknown"))
    reader.take("destination", 1, lambda data: _station(data[0]))
    reader.take("source", 1, lambda data: _station(data[0]))
    length = int.from_bytes(reader.take("length", 2, _length), "big")
    reader.take_check("header CRC", bytes((crc8(header),)))
    return length


def _length(data: bytes) -> str | Field:
    length = int.from_bytes(data, "big")
    meaning = f"payload of {counted(length, 'byte')}"
    problem = f"the longest payload has {MAX_PAYLOAD} bytes" if length > MAX_PAYLOAD else ""
    return Field("length", data, meaning, problem)


def _station(mac: int) -> str:
    if mac == HOST_MAC:
        return "the host"
    address = address_of(mac)
    if address in ADDRESSES:
        return f"controller address {address}"
    return "all stations" if mac == 0xFF else "a host"


def _kind_of(payload: bytes, frame_type: int) -> str:
    if is_error_reply(payload):
        return "error reply"
    named = (kind for start, kind in _SERVICES.items() if payload.startswith(start))
    return next(named, _TYPES.get(frame_type, "frame") if not payload else "frame")


def _take_payload(reader: FieldReader, length: int, requested: bytes) -> None:
    """Take a payload that should have `length` bytes, and may be cut short.

    `requested` is the class, member and instance of the request that it answers, if any.
    """
    payload = reader.rest
    start = next((each for each in _SERVICES if payload.startswith(each)), b"")
    with suppress(EndOfFrameError):
        if is_error_reply(payload):
            _take_error(reader, length, requested)
        elif start:
            reader.take("service", len(start), _SERVICES[start])
            _take_object(reader, length - len(start), value=start != READ_REQUEST)
        else:
            reader.take("payload", length, "no request or reply of the attribute service")
    reader.take_rest()


def _take_error(reader: FieldReader, length: int, requested: bytes) -> None:
    reader.take("service", 1, "error reply")
    reader.take("error code", 1, lambda data: _error_field(data, requested))
    if length > 2:
        reader.take("detail", length - 2, "of unknown meaning")


def _error_field(data: bytes, requested: bytes) -> Field:
    meaning = error_of_code(data[0])[1]
    if not requested:
        return Field("error code", data, meaning)
    asked = _parameter_field(requested)
    meaning = f"{meaning}; the request before was for {asked.meaning}"
    return replace(asked, name="error code", data=data, meaning=meaning)


def _answers(reply: bytes, before: bytes) -> bool:
    """Whether `reply` goes from the destination to the source of the frame before it."""
    return len(before) > HEADER_SIZE and before[3:5] == reply[4:2:-1]


def _requested_by(frame: bytes) -> bytes:
    """Return the class, member and instance of a request; empty for another frame."""
    try:
        payload = decode_payload(frame[HEADER_SIZE:-2])
    except WatlowFrameError:
        return b""
    if not isinstance(payload, (ReadRequest, WriteRequest)):
        return b""
    return bytes(payload[:3])


def _take_object(reader: FieldReader, size: int, *, value: bool) -> None:
    """Take class, member and instance, and a value with its tag; `size` bytes altogether."""
    selected = reader.take("parameter", 3, _parameter_field)
    if not value:
        return
    tag = reader.take("data type", 1, lambda data: TAGS.get(data[0], "unknown"))[0]
    reader.take("value", size - 4, lambda data: _value_field(selected, tag, data))


def _parameter_field(data: bytes) -> Field:
    match = match_of(*data)
    selector = ".".join(map(str, data))
    number = data[0] * 1000 + data[1]
    if match is None:
        meaning = f"{selector}: {number}, which the list of the EZ-ZONE PM does not have"
        return Field("parameter", data, meaning)
    meaning = f"{selector}: {number} {match.parameter}, instance {match.instance}"
    return Field("parameter", data, meaning, "", (match,))


def _value_field(selected: bytes, tag: int, data: bytes) -> Field:
    if tag not in TAGS:
        return Field("value", data, "of an unknown type")
    try:
        value = decode_value(tag, data)
    except WatlowFrameError as error:
        return Field("value", data, problem=error.message)
    match = match_of(selected[0], selected[1], selected[2], value)
    label = match.label if match else None
    return Field("value", data, text_of(value, label), "", (match,) if match else ())


def match_of(
    class_id: int, member_id: int, instance: int, value: Value | None = None
) -> Match | None:
    """Return the parameter of a class, member and instance with a value; None if not known."""
    spec = _specs().get(class_id * 1000 + member_id)
    if spec is None:
        return None
    label = spec.codes.get(value) if isinstance(value, int) else None
    return Match(spec.number, spec.name, instance, spec.family, value=value, label=label)


@lru_cache(maxsize=1)
def _specs() -> dict[int, ParameterSpec]:
    return {spec.number: spec for spec in PARAMETERS}
