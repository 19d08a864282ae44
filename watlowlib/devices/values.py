"""What may be written, what came back as a value, and what unit it has; on either wire."""

from __future__ import annotations

import math
import struct

from watlowlib._internal.validation import finite_or_none
from watlowlib.errors import WatlowAbsentError, WatlowConfigurationError, WatlowFrameError
from watlowlib.model import ProtocolKind, Unit, Value, WordOrder
from watlowlib.protocol.modbus.words import encode_words
from watlowlib.registry.parameters import DataType, Kind, ParameterSpec

_UNITS = {
    Kind.PERCENT: Unit.PERCENT,
    Kind.SECONDS: Unit.SECOND,
    Kind.MILLISECONDS: Unit.MILLISECOND,
    Kind.MINUTES: Unit.MINUTE,
    Kind.HOURS: Unit.HOUR,
}
_UNWRITABLE = (DataType.STRING, DataType.POINTER, DataType.ANY)
_UNINITIALISED: float = struct.unpack(">f", b"\xcd\xcd\xcd\xcd")[0]
"""What a float holds that the controller never set, as on the cool side without cooling."""

COMMUNICATION_SETTINGS = {
    ProtocolKind.STDBUS: frozenset({17001, 17002, 17009}),
    ProtocolKind.MODBUS_RTU: frozenset({17002, 17003, 17007, 17009}),
}
"""The settings that can cut us off, by what is spoken: address, baud rate, parity, protocol."""

NEEDS_CONFIRM = frozenset({1013, 1014, 8026, 8049, 12001, 22011})
"""Not kept in EEPROM themselves, but what they set going must be meant: restoring or saving
all settings, autotune, clearing errors and limits, starting a profile."""

SAVES_SETTINGS = frozenset({1013, 1014})
"""Of these, those that write the EEPROM all the same."""

ONE_SHOT_REQUESTS = frozenset({4029, 8049, 9013, 9014, 12001})
"""Requests that are over when they are done: what is read back is not what was written."""


SETPOINT, SETPOINT_MINIMUM, SETPOINT_MAXIMUM = 7001, 7003, 7004


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


def present(spec: ParameterSpec, value: Value) -> Value:
    """`value`, which a controller has answered.

    Raises:
        WatlowAbsentError: It is no number, or the controller never set it.
    """
    if isinstance(value, float) and _is_none(value):
        raise WatlowAbsentError(
            f"{spec.name} ({spec.number}) holds no value: this controller does not use it"
        )
    return value


def _is_none(value: float) -> bool:
    return not math.isfinite(value) or value == _UNINITIALISED


def as_stored(spec: ParameterSpec, value: float | int) -> float | int:
    """`value` as it is after its way over the wire: a float of 32 bits, or whole counts."""
    if spec.data_type is DataType.FLOAT:
        single: float = struct.unpack(">f", struct.pack(">f", value))[0]
        return single
    if spec.scale != 1:
        return of_counts(spec, counts(spec, value))
    return value


def counts(spec: ParameterSpec, value: float | int) -> int:
    """How many counts of `spec.scale` make `value`; the number itself where that is 1."""
    return round(value / spec.scale)


def of_counts(spec: ParameterSpec, number: int) -> float | int:
    """What so many counts are worth, as the decimal number that is meant."""
    return number if spec.scale == 1 else round(number * spec.scale, 6)


def label_of(spec: ParameterSpec, value: Value | None) -> str | None:
    """What an enumeration's code means; None for what is no enumeration, or an unknown code."""
    return spec.codes.get(value) if isinstance(value, int) else None


def checked_for_writing(
    spec: ParameterSpec, value: object, temperature_unit: Unit | None
) -> float | int:
    """`value` as it may be written to `spec`.

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
    if spec.data_type in _UNWRITABLE:
        raise WatlowConfigurationError(
            f"{label}: writing a value of type {spec.data_type.value!r} is not supported"
        )
    if spec.codes:
        return _code(spec, label, value)
    whole = spec.data_type is not DataType.FLOAT and spec.scale == 1
    number = _number(label, value, whole=whole)
    check_range(spec, label, number, *spec.limits(temperature_unit))
    _check_width(spec, label, number)
    return number


def check_range(
    spec: ParameterSpec, label: str, number: float, low: float | None, high: float | None
) -> None:
    """Refuse a number out of range, as it will be on the wire.

    Raises:
        WatlowConfigurationError: It is below `low` or above `high`.
    """
    below = low is not None and _wire(spec, number) < _wire(spec, low)
    above = high is not None and _wire(spec, number) > _wire(spec, high)
    if below or above:
        least, most = ("anything" if limit is None else f"{limit:.7g}" for limit in (low, high))
        raise WatlowConfigurationError(f"{label} = {number!r}: allowed is {least} to {most}")


def _wire(spec: ParameterSpec, number: float) -> float:
    """`number` as it is on the wire; unchanged where it does not fit there at all."""
    try:
        return as_stored(spec, number)
    except OverflowError:
        return number


def _check_width(spec: ParameterSpec, label: str, number: float | int) -> None:
    """Refuse what the wire's type cannot hold, where the list names no limits."""
    raw = number if spec.data_type is DataType.FLOAT else counts(spec, number)
    try:
        encode_words(spec.data_type, raw, WordOrder.LOW_HIGH)
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
        number = finite_or_none(value)
        if number in spec.codes:
            return int(number or 0)
    allowed = ", ".join(f"{code} ({text})" for code, text in spec.codes.items())
    raise WatlowConfigurationError(f"{label} = {value!r}: allowed are {allowed}")


def _number(label: str, value: object, *, whole: bool) -> float | int:
    number = finite_or_none(value)
    if number is None or (whole and number != int(number)):
        wanted = "a whole number" if whole else "a number"
        raise WatlowConfigurationError(f"{label} = {value!r}: give {wanted}")
    return int(number) if whole else number
