"""Values in registers, in both word orders."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watlowlib.errors import WatlowFrameError
from watlowlib.model import Value, WordOrder
from watlowlib.protocol.modbus.words import decode_words, encode_words, register_count
from watlowlib.registry.parameters import DataType

LOW, HIGH = WordOrder.LOW_HIGH, WordOrder.HIGH_LOW
ORDERS = (LOW, HIGH)

# 75.0 in the factory's word order is 0000 4296; the rest follows from two's complement, IEEE 754.
CASES: list[tuple[DataType, Value, WordOrder, tuple[int, ...]]] = [
    (DataType.FLOAT, 75.0, LOW, (0x0000, 0x4296)),
    (DataType.FLOAT, 75.0, HIGH, (0x4296, 0x0000)),
    (DataType.S32, 28, LOW, (28, 0)),
    (DataType.S32, 28, HIGH, (0, 28)),
    (DataType.S32, -75_123, HIGH, (0xFFFE, 0xDA8D)),
    (DataType.U32, 0x12345678, LOW, (0x5678, 0x1234)),
    (DataType.ENUM, 1331, LOW, (1331,)),
    (DataType.U8, 255, HIGH, (255,)),
    (DataType.U16, 65535, LOW, (65535,)),
    (DataType.S16, -100, LOW, (0xFF9C,)),
    (DataType.POINTER, (360, 361), LOW, (360, 361)),
    (DataType.ANY, (1, 2), HIGH, (1, 2)),
]


@pytest.mark.parametrize(("data_type", "value", "order", "words"), CASES)
def test_value_encodes_and_decodes(
    data_type: DataType, value: Value, order: WordOrder, words: tuple[int, ...]
) -> None:
    assert encode_words(data_type, value, order) == words
    assert decode_words(data_type, words, order) == value
    assert register_count(data_type) == len(words)


@given(st.integers(0, 0xFFFFFFFF), st.sampled_from(ORDERS))
def test_all_float_bit_patterns_are_decoded(bits: int, order: WordOrder) -> None:
    words = (bits >> 16, bits & 0xFFFF)
    (value,) = struct.unpack(">f", struct.pack(">I", bits))
    found = decode_words(DataType.FLOAT, words if order is HIGH else words[::-1], order)
    assert found == value or (found != found and value != value)


@pytest.mark.parametrize(
    ("data_type", "value"),
    [
        (DataType.U8, 256),
        (DataType.U8, -1),
        (DataType.S16, 32768),
        (DataType.ENUM, 62.5),
        (DataType.FLOAT, "hot"),
        (DataType.FLOAT, 1e39),
        (DataType.POINTER, (360,)),
        (DataType.POINTER, 360),
        (DataType.STRING, "oven"),
    ],
)
def test_value_that_does_not_fit_is_refused(data_type: DataType, value: Value) -> None:
    with pytest.raises(WatlowFrameError, match="does not fit"):
        encode_words(data_type, value, LOW)


@pytest.mark.parametrize(
    ("data_type", "words"),
    [
        (DataType.FLOAT, (1,)),
        (DataType.ENUM, (1, 2)),
        (DataType.U8, (256,)),
        (DataType.STRING, ()),
        (DataType.ANY, (1,)),
    ],
)
def test_words_that_do_not_match_the_type_are_refused(
    data_type: DataType, words: tuple[int, ...]
) -> None:
    with pytest.raises(WatlowFrameError, match="register"):
        decode_words(data_type, words, LOW)
