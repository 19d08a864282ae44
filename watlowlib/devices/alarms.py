"""One alarm of a controller: its state, and how to clear and silence it."""

from __future__ import annotations

from watlowlib._internal.process import NotCopied
from watlowlib.devices.session import Session
from watlowlib.devices.writing import write_parameter
from watlowlib.model import AlarmState, Reading

YES = 106
EXECUTE = 0
"""Written to 9013 and 9014, which read 255 while no request is pending."""


class Alarm(NotCopied):
    """One alarm; made by `Controller.alarm`."""

    def __init__(self, session: Session, instance: int) -> None:
        self._session = session
        self.instance = instance

    def __repr__(self) -> str:
        return f"<Alarm {self.instance} of {self._session!r}>"

    def read(self) -> AlarmState:
        """Read the state (9009 to 9012)."""
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
        """Clear a latched alarm (9013), possible once its cause has ended."""
        write_parameter(self._session, "alarm_clear_request", EXECUTE, instance=self.instance)
        return self.read()

    def silence(self) -> AlarmState:
        """Silence the alarm (9014) while its cause lasts."""
        write_parameter(self._session, "alarm_silence_request", EXECUTE, instance=self.instance)
        return self.read()

    def _read(self, name: str) -> Reading:
        return self._session.read_parameter(name, self.instance)
