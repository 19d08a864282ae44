"""Codec for values in Modbus registers: the number of words of each type, and their order.

A float or 32-bit integer takes two registers, other types one; a text has none. Which of the
two words comes first is a setting of the controller (17043); the factory setting is low word
first. Source: Watlow's register list for the EZ-ZONE PM.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from watlowlib.errors import WatlowFrameError
from watlowlib.model import Value, WordOrder
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
        raise WatlowFrameError(f"{len(words)} registers cannot hold a {data_type.value!r}")
    if data_type in PAIRS:
        return tuple(words)
    form = _FORMATS[data_type]
    data = struct.pack(f">{len(words)}H", *_in_order(tuple(words), order))
    if data_type is DataType.U8:
        if data[0]:
            raise WatlowFrameError(f"the register value {words[0]} does not fit 8 bits")
        data = data[1:]
    (value,) = struct.unpack(form, data)
    return float(value) if data_type is DataType.FLOAT else int(value)


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
