"""Published frames in a stream, in any portions and with any noise between them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from watlowlib.protocol.modbus.frames import (
    RtuDecoder,
    RtuFrame,
    Sizes,
    crc16,
    reply_sizes,
    request_sizes,
)

# Frames and checksums as printed in Modbus tutorials.
CASES: list[tuple[Sizes, str, str]] = [
    (request_sizes, "11 03 006b 0003 7687", "03 006b 0003"),
    (request_sizes, "11 06 0001 0003 9a9b", "06 0001 0003"),
    (request_sizes, "11 10 0001 0002 04 000a0102 c6f0", "10 0001 0002 04 000a0102"),
    (reply_sizes, "11 03 06 ae4156524340 49ad", "03 06 ae4156524340"),
    (reply_sizes, "11 06 0001 0003 9a9b", "06 0001 0003"),
    (reply_sizes, "11 10 0001 0002 1298", "10 0001 0002"),
    (reply_sizes, "11 83 02 c134", "83 02"),
]


@pytest.mark.parametrize(("sizes", "wire", "payload"), CASES)
def test_published_frame_encodes_and_decodes(sizes: Sizes, wire: str, payload: str) -> None:
    frame = RtuFrame(0x11, bytes.fromhex(payload))
    raw = bytes.fromhex(wire)
    assert frame.raw == raw
    decoder = RtuDecoder(sizes)
    assert decoder.feed(raw + b"\x11\x03") == [frame]
    assert len(decoder.pending) == 2
    decoder = RtuDecoder(sizes)
    assert [found for byte in raw for found in decoder.feed(bytes((byte,)))] == [frame]


def test_reply_decoder_also_finds_request_echoes() -> None:
    echo, reply = bytes.fromhex(CASES[0][1]), bytes.fromhex(CASES[3][1])
    found = RtuDecoder(reply_sizes).feed(echo + reply)
    assert [frame.payload.hex() for frame in found] == ["03006b0003", "0306ae4156524340"]


@pytest.mark.parametrize("place", range(11))
def test_frame_with_one_wrong_bit_is_rejected(place: int) -> None:
    raw = bytearray.fromhex(CASES[3][1])
    raw[place] ^= 0x10
    decoder = RtuDecoder(reply_sizes)
    assert decoder.feed(bytes(raw)) == []
    assert len(decoder.pending) == 11


def test_clear_drops_a_partial_frame() -> None:
    decoder = RtuDecoder(request_sizes)
    raw = bytes.fromhex(CASES[0][1])
    decoder.feed(raw[:5])
    decoder.clear()
    assert decoder.feed(raw[5:]) == []


def is_frame(data: bytes) -> bool:
    return len(data) >= 5 and crc16(data[:-2]) == data[-2:]


@given(
    st.binary(max_size=20),
    st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125),
    st.lists(st.integers(1, 40), max_size=10),
)
def test_frame_after_noise_is_found_in_any_portions(
    noise: bytes, words: list[int], portions: list[int]
) -> None:
    data = b"".join(word.to_bytes(2, "big") for word in words)
    frame = RtuFrame(5, bytes((3, len(data))) + data)
    stream, decoder, found = noise + frame.raw, RtuDecoder(reply_sizes), []
    # One in 65,536 beginnings of a frame is itself a frame by chance: it is taken for one, the
    # rest is dropped, and the request is repeated.
    assume(not any(is_frame(stream[at : at + n]) for n in (5, 8) for at in range(len(stream))))
    for size in [*portions, len(stream)]:
        found += decoder.feed(stream[:size])
        stream = stream[size:]
    assert frame in found


@given(st.binary(max_size=60))
def test_crc_of_data_with_its_crc_is_zero(data: bytes) -> None:
    assert crc16(data + crc16(data)) == b"\0\0"
