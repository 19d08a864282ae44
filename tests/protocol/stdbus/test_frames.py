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
# Made by hand from the description of the frame, not by our encoder.
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
    return [frame for portion in portions for frame in decoder.feed(portion)]


def one_by_one(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


@pytest.mark.parametrize(("frame", "data"), TABLE)
@pytest.mark.parametrize("behind", [b"", b"\x55", b"\x55\xff\x06", b"noise"])
def test_the_table_both_ways(frame: Frame, data: bytes, behind: bytes) -> None:
    assert encode_frame(frame) == data
    assert decoded(data + behind) == [frame]
    assert decoded(*one_by_one(data + behind)) == [frame]


@pytest.mark.parametrize("data", FRAMES)
def test_captures_decode_and_encode_to_the_same_bytes(data: bytes) -> None:
    (frame,) = decoded(data)
    assert encode_frame(frame) == data
    assert decoded(*one_by_one(data)) == [frame]


@pytest.mark.parametrize("data", FRAMES)
def test_one_flipped_bit_anywhere_is_never_accepted(data: bytes) -> None:
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert decoded(bytes(flipped)) == [], f"bit {bit}"


def test_a_payload_of_length_0_has_no_checksum() -> None:
    data = encode_frame(EMPTY)
    assert len(data) == 8
    assert decoded(data, data) == [EMPTY, EMPTY]


def test_a_payload_that_no_frame_holds() -> None:
    with pytest.raises(WatlowFrameError, match="502 bytes; a frame holds 501"):
        encode_frame(Frame(REPLY, 0, 16, bytes(MAX_PAYLOAD + 1)))


@given(frames)
def test_every_frame_comes_back(frame: Frame) -> None:
    assert decoded(encode_frame(frame)) == [frame]


@given(st.lists(frames, max_size=4), st.lists(st.integers(0, 600), max_size=8))
def test_portions_do_not_matter(sent: list[Frame], cuts: list[int]) -> None:
    data = b"".join(map(encode_frame, sent))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    portions = [data[a:b] for a, b in pairwise(edges)]
    assert decoded(*portions) == sent


@given(st.binary(max_size=40).filter(lambda noise: b"\x55" not in noise))
def test_noise_before_a_frame_is_passed_over_and_counted(noise: bytes) -> None:
    decoder = FrameDecoder()
    data = encode_frame(PV_2531)
    assert decoder.feed(noise + data) == [PV_2531]
    assert (decoder.used, decoder.skipped, decoder.pending) == (
        len(noise) + len(data),
        len(noise),
        0,
    )


@pytest.mark.parametrize("kept", range(1, 21))
def test_a_cut_frame_does_not_swallow_the_next(kept: int) -> None:
    data = encode_frame(PV_2531)
    # What is waited for in vain begins the next frame; it is found all the same.
    assert decoded(data[:kept] + data + data) == [PV_2531, PV_2531]


def test_a_damaged_frame_is_counted() -> None:
    data = bytearray(encode_frame(PV_2531))
    data[16] ^= 0x10
    decoder = FrameDecoder()
    assert decoder.feed(bytes(data)) == []
    assert decoder.damaged == 1
    assert decoder.used == decoder.skipped == len(data)


def test_a_length_that_no_frame_has_is_noise() -> None:
    long = bytes.fromhex("06 00 10 FF FF")
    header = b"\x55\xff" + long + bytes((crc8(long),))
    assert decoded(header + encode_frame(PV_2531)) == [PV_2531]


def test_100_000_random_inputs_raise_nothing() -> None:
    chance = random.Random(20)
    decoder = FrameDecoder()
    for _ in range(100_000):
        data = bytearray(chance.choice(FRAMES) if chance.random() < 0.5 else b"")
        for _ in range(chance.randrange(4)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        data += chance.randbytes(chance.randrange(12))
        decoder.feed(bytes(data))
        assert decoder.pending <= 8 + MAX_PAYLOAD + 2
    assert decoder.used > 1_000_000
