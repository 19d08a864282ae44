"""What may be written, how it goes over the wire, and what unit it has."""

from __future__ import annotations

import math

from watlowlib.arguments import real
from watlowlib.errors import WatlowAbsentError, WatlowConfigurationError
from watlowlib.model import Unit, Value
from watlowlib.protocol.stdbus.payloads import Tag, decode_value
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

_UNINITIALISED = b"\xcd\xcd\xcd\xcd"
"""What a float holds that the controller never set, as on the cool side without cooling."""

COMMUNICATIONS = 17
"""The class of the settings that can cut us off: address, baud rate, protocol."""


def tag_of(spec: ParameterSpec) -> Tag:
    """The Standard Bus tag a value of `spec` is sent with."""
    return _TAGS[spec.data_type]


def unit_of(spec: ParameterSpec, temperature_unit: Unit | None) -> Unit | None:
    """The unit of `spec`; of a temperature only what was declared for the wire."""
    if spec.kind in (Kind.TEMPERATURE, Kind.TEMPERATURE_DIFFERENCE):
        return temperature_unit
    return {Kind.PERCENT: Unit.PERCENT, Kind.TIME: Unit.SECOND}.get(spec.kind)


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


def label_of(spec: ParameterSpec, value: Value) -> str | None:
    """What an enumeration's code means; None for what is no enumeration, or an unknown code."""
    return spec.codes.get(value) if isinstance(value, int) else None


def checked_for_writing(spec: ParameterSpec, value: Value) -> Value:
    """`value` as it may be written to `spec`.

    Raises:
        WatlowConfigurationError: The parameter cannot be written, or not with this value.
    """
    label = f"{spec.name} ({spec.number})"
    if not spec.writable:
        raise WatlowConfigurationError(f"{label} is read-only")
    if spec.class_id == COMMUNICATIONS:
        raise WatlowConfigurationError(
            f"{label} is a communications setting; written from here it could cut this "
            "program off, so set it on the controller's own keys"
        )
    if spec.data_type is DataType.STRING:
        raise WatlowConfigurationError(f"{label} is a text, and writing texts is not supported")
    number = _number(label, value, whole=spec.data_type is not DataType.FLOAT)
    if spec.codes and number not in spec.codes:
        allowed = ", ".join(f"{code} ({text})" for code, text in spec.codes.items())
        raise WatlowConfigurationError(f"{label} = {value!r}: allowed are {allowed}")
    low, high = spec.low, spec.high
    if (low is not None and number < low) or (high is not None and number > high):
        raise WatlowConfigurationError(f"{label} = {value!r}: allowed is {low:g} to {high:g}")
    return number


def _number(label: str, value: Value, *, whole: bool) -> float | int:
    number = real(value)
    if number is None or (whole and number != int(number)):
        wanted = "a whole number" if whole else "a number"
        raise WatlowConfigurationError(f"{label} = {value!r}: give {wanted}")
    return int(number) if whole else number
