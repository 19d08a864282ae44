"""One control loop of a controller: its value, set point, mode, tuning and output.

loop = ctl.loop(2)
loop.read_pv()
loop.write_pid(PidGains(time_integral=120.0), confirm=True)
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from watlowlib.errors import (
    WatlowAbsentError,
    WatlowConfigurationError,
    WatlowDeviceError,
    WatlowError,
)
from watlowlib.model import PidGains, Reading

if TYPE_CHECKING:
    from watlowlib.devices.controller import Controller

AUTOTUNE_ON, AUTOTUNE_OFF = 106, 59


class ControllerLoop:
    """A view of one control loop; made by `Controller.loop`."""

    def __init__(self, ctl: Controller, number: int) -> None:
        self._ctl = ctl
        self.number = number

    def __repr__(self) -> str:
        return f"<ControllerLoop {self.number} of {self._ctl!r}>"

    def read_pv(self) -> Reading:
        """Read the process value (4001)."""
        return self._ctl.read_pv(instance=self.number)

    def read_setpoint(self) -> Reading:
        """Read the set point (7001)."""
        return self._ctl.read_setpoint(instance=self.number)

    def set_setpoint(
        self, value: float, *, confirm: bool = False, force: bool = False, verify: bool = False
    ) -> Reading:
        """Write the set point (7001); see `Controller.set_setpoint`."""
        return self._ctl.set_setpoint(
            value, instance=self.number, confirm=confirm, force=force, verify=verify
        )

    def read_output_power(self) -> Reading:
        """Read the output power (8033), -100 to 100 percent."""
        return self._ctl.read_parameter("output_power", instance=self.number)

    def read_control_mode(self) -> Reading:
        """Read the control mode that is active (8002): off, auto or manual."""
        return self._ctl.read_parameter("control_mode_active", instance=self.number)

    def set_control_mode(self, mode: str | int, *, confirm: bool = False) -> Reading:
        """Write the control mode (8001): "off", "auto" or "manual", or a code."""
        return self._ctl.write_parameter(
            "control_mode", mode, instance=self.number, confirm=confirm
        )

    def read_pid(self) -> PidGains:
        """Read the tuning; a field this unit does not have is None."""
        return PidGains(**{name: self._gain(name) for name in asdict(PidGains())})

    def write_pid(self, gains: PidGains, *, confirm: bool = False) -> PidGains:
        """Write the fields of `gains` that are not None.

        All of them are checked before the first is sent. When the line fails between
        two of them, the error says what the gains were before.

        Returns:
            The tuning that is held then.

        Raises:
            WatlowConfigurationError: No field is given, or one cannot be; nothing was sent.
            WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
        """
        given = {}
        if isinstance(gains, PidGains):
            given = {name: value for name, value in asdict(gains).items() if value is not None}
        if not given:
            raise WatlowConfigurationError(
                f"write_pid({gains!r}): give at least one field: PidGains(time_integral=120.0)"
            )
        for name, value in given.items():
            order = self._ctl.check_write(name, value, instance=self.number, confirm=confirm)
            self._ctl.check_cooling(order.spec)
        before = self.read_pid()
        for name, value in given.items():
            try:
                self._ctl.write_parameter(name, value, instance=self.number, confirm=confirm)
            except WatlowError as error:
                error.message += f"; the gains before were {before}"
                raise
        return self.read_pid()

    def start_autotune(self, *, confirm: bool = False) -> Reading:
        """Let the controller find its tuning; it heats while it does (8026 = Yes).

        Args:
            confirm: Must be True: it goes up and down about the set point, and the gains
                it finds replace those it has.
        """
        return self._ctl.write_parameter(
            "autotune_request", AUTOTUNE_ON, instance=self.number, confirm=confirm
        )

    def stop_autotune(self) -> Reading:
        """Stop finding the tuning; what was held before is kept (8026 = No)."""
        return self._ctl.write_parameter(
            "autotune_request", AUTOTUNE_OFF, instance=self.number, confirm=True
        )

    def read_autotune_status(self) -> Reading:
        """Read how far it is (8027); `Reading.label` is "Complete" in the end."""
        return self._ctl.read_parameter("autotune_status", instance=self.number)

    def _gain(self, name: str) -> float | None:
        try:
            value = self._ctl.read_parameter(name, instance=self.number).value
        except (WatlowAbsentError, WatlowDeviceError):
            return None
        return float(value) if isinstance(value, (int, float)) else None
