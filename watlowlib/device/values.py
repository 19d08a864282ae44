"""What may be written, how it goes over the wire, and what unit it has."""

from __future__ import annotations

import math
import struct

from watlowlib.arguments import real
from watlowlib.errors import WatlowAbsentError, WatlowConfigurationError, WatlowFrameError
from watlowlib.model import Unit, Value
from watlowlib.protocol.stdbus.payloads import Tag, decode_value, encode_value
from watlowlib.registry.parameters import DataType, Kind, ParameterSpec

_TAGS = {
    DataType.U8: Tag.U8,
    DataType.U16: Tag.U16,
    DataType.U32: Tag.U32,
    DataType.S32: Tag.S32,
    DataType.FLOAT: Tag.FLOAT,
    DataType.STRING: Tag.STRING,
    DataType.ENUM: Tag.ENUM,
}

_UNITS = {
    Kind.PERCENT: Unit.PERCENT,
    Kind.SECONDS: Unit.SECOND,
    Kind.MILLISECONDS: Unit.MILLISECOND,
    Kind.MINUTES: Unit.MINUTE,
    Kind.HOURS: Unit.HOUR,
}
_UNINITIALISED = b"\xcd\xcd\xcd\xcd"
"""What a float holds that the controller never set, as on the cool side without cooling."""

CUTTING_OFF = frozenset({17001, 17002, 17009})
"""The settings that can cut us off: address, baud rate, protocol."""

WEIGHTY = frozenset({1013, 1014, 8026, 8049, 12001, 22011})
"""Not kept in EEPROM themselves, but what they set going must be meant: restoring or saving
all settings, autotune, clearing errors and limits, starting a profile."""

SAVING = frozenset({1013, 1014})
"""Of these, those that write the EEPROM all the same."""

MOMENTARY = frozenset({4029, 8049, 9013, 9014, 12001})
"""Requests that are over when they are done: what is read back is not what was written."""


SETPOINT, SETPOINT_MINIMUM, SETPOINT_MAXIMUM = 7001, 7003, 7004


def tag_of(spec: ParameterSpec) -> Tag | None:
    """The Standard Bus tag a value of `spec` is sent with; None where it is not known."""
    return _TAGS.get(spec.data_type)


def unit_of(spec: ParameterSpec, temperature_unit: Unit | None) -> Unit | None:
    """The unit of `spec`; of a temperature only what was declared for the wire.

    A rate has none: whether it is per minute or per hour is a setting of the controller.
    """
    if spec.kind in (Kind.TEMPERATURE, Kind.TEMPERATURE_DIFFERENCE):
        return temperature_unit
    return _UNITS.get(spec.kind)


def is_cool_side(spec: ParameterSpec) -> bool:
    """Whether `spec` means nothing on a controller without a cooling output."""
    return spec.name.startswith("cool_")


def meaning_of(spec: ParameterSpec, tag: int, data: bytes) -> Value:
    """The value an answer carries.

    Raises:
        WatlowAbsentError: It is no number, or the controller never set it.
        WatlowFrameError: The bytes do not go with their tag.
    """
    value = decode_value(tag, data)
    if isinstance(value, float) and (data == _UNINITIALISED or not math.isfinite(value)):
        raise WatlowAbsentError(
            f"{spec.name} ({spec.number}) holds no value: this controller does not use it"
        )
    return value


def as_stored(tag: Tag, value: float | int) -> float | int:
    """`value` as it is after its way over the wire: a float has 32 bits there."""
    if tag is not Tag.FLOAT:
        return value
    single: float = struct.unpack(">f", struct.pack(">f", value))[0]
    return single


def label_of(spec: ParameterSpec, value: Value | None) -> str | None:
    """What an enumeration's code means; None for what is no enumeration, or an unknown code."""
    return spec.codes.get(value) if isinstance(value, int) else None


def checked_for_writing(
    spec: ParameterSpec, value: object, temperature_unit: Unit | None
) -> tuple[Tag, float | int]:
    """The tag to write `spec` with, and `value` as it may be written.

    Args:
        spec: What is to be written.
        value: A number, or the code or label of an enumeration.
        temperature_unit: The scale whose limits count; None for the wider range.

    Raises:
        WatlowConfigurationError: The parameter cannot be written, or not with this value.
    """
    label = f"{spec.name} ({spec.number})"
    if not spec.writable:
        raise WatlowConfigurationError(f"{label} is read-only")
    tag = tag_of(spec)
    if tag is None or tag is Tag.STRING:
        raise WatlowConfigurationError(
            f"{label}: writing a value of type {spec.data_type.value!r} is not supported"
        )
    if spec.codes:
        return tag, _code(spec, label, value)
    number = _number(label, value, whole=tag is not Tag.FLOAT)
    check_range(label, number, *spec.limits(temperature_unit), tag=tag)
    _check_width(spec, label, number, tag)
    return tag, number


def check_range(
    label: str, number: float, low: float | None, high: float | None, *, tag: Tag
) -> None:
    """Refuse a number out of range, as it will be on the wire.

    Raises:
        WatlowConfigurationError: It is below `low` or above `high`.
    """
    below = low is not None and _wire(tag, number) < _wire(tag, low)
    above = high is not None and _wire(tag, number) > _wire(tag, high)
    if below or above:
        least, most = ("anything" if limit is None else f"{limit:.7g}" for limit in (low, high))
        raise WatlowConfigurationError(f"{label} = {number!r}: allowed is {least} to {most}")


def _wire(tag: Tag, number: float) -> float:
    """`number` as it is on the wire; unchanged where it does not fit there at all."""
    try:
        return as_stored(tag, number)
    except OverflowError:
        return number


def _check_width(spec: ParameterSpec, label: str, number: float | int, tag: Tag) -> None:
    """Refuse what the wire's type cannot hold, where the list names no limits."""
    try:
        encode_value(tag, number)
    except WatlowFrameError:
        raise WatlowConfigurationError(
            f"{label} = {number!r} does not fit its type {spec.data_type.value!r}"
        ) from None


def _code(spec: ParameterSpec, label: str, value: object) -> int:
    if isinstance(value, str):
        wanted = value.strip().casefold()
        for code, text in spec.codes.items():
            if text.casefold() == wanted:
                return code
    else:
        number = real(value)
        if number in spec.codes:
            return int(number or 0)
    allowed = ", ".join(f"{code} ({text})" for code, text in spec.codes.items())
    raise WatlowConfigurationError(f"{label} = {value!r}: allowed are {allowed}")


def _number(label: str, value: object, *, whole: bool) -> float | int:
    number = real(value)
    if number is None or (whole and number != int(number)):
        wanted = "a whole number" if whole else "a number"
        raise WatlowConfigurationError(f"{label} = {value!r}: give {wanted}")
    return int(number) if whole else number
