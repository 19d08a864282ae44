"""One alarm of a controller: what state it is in, clearing and silencing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watlowlib.model import AlarmState, Reading

if TYPE_CHECKING:
    from watlowlib.devices.controller import Controller

YES = 106
DO_IT = 0
"""What 9013 and 9014 are written with; they read 255 while nothing is asked for."""


class Alarm:
    """A view of one alarm; made by `Controller.alarm`."""

    def __init__(self, ctl: Controller, instance: int) -> None:
        self._ctl = ctl
        self.instance = instance

    def __repr__(self) -> str:
        return f"<Alarm {self.instance} of {self._ctl!r}>"

    def read(self) -> AlarmState:
        """Read its state (9009 to 9012)."""
        state = self._read("alarm_state")
        return AlarmState(
            instance=self.instance,
            code=int(state.value) if isinstance(state.value, int) else -1,
            label=state.label or f"unknown ({state.value})",
            latched=self._read("alarm_latched").value == YES,
            silenced=self._read("alarm_silenced").value == YES,
            clearable=self._read("alarm_clearable").value == YES,
        )

    def clear(self) -> AlarmState:
        """Clear a latched alarm whose cause is gone (9013)."""
        self._ctl.write_parameter("alarm_clear_request", DO_IT, instance=self.instance)
        return self.read()

    def silence(self) -> AlarmState:
        """Silence it while its cause lasts (9014)."""
        self._ctl.write_parameter("alarm_silence_request", DO_IT, instance=self.instance)
        return self.read()

    def _read(self, name: str) -> Reading:
        return self._ctl.read_parameter(name, instance=self.instance)
