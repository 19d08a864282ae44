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
MAX_CATCH_UP_S = 7200.0
"""The longest time that is simulated at once; an oven has settled by then."""


@dataclass
class LoopSettings:
    """The settings of a control loop, as parameter values."""

    mode: int
    manual_power: float
    tuning: Tuning
    ramp_action: int
    ramp_scale: int
    ramp_rate: float


class SimulatedLoop:
    """One control loop; `advance` brings it up to date."""

    def __init__(self, oven: Oven, setpoint: float) -> None:
        self.oven = oven
        self.pid = PidLoop()
        self.working_setpoint = setpoint
        """The set point in use; while ramping, between the old set point and the new one."""
        self.tune_status = TUNE_OFF
        self._tuning_s: float | None = None
        self._behind_s = 0.0

    def advance(self, seconds: float, settings: LoopSettings) -> None:
        """Simulate `seconds`, in whole steps; a remainder is kept for the next call."""
        self._behind_s = min(self._behind_s + seconds, MAX_CATCH_UP_S)
        while self._behind_s >= STEP_S:
            self._behind_s -= STEP_S
            self._step(settings)

    def autotune(self, on: bool) -> None:
        """Start or stop autotune."""
        self._tuning_s = 0.0 if on else None
        self.tune_status = PHASES[0] if on else TUNE_OFF

    def pop_autotune_done(self) -> bool:
        """Return whether autotune has finished; true once per autotune."""
        done = self._tuning_s is not None and self.tune_status == TUNE_COMPLETE
        if done:
            self._tuning_s = None
        return done

    def _step(self, settings: LoopSettings) -> None:
        target = settings.tuning.setpoint
        if settings.ramp_action in RAMP_AT_CHANGE:
            periods = STEP_S / (3600.0 if settings.ramp_scale == PER_HOUR else 60.0)
            limit = settings.ramp_rate * periods
            self.working_setpoint += min(limit, max(-limit, target - self.working_setpoint))
        else:
            self.working_setpoint = target
        if settings.mode == AUTO:
            tuning = replace(settings.tuning, setpoint=self.working_setpoint)
            power = self.pid.step(self.oven.measured, tuning)
        else:
            power = self.pid.hold(settings.manual_power if settings.mode == MANUAL else 0.0)
        self.oven.step(power)
        if self._tuning_s is not None:
            self._tuning_s += STEP_S
            phase = int(self._tuning_s / PHASE_S)
            self.tune_status = PHASES[phase] if phase < len(PHASES) else TUNE_COMPLETE
