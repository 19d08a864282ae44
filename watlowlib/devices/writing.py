"""Checked writes: everything that can be refused is refused before anything is sent.

`check_write` checks the name, the type, the range and `confirm`. `send_write` then reads the
controller's own limits of a set point once, skips a value that the controller holds already,
counts the EEPROM write, and optionally reads the value back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from watlowlib._internal.validation import as_bool, finite_or_none, shown
from watlowlib.devices.session import Session
from watlowlib.devices.targets import check_instance
from watlowlib.devices.values import (
    COMMUNICATION_SETTINGS,
    NEEDS_CONFIRM,
    ONE_SHOT_REQUESTS,
    SAVES_SETTINGS,
    SETPOINT,
    SETPOINT_MAXIMUM,
    SETPOINT_MINIMUM,
    check_range,
    checked_for_writing,
    quantity_of,
)
from watlowlib.errors import (
    WatlowAbsentError,
    WatlowConfigurationError,
    WatlowConfirmationError,
    WatlowDeviceError,
    WatlowError,
    WatlowWriteError,
)
from watlowlib.model import Reading, Unit, Value
from watlowlib.model.events import EventKind
from watlowlib.protocol.exchange import WriteOptions
from watlowlib.registry.parameters import ParameterSpec
from watlowlib.units import as_scale, converted

_CHANGE_LIMITS = frozenset({SETPOINT_MINIMUM, SETPOINT_MAXIMUM, 17050})
"""Writes after which the limits of set points are read again; 17050 converts them."""


class Given(NamedTuple):
    """A value as the caller gave it, before its conversion to the scale of the wire."""

    value: float
    unit: Unit
    scale: Unit


class CheckedWrite(NamedTuple):
    """A write that has passed `check_write`.

    Attributes:
        spec: The parameter.
        instance: Its instance.
        value: The value on the wire.
        given: The value before its conversion; None if it was not converted.
    """

    spec: ParameterSpec
    instance: int
    value: float | int
    given: Given | None = None


def check_write(
    session: Session,
    parameter: str | int,
    value: Value,
    *,
    instance: int = 1,
    confirm: bool = False,
    maintenance: bool = False,
    unit: Unit | str | None = None,
) -> CheckedWrite:
    """Check a write without sending it; see `Controller.check_write`.

    Raises:
        WatlowConfigurationError: The write is refused.
        WatlowConfirmationError: `confirm=True` is missing.
    """
    spec = session.names.resolve_for_writing(parameter)
    instance = check_instance(spec, instance)
    session.driver.check_write(spec, instance)
    if unit is None:
        checked = checked_for_writing(spec, value, session.temperature_unit)
        _check_allowed(session, spec, instance, str(checked), confirm, maintenance)
        return CheckedWrite(spec, instance, checked)
    scale = as_scale("unit", unit)
    _check_allowed(session, spec, instance, f"{shown(value)} {scale}", confirm, maintenance)
    given, number = _on_the_wire(session, spec, value, scale)
    with _prefixed_errors(given, number):
        checked = checked_for_writing(spec, number, given.scale)
    return CheckedWrite(spec, instance, checked, given)


def _on_the_wire(
    session: Session, spec: ParameterSpec, value: Value, unit: Unit
) -> tuple[Given, float]:
    """Return a value given in `unit`, and the same in the scale of the wire.

    Raises:
        WatlowConfigurationError: It cannot be converted.
        WatlowError: A Series SD did not report its scale.
    """
    number, quantity = finite_or_none(value), quantity_of(spec)
    if number is None:
        raise WatlowConfigurationError(
            f"{spec.name} ({spec.number}) = {shown(value)}: give a number, or leave the unit out"
        )
    scale = None if quantity is None else session.read_scale()
    on_wire = converted(spec.name, number, quantity, unit, scale)
    return Given(number, unit, scale or unit), on_wire


@contextmanager
def _prefixed_errors(given: Given | None, value: float) -> Iterator[None]:
    """Begin the message of an error with the value given and the value on the wire."""
    try:
        yield
    except WatlowError as error:
        if given is not None and given.unit is not given.scale:
            error.message = (
                f"{given.value:.7g} {given.unit} is {value:.7g} {given.scale} on the wire: "
                f"{error.message}"
            )
        raise


def _check_allowed(
    session: Session,
    spec: ParameterSpec,
    instance: int,
    value: str,
    confirm: bool,
    maintenance: bool,
) -> None:
    """Refuse a communication setting, and a write that lacks its confirmation."""
    label = f"{spec.name} ({spec.number})"
    if spec.number in COMMUNICATION_SETTINGS[session.protocol] and not maintenance:
        raise WatlowConfigurationError(
            f"{label} is a communication setting: writing it could end the communication; use "
            "the functions of watlowlib.devices.maintenance"
        )
    if not as_bool("confirm", confirm) and (spec.persistent or spec.number in NEEDS_CONFIRM):
        kept = " and is stored in its EEPROM" if spec.persistent else ""
        raise WatlowConfirmationError(
            f"writing {value} to {label} changes what the controller does{kept}; "
            "pass confirm=True if this is intended",
            context=session.context_of(spec, instance),
        )


def write_parameter(
    session: Session, parameter: str | int, value: Value, *, instance: int, confirm: bool = False
) -> Reading:
    """Check one write and send it; see `Controller.write_parameter`."""
    return send_write(
        session, check_write(session, parameter, value, instance=instance, confirm=confirm)
    )


def send_write(
    session: Session, write: CheckedWrite, *, force: bool = False, verify: bool = False
) -> Reading:
    """Send a checked write, unless the controller holds the value already.

    Returns:
        The value that the controller holds, in the unit in which it was given.

    Raises:
        WatlowConfigurationError: A set point outside the controller's own limits, or
            `verify` for a parameter that cannot be read back; nothing was written.
        WatlowWriteError: The controller holds another value.
    """
    spec, instance, value, given = write
    if verify and not _readable_back(spec):
        raise WatlowConfigurationError(
            f"{spec.name} ({spec.number}) cannot be read back; leave verify=True out"
        )
    session.check_cooling(spec)
    check_own_limits(session, write)
    unit = None if given is None else given.unit
    sent = False

    def note_sending() -> None:
        nonlocal sent
        sent = True
        _note_write(session, write)

    options = WriteOptions(
        readable=_readable_back(spec),
        skip_unchanged=spec.persistent and spec.readable and not force,
        on_send=note_sending,
        scale=None if given is None else given.scale,
    )
    text = f"{spec.name} ({spec.number}), instance {instance}"
    try:
        reading = session.write(spec, instance, value, options)
    except WatlowError as error:
        if sent:
            session.tell(EventKind.WRITE_FAILED, f"{text}: {error.message}", value)
        raise
    if sent:
        session.tell(EventKind.PARAMETER_WRITTEN, text, value)
    if not verify:
        return reading if unit is None else reading.to(unit)
    current = session.read(spec, instance)
    if current.value != reading.value:
        raise WatlowWriteError(
            f"read back after the write, {spec.name} is {current.value}, not {reading.value}",
            context=session.context_of(spec, instance),
        )
    return current if unit is None else current.to(unit)


def set_persistent_writes(session: Session, on: bool, *, confirm: bool) -> Reading:
    """Set whether writes are stored in EEPROM; see `Controller.set_persistent_writes`."""
    if not as_bool("confirm", confirm):
        raise WatlowConfirmationError(
            "this setting decides which writes survive a power failure; "
            "pass confirm=True if this is intended"
        )
    keep = as_bool("on", on)
    setting = "Yes" if keep else "No"
    reading = write_parameter(session, "non_volatile_save", setting, instance=1, confirm=True)
    session.persistent_writes = keep
    return reading


def check_own_limits(session: Session, write: CheckedWrite) -> None:
    """Refuse a set point outside the controller's own minimum and maximum (7003, 7004).

    Raises:
        WatlowConfigurationError: It is outside; nothing was written.
    """
    if write.spec.number != SETPOINT:
        return
    session.confirm()
    instance, limits = write.instance, session.settings.setpoint_limits
    if instance not in limits:
        limits[instance] = (
            _own_limit(session, SETPOINT_MINIMUM, instance),
            _own_limit(session, SETPOINT_MAXIMUM, instance),
        )
    label = f"setpoint ({SETPOINT}) within the controller's own limits (7003, 7004)"
    with _prefixed_errors(write.given, write.value):
        check_range(write.spec, label, write.value, *limits[instance])


def _readable_back(spec: ParameterSpec) -> bool:
    """Whether a read shows the value that was written."""
    return spec.readable and spec.number not in ONE_SHOT_REQUESTS


def _note_write(session: Session, write: CheckedWrite) -> None:
    """Count a write just before it is sent, whether it succeeds or not."""
    spec = write.spec
    if spec.persistent or spec.number in SAVES_SETTINGS:
        session.note_eeprom_write()
    if spec.number in _CHANGE_LIMITS:
        session.settings.setpoint_limits.clear()


def _own_limit(session: Session, number: int, instance: int) -> float | None:
    try:
        value = session.read_parameter(number, instance).value
    except (WatlowAbsentError, WatlowDeviceError):
        return None
    return value if isinstance(value, float) else None
