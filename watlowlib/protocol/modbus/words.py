"""Codec for values in Modbus registers: the number of words of each type, and their order.

A float or 32-bit integer takes two registers, other types one; a text has none. Which of the
two words comes first is a setting of the controller (17043); the factory setting is low word
first. Source: Watlow's register list for the EZ-ZONE PM.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from watlowlib.errors import WatlowFrameError
from watlowlib.model import Value, WordOrder
from watlowlib.model.text import counted
from watlowlib.registry.parameters import DataType, ParameterSpec

_FORMATS = {
    DataType.U8: ">B",
    DataType.U16: ">H",
    DataType.ENUM: ">H",
    DataType.S16: ">h",
    DataType.U32: ">I",
    DataType.S32: ">i",
    DataType.FLOAT: ">f",
}
PAIRS = (DataType.POINTER, DataType.ANY)
"""Two registers that are not one number: their order never changes."""

_COUNTS = {kind: (struct.calcsize(form) + 1) // 2 for kind, form in _FORMATS.items()}
_COUNTS |= dict.fromkeys(PAIRS, 2)

# An 8-bit value is read as its whole register, to check the high byte.
_READ_FORMATS = {**_FORMATS, DataType.U8: ">H", **dict.fromkeys(PAIRS, ">HH")}
_UNPACK = {
    WordOrder.HIGH_LOW: {
        kind: struct.Struct(form).unpack_from for kind, form in _READ_FORMATS.items()
    },
    WordOrder.LOW_HIGH: {
        kind: struct.Struct(form.replace(">", "<")).unpack_from
        for kind, form in _READ_FORMATS.items()
    },
}


def register_count(data_type: DataType) -> int:
    """Return the number of registers of a value; 0 for a text, which has none."""
    return _COUNTS.get(data_type, 0)


def encode_words(data_type: DataType, value: Value, order: WordOrder) -> tuple[int, ...]:
    """Return the register words of `value`.

    Raises:
        WatlowFrameError: The value does not fit the registers of this type.
    """
    try:
        if data_type in PAIRS:
            first, second = struct.unpack(">HH", struct.pack(">HH", *_as_pair(value)))
            return first, second
        data = struct.pack(_FORMATS[data_type], value)
    except (KeyError, TypeError, struct.error, OverflowError) as error:
        raise WatlowFrameError(
            f"{value!r} does not fit registers of type {data_type.value!r}: {error}"
        ) from None
    words = struct.unpack(f">{(len(data) + 1) // 2}H", data.rjust((len(data) + 1) // 2 * 2, b"\0"))
    return _in_order(words, order)


def decode_words(data_type: DataType, words: Sequence[int], order: WordOrder) -> Value:
    """Return the value of register words.

    Raises:
        WatlowFrameError: There are too many or too few, or the value is out of range.
    """
    if len(words) != register_count(data_type) or not words:
        raise WatlowFrameError(
            f"{counted(len(words), 'register')} cannot hold a {data_type.value!r}"
        )
    content = struct.pack(f">{len(words)}H", *words)
    return decode_at(data_type, arranged(content, order), 0, order)


def arranged(content: bytes, order: WordOrder) -> bytes:
    """Return the bytes of registers as `decode_at` takes them.

    With the low word first, the bytes of each word are exchanged: then the whole number has its
    lowest byte first.
    """
    if order is WordOrder.HIGH_LOW:
        return content
    words = array("H", content)
    words.byteswap()
    return words.tobytes()


def decode_at(data_type: DataType, data: bytes, at: int, order: WordOrder) -> Value:
    """Return the value of the registers that begin at byte `at` of arranged bytes.

    Raises:
        WatlowFrameError: The value is out of range.
    """
    found: tuple[float | int, ...] = _UNPACK[order][data_type](data, at)
    if data_type is DataType.U8 and found[0] > 0xFF:
        raise WatlowFrameError(f"the register value {found[0]} does not fit 8 bits")
    return found[0] if len(found) == 1 else found  # type: ignore[return-value]


class JointFormat(NamedTuple):
    """How to decode several numbers at once.

    Attributes:
        form: Their format without the byte order.
        bytes_at: The indexes of the numbers with 8 bits.
    """

    form: str
    bytes_at: tuple[int, ...]


def joint_format(places: Iterable[tuple[int, DataType]]) -> JointFormat | None:
    """Return the format of numbers, whose first bytes and types are given in ascending order.

    None if two of them overlap, or if one is a pair: then each needs `decode_at`.
    """
    form, end = "", 0
    bytes_at = []
    for n, (at, data_type) in enumerate(places):
        letter = _READ_FORMATS[data_type][1:]
        if at < end or data_type in PAIRS:
            return None
        if data_type is DataType.U8:
            bytes_at.append(n)
        form += f"{at - end}x{letter}"
        end = at + struct.calcsize(f">{letter}")
    return JointFormat(form, tuple(bytes_at))


def decode_all(joint: JointFormat, data: bytes, order: WordOrder) -> tuple[float | int, ...] | None:
    """Return the numbers in arranged bytes; None if one is out of range."""
    numbers = struct.unpack(("<" if order is WordOrder.LOW_HIGH else ">") + joint.form, data)
    return None if any(numbers[n] > 0xFF for n in joint.bytes_at) else numbers


def of_counts(spec: ParameterSpec, number: int) -> float | int:
    """Return the value of `number` counts, rounded to six decimals."""
    return number if spec.scale == 1 else round(number * spec.scale, 6)


def _in_order(words: tuple[int, ...], order: WordOrder) -> tuple[int, ...]:
    """Convert between high word first and the controller's order, either way."""
    return words[::-1] if order is WordOrder.LOW_HIGH else words


def _as_pair(value: Value) -> tuple[int, ...]:
    if not isinstance(value, tuple):
        raise TypeError("give two register numbers")
    return value
