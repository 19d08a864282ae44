"""A simulated alarm: it trips above or below its set points, latches, is cleared and silenced."""

from __future__ import annotations

from dataclasses import dataclass

NONE, LOW, HIGH, ERROR = 61, 8, 7, 28
TYPE_OFF, PROCESS, DEVIATION = 62, 76, 24
SIDES_HIGH, SIDES_LOW = (13, 37), (13, 53)
LATCHING = 49
SENSOR_GOOD = 61


@dataclass
class AlarmSettings:
    """The settings of an alarm, as parameter values."""

    type: int
    sides: int
    latching: int
    high: float
    low: float
    hysteresis: float


class SimulatedAlarm:
    """The state of one alarm."""

    def __init__(self) -> None:
        self.state = NONE
        self.latched = False
        self.silenced = False
        self.clearable = False

    def update(self, settings: AlarmSettings, value: float, setpoint: float, sensor: int) -> None:
        """Update the state from the process value, the set point and the input error code."""
        offset = setpoint * (settings.type == DEVIATION)
        condition = self._condition(settings, value - offset, sensor)
        self.latched = settings.latching == LATCHING and (self.latched or condition != NONE)
        self.clearable = self.latched and condition == NONE
        if not self.clearable:
            self.state = condition
        if self.state == NONE:
            self.silenced = False

    def clear(self) -> None:
        """Clear a latched alarm whose condition has ended."""
        if self.clearable:
            self.state, self.latched, self.clearable = NONE, False, False

    def silence(self) -> None:
        """Silence an active alarm."""
        self.silenced = self.state != NONE

    def _condition(self, settings: AlarmSettings, value: float, sensor: int) -> int:
        if settings.type == TYPE_OFF:
            return NONE
        if sensor != SENSOR_GOOD:
            return ERROR
        # A tripped alarm ends only after the value has returned by the hysteresis.
        high = settings.high - settings.hysteresis * (self.state == HIGH)
        low = settings.low + settings.hysteresis * (self.state == LOW)
        if settings.sides in SIDES_HIGH and value > high:
            return HIGH
        return LOW if settings.sides in SIDES_LOW and value < low else NONE
