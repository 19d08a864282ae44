"""The units of values."""

from __future__ import annotations

from enum import Enum


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
