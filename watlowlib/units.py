"""Values and their units, and the conversion of temperatures between °F and °C."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

from watlowlib.errors import WatlowConfigurationError

Value: TypeAlias = "float | int | str | tuple[int, ...]"
"""A parameter's value: a float, an integer or enumeration code, a text, or several
enumeration words (never seen in a capture so far)."""


class TextEnum(str, Enum):
    """An enumeration whose members are equal to their text, and print as it."""

    def __str__(self) -> str:
        return str(self.value)


class Unit(TextEnum):
    """The unit of a value, as printed after the number."""

    CELSIUS = "°C"
    FAHRENHEIT = "°F"
    PERCENT = "%"
    SECOND = "s"
    MILLISECOND = "ms"
    MINUTE = "min"
    HOUR = "h"

    @classmethod
    def _missing_(cls, value: object) -> Unit | None:
        """Return the scale for "C" or "F", the spelling of another library."""
        return next((unit for unit in cls if value in ("C", "F") and unit == f"°{value}"), None)


class Quantity(TextEnum):
    """How a value is converted between the scales of temperatures."""

    TEMPERATURE = "temperature"
    DIFFERENCE = "temperature difference"
    """Converts without the offset of 32, such as a hysteresis."""
    RATE = "temperature rate"
    """Converts like a difference; per minute or per hour is a setting of the controller."""


DECLARE = "open the controller with temperature_unit='F' or 'C' (in a command: --unit)"
"""What to do about a scale that is not known."""


def as_scale(name: str, given: object) -> Unit:
    """Return °C or °F for `given`: a `Unit`, or "C" or "F" in any case.

    Raises:
        WatlowConfigurationError: It is something else; the message names the argument `name`.
    """
    text = str(given).removeprefix("°").upper()
    if text not in ("C", "F"):
        # A long text is not shown: it may be a URL with a password.
        what = f"{name}={str(given)!r}" if len(text) <= 8 else name
        raise WatlowConfigurationError(f"{what}: give 'C' or 'F'")
    return Unit(text)


def converted(
    parameter: str,
    value: object,
    quantity: Quantity | None,
    source: Unit | None,
    target: Unit | None,
) -> float:
    """Return `value` of the scale `source` in the scale `target`, unrounded.

    Raises:
        WatlowConfigurationError: A scale is not known, or the value cannot be converted.
    """
    if quantity is None or not isinstance(value, (int, float)):
        raise WatlowConfigurationError(
            f"{parameter} is not known to be a temperature, a difference or a rate: it cannot be "
            "converted; leave the unit out"
        )
    if source is None or target is None:
        raise WatlowConfigurationError(
            f"{parameter} cannot be converted: the scale of temperatures on the wire is not "
            f"known; {DECLARE}"
        )
    if source is target:
        return value
    offset = 32.0 if quantity is Quantity.TEMPERATURE else 0.0
    if target is Unit.CELSIUS:
        return (value - offset) * 5.0 / 9.0
    return value * 9.0 / 5.0 + offset


def format_value(value: Value | None, label: str | None, unit: Unit | None) -> str:
    """Return a value as text, with the meaning of a code and the unit; "no value" for None."""
    if value is None:
        return "no value"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    if label is not None:
        text = f"{label} ({text})"
    return text if unit is None else f"{text} {unit}"
