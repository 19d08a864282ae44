"""A simulated alarm: trips above or below its set points, latches, is cleared and silenced."""

from __future__ import annotations

from dataclasses import dataclass

NONE, LOW, HIGH, ERROR = 61, 8, 7, 28
TYPE_OFF, PROCESS, DEVIATION = 62, 76, 24
SIDES_HIGH, SIDES_LOW = (13, 37), (13, 53)
LATCHING = 49
SENSOR_GOOD = 61


@dataclass
class AlarmSettings:
    """What the alarm is set to."""

    type: int
    sides: int
    latching: int
    high: float
    low: float
    hysteresis: float


class SimulatedAlarm:
    """One alarm's memory."""

    def __init__(self) -> None:
        self.state = NONE
        self.latched = False
        self.silenced = False
        self.clearable = False

    def look(self, settings: AlarmSettings, value: float, setpoint: float, sensor: int) -> None:
        """Look at the process value and trip, or not."""
        seen = self._seen(settings, value - setpoint * (settings.type == DEVIATION), sensor)
        self.latched = settings.latching == LATCHING and (self.latched or seen != NONE)
        self.clearable = self.latched and seen == NONE
        if not self.clearable:
            self.state = seen
        if self.state == NONE:
            self.silenced = False

    def clear(self) -> None:
        """Forget what is over."""
        if self.clearable:
            self.state, self.latched, self.clearable = NONE, False, False

    def silence(self) -> None:
        """Be quiet about what lasts."""
        self.silenced = self.state != NONE

    def _seen(self, settings: AlarmSettings, value: float, sensor: int) -> int:
        if settings.type == TYPE_OFF:
            return NONE
        if sensor != SENSOR_GOOD:
            return ERROR
        # Once tripped it holds until the value has come back by the hysteresis.
        high = settings.high - settings.hysteresis * (self.state == HIGH)
        low = settings.low + settings.hysteresis * (self.state == LOW)
        if settings.sides in SIDES_HIGH and value > high:
            return HIGH
        return LOW if settings.sides in SIDES_LOW and value < low else NONE
