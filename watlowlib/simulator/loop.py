"""A simulated control loop: set point, ramp, PID, autotune, and the oven it heats."""

from __future__ import annotations

from dataclasses import dataclass, replace

from watlowlib.simulator.oven import STEP_S, Oven, PidLoop, Tuning

OFF, AUTO, MANUAL = 62, 10, 54
RAMP_AT_CHANGE = (85, 13)
PER_HOUR = 39
PHASES = (119, 120, 121, 122, 123, 151, 152, 153)
"""Autotune's states, in order; each lasts `PHASE_S` here."""
PHASE_S = 5.0
TUNE_OFF, TUNE_COMPLETE = 62, 18
LONGEST_S = 7200.0
"""More than this is not caught up with: by then an oven has settled."""


@dataclass
class Settings:
    """What the loop is set to."""

    mode: int
    manual_power: float
    tuning: Tuning
    ramp_action: int
    ramp_scale: int
    ramp_rate: float


class SimulatedLoop:
    """One loop, brought up to date when somebody looks."""

    def __init__(self, oven: Oven, setpoint: float) -> None:
        self.oven = oven
        self.pid = PidLoop()
        self.working = setpoint
        """The set point it controls to: on its way, while it ramps."""
        self.tune_status = TUNE_OFF
        self._tuning_s: float | None = None
        self._behind_s = 0.0

    def advance(self, seconds: float, settings: Settings) -> None:
        """Let `seconds` pass."""
        self._behind_s = min(self._behind_s + seconds, LONGEST_S)
        while self._behind_s >= STEP_S:
            self._behind_s -= STEP_S
            self._step(settings)

    def autotune(self, on: bool) -> None:
        """Start or stop finding the tuning."""
        self._tuning_s = 0.0 if on else None
        self.tune_status = PHASES[0] if on else TUNE_OFF

    @property
    def tuned(self) -> bool:
        """Whether autotune has just come to its end; says so once."""
        done = self._tuning_s is not None and self.tune_status == TUNE_COMPLETE
        if done:
            self._tuning_s = None
        return done

    def _step(self, settings: Settings) -> None:
        goal = settings.tuning.setpoint
        if settings.ramp_action in RAMP_AT_CHANGE:
            minutes = STEP_S / (3600.0 if settings.ramp_scale == PER_HOUR else 60.0)
            most = settings.ramp_rate * minutes
            self.working += min(most, max(-most, goal - self.working))
        else:
            self.working = goal
        if settings.mode == AUTO:
            tuning = replace(settings.tuning, setpoint=self.working)
            power = self.pid.step(self.oven.measured, tuning)
        else:
            power = self.pid.rest(settings.manual_power if settings.mode == MANUAL else 0.0)
        self.oven.step(power)
        if self._tuning_s is not None:
            self._tuning_s += STEP_S
            phase = int(self._tuning_s / PHASE_S)
            self.tune_status = PHASES[phase] if phase < len(PHASES) else TUNE_COMPLETE
