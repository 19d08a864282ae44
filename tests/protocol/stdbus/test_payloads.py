from __future__ import annotations

import math
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.captures import CAPTURES, FRAMES, Capture
from watlowlib.errors import WatlowFrameError
from watlowlib.model import Value
from watlowlib.protocol.stdbus.frames import FrameDecoder
from watlowlib.protocol.stdbus.payloads import (
    ErrorCode,
    ErrorReply,
    Payload,
    ReadReply,
    ReadRequest,
    Tag,
    WriteReply,
    WriteRequest,
    decode_payload,
    decode_value,
    encode_payload,
    encode_value,
)

# The bytes are typed from the collected facts, not made by the encoder.
TABLE = [
    (ReadRequest(4, 1, 1), "01 03 01 04 01 01"),
    (ReadReply(3, 2, 1, Tag.U8, b"\x02"), "02 03 01 03 02 01 01 02"),
    (ReadReply(3, 10, 1, Tag.U16, b"\x00\x05"), "02 03 01 03 0A 01 03 00 05"),
    (ReadReply(1, 1, 1, Tag.S32, b"\0\0\0\x1c"), "02 03 01 01 01 01 06 00 00 00 1C"),
    (WriteRequest(7, 1, 1, Tag.FLOAT, b"C\xc4\0\0"), "01 04 07 01 01 08 43 C4 00 00"),
    (WriteReply(7, 1, 1, Tag.FLOAT, b"C\xc4\0\0"), "02 04 07 01 01 08 43 C4 00 00"),
    (ErrorReply(ErrorCode.ACCESS_DENIED), "02 80"),
    (ErrorReply(ErrorCode.NO_SUCH_OBJECT), "02 81"),
    (ErrorReply(ErrorCode.NO_SUCH_ATTRIBUTE), "02 83"),
    (ErrorReply(ErrorCode.NO_SUCH_INSTANCE), "02 84"),
    (ErrorReply(0x85), "02 85"),
    (ErrorReply(0x05, b"\x01\x02"), "02 05 01 02"),
]
VALUES = [
    (Tag.U8, "02", 2),
    (Tag.U16, "00 05", 5),
    (Tag.U32, "FF FF FF FF", 4_294_967_295),
    (Tag.S32, "FF FF FF FE", -2),
    (Tag.FLOAT, "43 C4 00 00", 392.0),
    (Tag.STRING, "03 50 4D 00", "PM"),
    (Tag.STRING, "01 00", ""),
    (Tag.ENUM, "01 00 47", 71),
    (Tag.ENUM, "02 00 47 05 06", (71, 1286)),
    (Tag.ENUM, "00", ()),
]
byte = st.integers(0, 255)
selector = (byte, byte, byte)
payloads = st.one_of(
    st.builds(ReadRequest, *selector),
    st.builds(ReadReply, *selector, byte, st.binary(max_size=20)),
    st.builds(WriteRequest, *selector, byte, st.binary(min_size=1, max_size=20)),
    st.builds(WriteReply, *selector, byte, st.binary(min_size=1, max_size=20)),
    st.builds(ErrorReply, byte.filter(lambda code: code not in (3, 4)), st.binary(max_size=4)),
).filter(lambda payload: not isinstance(payload, ReadReply) or len(payload.data) > 0)


@pytest.mark.parametrize(("payload", "text"), TABLE)
def test_table_encodes_and_decodes(payload: Payload, text: str) -> None:
    data = bytes.fromhex(text)
    assert encode_payload(payload) == data
    assert decode_payload(data) == payload
    assert type(decode_payload(data)) is type(payload)


@pytest.mark.parametrize(("tag", "text", "value"), VALUES)
def test_values_encode_and_decode(tag: Tag, text: str, value: Value) -> None:
    data = bytes.fromhex(text)
    assert decode_value(tag, data) == value
    assert type(decode_value(tag, data)) is type(value)
    assert encode_value(tag, value) == data


EXPECTED: dict[str, tuple[int, Value]] = {
    "read 4001": (4001, 2531.8017578125),
    "write 7001": (7001, 392.0),
    "read 7001": (7001, 392.0),
    "read 8003": (8003, 71),
    "read 1001": (1001, 28),
    "read 1009": (1009, "PM3R1CA-AAAAAAA"),
}


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda capture: capture.what[:10])
def test_captures_decode_to_the_noted_values(capture: Capture) -> None:
    (frame,) = FrameDecoder().feed(capture.response)
    reply = decode_payload(frame.payload)
    assert isinstance(reply, (ReadReply, WriteReply))
    number, value = EXPECTED[capture.what[: len("read 0000") + capture.what.startswith("write")]]
    assert reply.class_id * 1000 + reply.member_id == number
    assert decode_value(reply.tag, reply.data) == value
    assert encode_value(Tag(reply.tag), value) == reply.data


@given(payloads)
def test_decoding_reverses_encoding(payload: Payload) -> None:
    assert decode_payload(encode_payload(payload)) == payload


@given(st.floats(width=32))
def test_all_single_floats_encode_and_decode(value: float) -> None:
    result = decode_value(Tag.FLOAT, encode_value(Tag.FLOAT, value))
    assert result == value or (math.isnan(value) and math.isnan(result))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (Tag.FLOAT, "43 C4 00"),
        (Tag.FLOAT, "43 C4 00 00 00"),
        (Tag.U8, ""),
        (Tag.ENUM, ""),
        (Tag.ENUM, "02 00 47"),
        (Tag.STRING, "05 50 4D 00"),
        (Tag.STRING, ""),
        (0x0A, "00 00"),
    ],
)
def test_bytes_that_do_not_match_the_tag_are_refused(tag: int, text: str) -> None:
    with pytest.raises(WatlowFrameError, match="does not match the bytes"):
        decode_value(tag, bytes.fromhex(text))


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (Tag.U8, 256),
        (Tag.U16, -1),
        (Tag.U8, 1.5),
        (Tag.FLOAT, "hot"),
        (Tag.FLOAT, 1e39),
        (Tag.ENUM, 1 << 16),
        (Tag.STRING, 5),
        (Tag.STRING, "x" * 255),
        (Tag.STRING, "\u20ac"),
    ],
)
def test_values_that_do_not_fit_the_tag_are_refused(tag: Tag, value: Value) -> None:
    with pytest.raises(WatlowFrameError, match="does not fit tag"):
        encode_value(tag, value)


@pytest.mark.parametrize(
    "payload", [ReadRequest(256, 1, 1), ErrorReply(300), ErrorReply(3), ReadReply(4, 1, -1, 8, b"")]
)
def test_invalid_payloads_are_refused(payload: Payload) -> None:
    with pytest.raises(WatlowFrameError):
        encode_payload(payload)


def test_random_payloads_raise_only_frame_errors() -> None:
    rng = random.Random(3)
    decoded = 0
    for _ in range(100_000):
        data = bytearray(FrameDecoder().feed(rng.choice(FRAMES))[0].payload)
        for _ in range(rng.randrange(3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            payload = decode_payload(bytes(data[: rng.randrange(len(data) + 1)]))
            if isinstance(payload, (ReadReply, WriteReply, WriteRequest)):
                decode_value(payload.tag, payload.data)
            decoded += 1
        except WatlowFrameError:
            continue
    assert decoded > 1000


def test_float_encoding_is_big_endian() -> None:
    assert encode_value(Tag.FLOAT, 75.0) == struct.pack(">f", 75.0) == bytes.fromhex("42960000")
