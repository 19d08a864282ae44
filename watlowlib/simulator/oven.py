"""A simulated oven and the PID loop that heats it, in process time.

The oven is a first-order lag with a dead time above an ambient temperature. The loop is a PID
with a proportional band, as in these controllers. Both advance in steps of `STEP_S`, so the
same seed gives the same curve however often the values are read. Temperatures are in °F, the
controllers' scale on the wire.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass

STEP_S = 0.1


@dataclass
class Oven:
    """A simulated oven.

    Attributes:
        ambient: Temperature without heating, °F.
        rise: Final rise above ambient at full power, °F.
        lag_s: Time constant, seconds.
        dead_time_s: Seconds until a change of power has an effect.
        noise: Standard deviation of the measurement, °F.
        seed: Seed of the noise.
    """

    ambient: float = 72.0
    rise: float = 500.0
    lag_s: float = 60.0
    dead_time_s: float = 1.0
    noise: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        self.temperature = self.ambient
        self.measured = self.ambient
        self._random = random.Random(self.seed)
        self._delayed_power = deque([0.0] * max(1, round(self.dead_time_s / STEP_S)))

    def step(self, power: float) -> None:
        """Simulate `STEP_S` with `power` percent of heat."""
        self._delayed_power.append(power)
        effective = self._delayed_power.popleft()
        target = self.ambient + self.rise * effective / 100.0
        self.temperature += (target - self.temperature) * STEP_S / self.lag_s
        self.measured = self.temperature + self._random.gauss(0.0, self.noise)


@dataclass
class Tuning:
    """The set point and the PID settings, named like the parameters."""

    setpoint: float = 75.0
    heat_proportional_band: float = 25.0
    time_integral: float = 180.0
    time_derivative: float = 0.0


class PidLoop:
    """A PID loop with a heat power of 0 to 100 percent."""

    def __init__(self) -> None:
        self.power = 0.0
        self._integral = 0.0
        self._last: float | None = None

    def step(self, measured: float, tuning: Tuning) -> float:
        """Simulate `STEP_S` and return the power in percent."""
        gain = 100.0 / tuning.heat_proportional_band
        error = tuning.setpoint - measured
        slope = 0.0 if self._last is None else (measured - self._last) / STEP_S
        self._last = measured
        proportional = gain * (error - tuning.time_derivative * slope)
        if tuning.time_integral > 0:
            step = gain * error * STEP_S / tuning.time_integral
            # Anti-windup: the integral changes only while the output is within its range.
            if 0.0 < proportional + self._integral + step < 100.0:
                self._integral += step
        self.power = min(100.0, max(0.0, proportional + self._integral))
        return self.power

    def hold(self, power: float = 0.0) -> float:
        """Reset the loop and hold the output at `power` percent."""
        self._integral, self._last = 0.0, None
        self.power = min(100.0, max(0.0, power))
        return self.power
