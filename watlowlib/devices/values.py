"""Values of parameters: checks before a write and after a read, and units."""

from __future__ import annotations

import math
import struct
from collections.abc import Collection
from datetime import timedelta
from functools import lru_cache

from watlowlib._internal.frozen import draft_of
from watlowlib._internal.validation import finite_or_none, shown
from watlowlib.errors import WatlowAbsentError, WatlowConfigurationError, WatlowFrameError
from watlowlib.model import ProtocolKind, Quantity, Reading, Unit, Value, WordOrder
from watlowlib.protocol.exchange import Reply
from watlowlib.registry.parameters import DataType, Kind, ParameterSpec

_UNITS = {
    Kind.PERCENT: Unit.PERCENT,
    Kind.SECONDS: Unit.SECOND,
    Kind.MILLISECONDS: Unit.MILLISECOND,
    Kind.MINUTES: Unit.MINUTE,
    Kind.HOURS: Unit.HOUR,
}
_QUANTITIES = {
    Kind.TEMPERATURE: Quantity.TEMPERATURE,
    Kind.TEMPERATURE_DIFFERENCE: Quantity.DIFFERENCE,
    Kind.TEMPERATURE_RATE: Quantity.RATE,
}
_AMBIGUOUS = frozenset({9001, 9002, 9020})
"""The set points of an alarm: differences if the alarm type (9015) is deviation."""

_UNWRITABLE = (DataType.STRING, DataType.POINTER, DataType.ANY)
_UNINITIALISED: float = struct.unpack(">f", b"\xcd\xcd\xcd\xcd")[0]
"""A float that the controller never set, as on the cool side of a unit without cooling."""

COMMUNICATION_SETTINGS = {
    ProtocolKind.STDBUS: frozenset({17001, 17002, 17009}),
    ProtocolKind.MODBUS_RTU: frozenset({17002, 17003, 17007, 17009}),
    ProtocolKind.MODBUS_TCP: frozenset({17001, 17002, 17003, 17007, 17009}),
}
"""Settings that can end the communication: address, baud rate, parity, protocol. On Modbus TCP all
of them, because a gateway may reach the controller over a line of either protocol."""

NEEDS_CONFIRM = frozenset({1013, 1014, 8026, 8049, 12001, 22011})
"""Not stored in EEPROM, but with consequences: restore or save all settings, autotune, clear
errors and limits, start a profile."""

SAVES_SETTINGS = frozenset({1013, 1014})
"""Those of `NEEDS_CONFIRM` that write the EEPROM."""

ONE_SHOT_REQUESTS = frozenset({4029, 8049, 9013, 9014, 12001})
"""Requests that end by themselves: a read does not show the value that was written."""

SETPOINT, SETPOINT_MINIMUM, SETPOINT_MAXIMUM = 7001, 7003, 7004

_new_reading = draft_of(Reading)


def unit_of(spec: ParameterSpec, temperature_unit: Unit | None) -> Unit | None:
    """Return the unit of `spec`; for a temperature the scale declared for the wire.

    A rate has none: whether it is per minute or per hour is a setting of the controller.
    """
    if spec.kind in (Kind.TEMPERATURE, Kind.TEMPERATURE_DIFFERENCE):
        return temperature_unit
    return _UNITS.get(spec.kind)


def quantity_of(spec: ParameterSpec) -> Quantity | None:
    """Return how values of `spec` are converted between °F and °C; None for no conversion."""
    return None if spec.number in _AMBIGUOUS else _QUANTITIES.get(spec.kind)


def present(spec: ParameterSpec, value: Value) -> Value:
    """Return `value`, which a controller has sent.

    Raises:
        WatlowAbsentError: It is not a finite number, or the controller never set it.
    """
    if isinstance(value, float) and (not math.isfinite(value) or value == _UNINITIALISED):
        raise WatlowAbsentError(
            f"{spec.name} ({spec.number}) holds no value: this controller does not use it"
        )
    return value


def are_present(numbers: Collection[float]) -> bool:
    """Whether `present` accepts all these numbers."""
    return all(map(math.isfinite, numbers)) and _UNINITIALISED not in numbers


def as_stored(spec: ParameterSpec, value: float | int) -> float | int:
    """Return `value` as the wire transports it: a 32-bit float, or whole counts of `scale`."""
    if spec.data_type is DataType.FLOAT:
        single: float = struct.unpack(">f", struct.pack(">f", value))[0]
        return single
    if spec.scale != 1:
        from watlowlib.protocol.modbus.words import of_counts

        return of_counts(spec, counts(spec, value))
    return value


def counts(spec: ParameterSpec, value: float | int) -> int:
    """Return `value` in counts of `spec.scale`."""
    return round(value / spec.scale)


def reading_of(
    spec: ParameterSpec,
    instance: int,
    value: Value,
    reply: Reply,
    scale: Unit | None,
    address: int,
    protocol: ProtocolKind,
) -> Reading:
    """Return a value with the reply that contained it as a `Reading`.

    `scale` is that of temperatures on the wire; None if it is not known.
    """
    unit, quantity, scale = measure_of(spec, scale)
    _, raw, requested_at, latency_s, monotonic_ns = reply
    reading = _new_reading()
    reading.value = value
    reading.unit = unit
    reading.parameter = spec.recorded_as
    reading.parameter_id = spec.number
    reading.instance = instance
    reading.address = address
    reading.requested_at = requested_at
    reading.received_at = requested_at + timedelta(0, latency_s)  # quicker than `seconds=`
    reading.latency_s = latency_s
    reading.raw = raw
    reading.label = label_of(spec, value) if spec.codes else None
    reading.protocol = protocol
    reading.monotonic_ns = monotonic_ns
    reading.quantity = quantity
    reading.scale = scale
    reading.__class__ = Reading
    return reading  # type: ignore[no-any-return]


@lru_cache(maxsize=4096)
def measure_of(
    spec: ParameterSpec, scale: Unit | None
) -> tuple[Unit | None, Quantity | None, Unit | None]:
    """Return the unit, the quantity and the scale of a value of `spec`; see `reading_of`."""
    quantity = quantity_of(spec)
    return unit_of(spec, scale), quantity, None if quantity is None else scale


def as_number(reading: Reading) -> Reading[float]:
    """Return a reading, known to be a number.

    Raises:
        WatlowFrameError: The value is a text or several words.
    """
    if not isinstance(reading.value, (int, float)):
        raise WatlowFrameError(f"{reading.parameter} is {reading.value!r}, not a number")
    return reading  # type: ignore[return-value]


def label_of(spec: ParameterSpec, value: Value | None) -> str | None:
    """Return the meaning of an enumeration's code; None for another type or an unknown code."""
    return spec.codes.get(value) if isinstance(value, int) else None


def checked_for_writing(
    spec: ParameterSpec, value: object, temperature_unit: Unit | None
) -> float | int:
    """Return `value` as it can be written to `spec`.

    `value` is a number, or the code or label of an enumeration. The limits are those of the scale
    `temperature_unit`; with None those of the wider range.

    Raises:
        WatlowConfigurationError: The parameter is read-only, or the value is not allowed.
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
    """Refuse a number that is out of range once it is rounded for the wire.

    Raises:
        WatlowConfigurationError: It is below `low` or above `high`.
    """
    below = low is not None and _rounded(spec, number) < _rounded(spec, low)
    above = high is not None and _rounded(spec, number) > _rounded(spec, high)
    if below or above:
        least, most = ("anything" if limit is None else f"{limit:.7g}" for limit in (low, high))
        raise WatlowConfigurationError(f"{label} = {number!r}: allowed is {least} to {most}")


def _rounded(spec: ParameterSpec, number: float) -> float:
    """Return `number` as the wire transports it; unchanged where it does not fit."""
    try:
        return as_stored(spec, number)
    except OverflowError:
        return number


def _check_width(spec: ParameterSpec, label: str, number: float | int) -> None:
    """Refuse a number that its data type cannot hold; the list does not limit every parameter."""
    from watlowlib.protocol.modbus.words import encode_words

    raw = number if spec.data_type is DataType.FLOAT else counts(spec, number)
    try:
        encode_words(spec.data_type, raw, WordOrder.LOW_HIGH)
    except WatlowFrameError:
        raise WatlowConfigurationError(
            f"{label} = {number!r} does not fit its type {spec.data_type.value!r}"
        ) from None


def _code(spec: ParameterSpec, label: str, value: object) -> int:
    if isinstance(value, str):
        label_given = value.strip().casefold()
        for code, text in spec.codes.items():
            if text.casefold() == label_given:
                return code
    else:
        number = finite_or_none(value)
        if number in spec.codes:
            return int(number or 0)
    allowed = ", ".join(f"{code} ({text})" for code, text in spec.codes.items())
    raise WatlowConfigurationError(f"{label} = {shown(value)}: allowed are {allowed}")


def _number(label: str, value: object, *, whole: bool) -> float | int:
    number = finite_or_none(value)
    if number is None or (whole and number != int(number)):
        expected = "a whole number" if whole else "a number"
        raise WatlowConfigurationError(f"{label} = {shown(value)}: give {expected}")
    return int(number) if whole else number
