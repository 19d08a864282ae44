"""One control loop of a controller: process value, set point, mode, tuning and output.

loop = ctl.loop(2)
loop.read_pv()
loop.write_pid(PidGains(time_integral=120.0), confirm=True)
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from watlowlib._internal.process import NotCopied
from watlowlib.devices.session import Session
from watlowlib.devices.values import as_number
from watlowlib.devices.writing import check_write, send_write, write_parameter
from watlowlib.errors import (
    WatlowAbsentError,
    WatlowConfigurationError,
    WatlowDeviceError,
    WatlowError,
)
from watlowlib.model import PidGains, Reading, Unit

AUTOTUNE_ON, AUTOTUNE_OFF = 106, 59


class ControllerLoop(NotCopied):
    """One control loop; made by `Controller.loop`."""

    def __init__(self, session: Session, number: int) -> None:
        self._session = session
        self.number = number

    def __repr__(self) -> str:
        return f"<ControllerLoop {self.number} of {self._session!r}>"

    def read_pv(self, *, timeout: float | None = None) -> Reading[float]:
        """Read the process value (4001); `timeout` as in `Controller.read_parameter`."""
        return self._read_number("process_value", timeout)

    def read_setpoint(self, *, timeout: float | None = None) -> Reading[float]:
        """Read the set point (7001); `timeout` as in `Controller.read_parameter`."""
        return self._read_number("setpoint", timeout)

    def set_setpoint(
        self,
        value: float,
        *,
        confirm: bool = False,
        force: bool = False,
        verify: bool = False,
        timeout: float | None = None,
        unit: Unit | str | None = None,
    ) -> Reading[float]:
        """Write the set point (7001); see `Controller.set_setpoint`."""
        with self._session.timeout(timeout):
            options: Any = {"instance": self.number, "confirm": confirm, "unit": unit}
            write = check_write(self._session, "setpoint", value, **options)
            return as_number(send_write(self._session, write, force=force, verify=verify))

    def read_output_power(self, *, timeout: float | None = None) -> Reading[float]:
        """Read the output power (8033), -100 to 100 percent."""
        return self._read_number("output_power", timeout)

    def read_control_mode(self, *, timeout: float | None = None) -> Reading:
        """Read the active control mode (8002): off, auto or manual."""
        return self._session.read_parameter("control_mode_active", self.number, timeout)

    def set_control_mode(self, mode: str | int, *, confirm: bool = False) -> Reading:
        """Write the control mode (8001): "off", "auto", "manual" or a code."""
        return self._write("control_mode", mode, confirm=confirm)

    def read_pid(self, *, timeout: float | None = None) -> PidGains:
        """Read the tuning; a field that this unit does not have is None."""
        with self._session.timeout(timeout):
            return PidGains(**{name: self._read_gain(name) for name in asdict(PidGains())})

    def write_pid(self, gains: PidGains, *, confirm: bool = False) -> PidGains:
        """Write the fields of `gains` that are not None.

        All fields are checked before the first is sent. If a write fails, the error contains the
        previous gains.

        Returns:
            The tuning after the writes.

        Raises:
            WatlowConfigurationError: No field is given, or one is refused; nothing was sent.
            WatlowConfirmationError: `confirm=True` is missing; nothing was sent.
        """
        fields = {}
        if isinstance(gains, PidGains):
            fields = {name: value for name, value in asdict(gains).items() if value is not None}
        if not fields:
            raise WatlowConfigurationError(
                f"write_pid({gains!r}): give at least one field: PidGains(time_integral=120.0)"
            )
        writes = [
            check_write(self._session, name, value, instance=self.number, confirm=confirm)
            for name, value in fields.items()
        ]
        for write in writes:
            self._session.check_cooling(write.spec)
        before = self.read_pid()
        for write in writes:
            try:
                send_write(self._session, write)
            except WatlowError as error:
                error.message += f"; the previous gains were {before}"
                raise
        return self.read_pid()

    def start_autotune(self, *, confirm: bool = False) -> Reading:
        """Start the autotune (8026 = Yes); the controller heats while it runs.

        Args:
            confirm: Must be True: the temperature oscillates about the set point, and the
                new gains replace the present ones.
        """
        return self._write("autotune_request", AUTOTUNE_ON, confirm=confirm)

    def stop_autotune(self) -> Reading:
        """Stop the autotune (8026 = No); the present gains stay."""
        return self._write("autotune_request", AUTOTUNE_OFF, confirm=True)

    def read_autotune_status(self, *, timeout: float | None = None) -> Reading:
        """Read the progress of the autotune (8027); `Reading.label` is "Complete" at the end."""
        return self._session.read_parameter("autotune_status", self.number, timeout)

    def _read_number(self, name: str, timeout: float | None) -> Reading[float]:
        return self._session.read_number(name, self.number, timeout)

    def _read(self, name: str) -> Reading:
        return self._session.read_parameter(name, self.number)

    def _write(self, name: str, value: str | int, *, confirm: bool) -> Reading:
        return write_parameter(self._session, name, value, instance=self.number, confirm=confirm)

    def _read_gain(self, name: str) -> float | None:
        try:
            value = self._read(name).value
        except (WatlowAbsentError, WatlowDeviceError):
            return None
        return float(value) if isinstance(value, (int, float)) else None
