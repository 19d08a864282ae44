"""Values as Modbus registers: how many words each type takes, and in which order.

A float or 32-bit integer takes two registers, everything else one; a text has none. Which
word of the two comes first is a setting of the controller (17043), from the factory the low
one. Source: Watlow's register list for the EZ-ZONE PM.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from watlowlib.errors import WatlowFrameError
from watlowlib.model import Value, WordOrder
from watlowlib.registry.parameters import DataType

_FORMATS = {
    DataType.U8: ">B",
    DataType.U16: ">H",
    DataType.ENUM: ">H",
    DataType.S16: ">h",
    DataType.U32: ">I",
    DataType.S32: ">i",
    DataType.FLOAT: ">f",
}
_PAIRS = (DataType.POINTER, DataType.ANY)
"""Two registers that are no one number: each stays as it is, in its place."""


def register_count(data_type: DataType) -> int:
    """How many registers a value takes; 0 for a text, which has none."""
    if data_type in _PAIRS:
        return 2
    return (struct.calcsize(_FORMATS[data_type]) + 1) // 2 if data_type in _FORMATS else 0


def encode_words(data_type: DataType, value: Value, order: WordOrder) -> tuple[int, ...]:
    """The registers that hold `value`.

    Raises:
        WatlowFrameError: They cannot hold it.
    """
    try:
        if data_type in _PAIRS:
            first, second = struct.unpack(">HH", struct.pack(">HH", *_listed(value)))
            return first, second
        data = struct.pack(_FORMATS[data_type], value)
    except (KeyError, TypeError, struct.error, OverflowError) as error:
        raise WatlowFrameError(
            f"{value!r} does not fit registers of type {data_type.value!r}: {error}"
        ) from None
    words = struct.unpack(f">{(len(data) + 1) // 2}H", data.rjust((len(data) + 1) // 2 * 2, b"\0"))
    return _in_order(words, order)


def decode_words(data_type: DataType, words: Sequence[int], order: WordOrder) -> Value:
    """The value that registers hold.

    Raises:
        WatlowFrameError: They are too many, too few, or out of the type's range.
    """
    if len(words) != register_count(data_type) or not words:
        raise WatlowFrameError(f"{len(words)} registers do not hold a {data_type.value!r}")
    if data_type in _PAIRS:
        return tuple(words)
    form = _FORMATS[data_type]
    data = struct.pack(f">{len(words)}H", *_in_order(tuple(words), order))
    if data_type is DataType.U8:
        if data[0]:
            raise WatlowFrameError(f"register {words[0]} is no 8-bit value")
        data = data[1:]
    (value,) = struct.unpack(form, data)
    return float(value) if data_type is DataType.FLOAT else int(value)


def _in_order(words: tuple[int, ...], order: WordOrder) -> tuple[int, ...]:
    """High word first into the controller's order, and back."""
    return words[::-1] if order is WordOrder.LOW_HIGH else words


def _listed(value: Value) -> tuple[int, ...]:
    if not isinstance(value, tuple):
        raise TypeError("give two register numbers")
    return value
