"""Explains a frame of Modbus RTU or TCP field by field, also one that is damaged or cut short.

The parameter in a register depends on the data map, and a Series SD has other parameters. A frame
does not contain the data map, so all possible parameters are named. The reply to a read does not
name its registers; they are those of the request, if this is the frame before it.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial

from watlowlib.errors import WatlowFrameError
from watlowlib.model import ControllerFamily, ProtocolKind, WordOrder
from watlowlib.model.text import counted
from watlowlib.protocol.explanation import EndOfFrameError, Explanation, Field, FieldReader, Match
from watlowlib.protocol.modbus.frames import (
    EXCEPTION,
    FUNCTIONS,
    READ_HOLDING,
    READ_INPUT,
    SLAVES,
    WRITE_MANY,
    WRITE_ONE,
    crc16,
    request_sizes,
)
from watlowlib.protocol.modbus.mbap import LENGTH_END
from watlowlib.protocol.modbus.requests import CRC_BYTES, error_of_code
from watlowlib.protocol.modbus.words import PAIRS, decode_words, of_counts, register_count
from watlowlib.registry.parameters import PARAMETERS, SD_PARAMETERS, DataType, ParameterSpec

READS = (READ_HOLDING, READ_INPUT)
ORDERS = (WordOrder.LOW_HIGH, WordOrder.HIGH_LOW)
_FUNCTIONS = {
    READ_HOLDING: "read holding registers",
    READ_INPUT: "read input registers",
    WRITE_ONE: "write one register",
    WRITE_MANY: "write registers",
}
_READ_REQUEST_SIZE = 8


def explain_frame(data: bytes, before: bytes = b"") -> Explanation:
    """Explain the frame that `data` is.

    Args:
        data: A whole frame, or the beginning of one.
        before: The good frame before it, which may be the request.
    """
    reader = FieldReader(data)
    kind = "frame"
    try:
        reader.take("slave", 1, _slave)
        function = reader.take("function", 1, _function)[0]
        request = before if _is_request_to(data, before) else b""
        kind = _kind_of(data, function, request)
        _take_content(reader, kind, function, request)
        body = data[: len(data) - len(reader.rest)]
        reader.take_check("CRC", crc16(body))
    except EndOfFrameError:
        pass
    reader.take_rest()
    return Explanation(ProtocolKind.MODBUS_RTU, kind, tuple(reader.fields))


def explain_tcp_frame(data: bytes, before: bytes = b"") -> Explanation:
    """Explain the frame of Modbus TCP that `data` is; `before` may be its request."""
    reader = FieldReader(data)
    try:
        reader.take("transaction id", 2, lambda data: str(int.from_bytes(data, "big")))
        reader.take("protocol", 2, _tcp_protocol)
        reader.take("length", 2, partial(_tcp_length, len(data) - LENGTH_END))
    except EndOfFrameError:
        return Explanation(ProtocolKind.MODBUS_TCP, "frame", tuple(reader.fields))
    # The rest is as on RTU, where a checksum follows.
    inner = explain_frame(*(each + crc16(each) for each in (reader.rest, before[LENGTH_END:])))
    fields = [each for each in inner.fields if each.name not in ("slave", "CRC")]
    unit = Field("unit id", reader.rest[:1], f"controller address {reader.rest[0]}")
    return Explanation(ProtocolKind.MODBUS_TCP, inner.kind, (*reader.fields, unit, *fields))


def _tcp_protocol(data: bytes) -> Field:
    problem = "Modbus TCP has 00 00 here" if any(data) else ""
    return Field("protocol", data, "" if problem else "Modbus", problem)


def _tcp_length(follow: int, data: bytes) -> Field:
    length = int.from_bytes(data, "big")
    problem = "" if length == follow else counted(follow, "byte follows", "bytes follow")
    return Field("length", data, counted(length, "byte"), problem)


def looks_like_frame(data: bytes) -> bool:
    """Whether `data` begins with a slave and a known function."""
    return len(data) > 1 and data[0] in SLAVES and data[1] & ~EXCEPTION in FUNCTIONS


def _slave(data: bytes) -> Field:
    slave = data[0]
    if slave in SLAVES:
        return Field("slave", data, f"controller address {slave}")
    problem = "" if slave == 0 else "controllers have the addresses 1 to 247"
    return Field("slave", data, "all controllers" if slave == 0 else "", problem)


def _function(data: bytes) -> str:
    name = _FUNCTIONS.get(data[0] & ~EXCEPTION, "unknown")
    return f"exception in reply to: {name}" if data[0] & EXCEPTION else name


def _is_request_to(data: bytes, before: bytes) -> bool:
    """Whether `before` is a request that `data` may answer."""
    return (
        len(before) > 5
        and before[0] == data[0]
        and before[1] == data[1] & ~EXCEPTION
        and len(before) in request_sizes(before, 0)
    )


def _kind_of(data: bytes, function: int, request: bytes) -> str:
    """Return what the frame is, by its size; a damaged frame after its request is a reply."""
    if function & EXCEPTION:
        return "exception"
    if function in READS:
        fits = len(data) > 2 and len(data) == data[2] + 5
        reply = fits or len(data) > _READ_REQUEST_SIZE
        reply |= bool(request) and len(data) < _READ_REQUEST_SIZE
        return "read reply" if reply else "read request"
    if function == WRITE_MANY:
        reply = len(data) == _READ_REQUEST_SIZE or (bool(request) and len(data) < 8)
        return "write reply" if reply else "write request"
    if function == WRITE_ONE:
        return "write reply" if data == request else "write request or reply"
    return "frame"


def _take_content(reader: FieldReader, kind: str, function: int, request: bytes) -> None:
    """Take what is between the function and the checksum."""
    if kind == "exception":
        asked = f"; the request before was for {_range_text(request)}" if request else ""
        reader.take("exception code", 1, lambda data: error_of_code(data[0])[1] + asked)
    elif kind == "read reply":
        _take_read_reply(reader, request)
    elif function == WRITE_ONE:
        register = _take_register(reader, 1, named=False)
        _take_words(reader, 1, register)
    elif function in FUNCTIONS:
        count = int.from_bytes(reader.rest[2:4], "big")
        many = kind == "write request"
        register = _take_register(reader, count, named=not many)
        reader.take("count", 2, lambda data: counted(count, "register"))
        if many:
            _take_words(reader, _take_byte_count(reader), register)
    else:
        size = max(len(reader.rest) - CRC_BYTES, 0)
        reader.take("data", size, "of an unknown function")


def _take_read_reply(reader: FieldReader, request: bytes) -> None:
    count = _take_byte_count(reader)
    register, asked = struct.unpack_from(">HH", request, 2) if request else (None, count)
    if asked != count:
        last = reader.fields.pop()
        meaning = f"{last.meaning}, but the request before was for {_range_text(request)}"
        reader.fields.append(Field(last.name, last.data, meaning, last.problem))
        register = None
    _take_words(reader, count, register)


def _take_byte_count(reader: FieldReader) -> int:
    """Take the number of bytes that follow and return the number of registers."""

    def describe(data: bytes) -> Field:
        odd = "registers have 2 bytes each" if data[0] % 2 or not data[0] else ""
        count = data[0] // 2
        meaning = f"{counted(data[0], 'byte')}: {counted(count, 'register')}"
        return Field("byte count", data, meaning, odd)

    return reader.take("byte count", 1, describe)[0] // 2


def _range_text(request: bytes) -> str:
    """Return the registers of a request as text."""
    register, count = struct.unpack_from(">HH", request, 2)
    if request[1] == WRITE_ONE or count == 1:
        return f"register {register}"
    return f"registers {register} to {register + count - 1}"


def _take_register(reader: FieldReader, count: int, *, named: bool) -> int:
    """Take the first of `count` registers; with `named` name their parameters here."""

    def describe(data: bytes) -> Field:
        register = int.from_bytes(data, "big")
        matches = tuple(matches_in(register, count)) if named else ()
        return Field("register", data, str(register), "", matches)

    return int.from_bytes(reader.take("register", 2, describe), "big")


def _take_words(reader: FieldReader, count: int, register: int | None) -> None:
    """Take the contents of registers; `register` is the first one, if it is known."""
    content = reader.rest[: 2 * count]
    words = struct.unpack(f">{len(content) // 2}H", content[: len(content) // 2 * 2])
    for n in range(count):
        if register is None:
            reader.take(f"word {n + 1}", 2, _word_text(words[n:], pair=n % 2 == 0))
        else:
            matches = tuple(values_at(register + n, words[n:]))
            field = Field(f"register {register + n}", b"", _word_text(words[n:]), "", matches)
            reader.take(field.name, 2, partial(_with_data, field))


def _with_data(field: Field, data: bytes) -> Field:
    return replace(field, data=data)


def _word_text(words: Sequence[int], *, pair: bool = False) -> str:
    """Return the first of `words` as text; with `pair` also the first two as a float."""
    if not pair or len(words) < 2:
        return f"{words[0]}" if words else ""
    floats = (f"{decode_words(DataType.FLOAT, words[:2], order):.7g} ({order})" for order in ORDERS)
    return f"{words[0]}; with the next as a float {' or '.join(floats)}"


def matches_in(register: int, count: int) -> Iterator[Match]:
    """Return the parameters whose registers are within `count` registers from `register`."""
    for first in range(register, register + min(count, 125)):
        for (spec, instance), maps in _holders().get(first, {}).items():
            if first + register_count(spec.data_type) <= register + count:
                yield Match(spec.number, spec.name, instance, spec.family, maps)


def values_at(register: int, words: Sequence[int]) -> Iterator[Match]:
    """Return the parameters that begin at `register`, with the values that `words` give them."""
    for (spec, instance), maps in _holders().get(register, {}).items():
        count = register_count(spec.data_type)
        if count > len(words):
            continue
        for order in _orders(spec, words[:count]):
            try:
                value = decode_words(spec.data_type, words[:count], order or WordOrder.HIGH_LOW)
            except WatlowFrameError:
                continue
            if isinstance(value, int):
                value = of_counts(spec, value)
            label = spec.codes.get(value) if isinstance(value, int) else None
            yield Match(spec.number, spec.name, instance, spec.family, maps, order, value, label)


def _orders(spec: ParameterSpec, words: Sequence[int]) -> tuple[WordOrder | None, ...]:
    """Return the possible word orders; None if the order does not matter."""
    if len(set(words)) == 1 or spec.data_type in PAIRS:
        return (None,)
    if spec.family is ControllerFamily.SD:
        return (WordOrder.HIGH_LOW,)
    return ORDERS


@lru_cache(maxsize=1)
def _holders() -> dict[int, dict[tuple[ParameterSpec, int], tuple[int, ...]]]:
    """Return the parameters that begin at each register: specification, instance, data maps."""
    found: dict[int, dict[tuple[ParameterSpec, int], tuple[int, ...]]] = defaultdict(dict)
    for spec in (*PARAMETERS, *SD_PARAMETERS):
        for data_map, registers in ((1, spec.map1), (2, spec.map2)):
            for instance, register in enumerate(registers, 1):
                if register is not None:
                    held = found[register]
                    here = () if spec.family is ControllerFamily.SD else (data_map,)
                    held[spec, instance] = held.get((spec, instance), ()) + here
    return dict(found)
