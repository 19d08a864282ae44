from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.captures import FRAMES
from watlowlib.errors import WatlowFrameError
from watlowlib.protocol.stdbus.crc import crc8
from watlowlib.protocol.stdbus.frames import (
    MAX_PAYLOAD,
    REPLY,
    REQUEST,
    Frame,
    FrameDecoder,
    encode_frame,
)

READ_4001 = Frame(REQUEST, 0x10, 0x00, bytes.fromhex("010301040101"))
PV_2531 = Frame(REPLY, 0x00, 0x10, bytes.fromhex("0203010401010845 1E3CD4"))
EMPTY = Frame(REPLY, 0x00, 0x1F, b"")
# Written by hand from the frame description, not made by the encoder.
TABLE = [
    (READ_4001, bytes.fromhex("55FF0510000006E8010301040101E399")),
    (PV_2531, bytes.fromhex("55FF060010000B8802030104010108451E3CD4A728")),
]
frames = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=MAX_PAYLOAD),
)


def decoded(*portions: bytes) -> list[Frame]:
    decoder = FrameDecoder()
    return [Frame(*frame[:4]) for portion in portions for frame in decoder.feed(portion)]


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(("frame", "data"), TABLE)
@pytest.mark.parametrize("trailing", [b"", b"\x55", b"\x55\xff\x06", b"noise"])
def test_table_encodes_and_decodes(frame: Frame, data: bytes, trailing: bytes) -> None:
    assert encode_frame(frame) == data
    assert decoded(data + trailing) == [frame]
    assert decoded(*one_by_one(data + trailing)) == [frame]


@pytest.mark.parametrize("data", FRAMES)
def test_captures_decode_and_encode_to_the_same_bytes(data: bytes) -> None:
    (frame,) = FrameDecoder().feed(b"noise" + data + b"noise")
    assert encode_frame(Frame(*frame[:4])) == frame.raw == data
    assert decoded(*one_by_one(data)) == [frame[:4]]


@pytest.mark.parametrize("data", FRAMES)
def test_frame_with_one_flipped_bit_is_rejected(data: bytes) -> None:
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert decoded(bytes(flipped)) == [], f"bit {bit}"


def test_empty_payload_has_no_checksum() -> None:
    data = encode_frame(EMPTY)
    assert len(data) == 8
    assert decoded(data, data) == [EMPTY, EMPTY]


def test_payload_that_is_too_long_is_refused() -> None:
    with pytest.raises(WatlowFrameError, match="502 bytes; a frame holds at most 501"):
        encode_frame(Frame(REPLY, 0, 16, bytes(MAX_PAYLOAD + 1)))


@given(frames)
def test_decoding_reverses_encoding(frame: Frame) -> None:
    assert decoded(encode_frame(frame)) == [frame]


@given(st.lists(frames, max_size=4), st.lists(st.integers(0, 600), max_size=8))
def test_frames_are_found_in_any_portions(sent: list[Frame], cuts: list[int]) -> None:
    data = b"".join(map(encode_frame, sent))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    portions = [data[a:b] for a, b in pairwise(edges)]
    assert decoded(*portions) == sent


@given(st.binary(max_size=40).filter(lambda noise: b"\x55" not in noise))
def test_noise_before_a_frame_is_skipped(noise: bytes) -> None:
    decoder = FrameDecoder()
    assert decoder.feed(noise + encode_frame(PV_2531)) == [(*PV_2531, encode_frame(PV_2531))]
    assert (decoder.pending, decoder.damaged) == (b"", 0)


@pytest.mark.parametrize("kept", range(1, 21))
def test_truncated_frame_does_not_hide_the_next(kept: int) -> None:
    data = encode_frame(PV_2531)
    # The missing bytes are taken from the next frame, which must be found nevertheless.
    assert decoded(data[:kept] + data + data) == [PV_2531, PV_2531]


def test_damaged_frame_is_counted() -> None:
    data = bytearray(encode_frame(PV_2531))
    data[16] ^= 0x10
    decoder = FrameDecoder()
    assert decoder.feed(bytes(data)) == []
    assert (decoder.damaged, decoder.pending) == (1, b"")


def test_impossible_length_is_treated_as_noise() -> None:
    fields = bytes.fromhex("06 00 10 FF FF")
    header = b"\x55\xff" + fields + bytes((crc8(fields),))
    assert decoded(header + encode_frame(PV_2531)) == [PV_2531]


def test_random_input_raises_nothing() -> None:
    rng = random.Random(20)
    decoder = FrameDecoder()
    found = 0
    for _ in range(100_000):
        data = bytearray(rng.choice(FRAMES) if rng.random() < 0.5 else b"")
        for _ in range(rng.randrange(4)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        data += rng.randbytes(rng.randrange(12))
        found += len(decoder.feed(bytes(data)))
        assert len(decoder.pending) <= 8 + MAX_PAYLOAD + 2
    assert found > 1_000
