"""Events of a recording, such as a lost port or a note of the user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from watlowlib.units import TextEnum

EVENT_COLUMNS = ("time", "tick", "device", "kind", "text", "value")
"""The columns of the events in a file or a table: the fields of an `Event`, in this order."""

EVENTS_TABLE = "events"
"""The table of the events in a database."""


class EventKind(TextEnum):
    """What kind of event it is; `docs/events.md` describes each."""

    RECORDING_STARTED = "recording_started"
    RECORDING_STOPPED = "recording_stopped"
    NOTE = "note"
    PORT_LOST = "port_lost"
    PORT_BACK = "port_back"
    CONTROLLER_LOST = "controller_lost"
    CONTROLLER_BACK = "controller_back"
    OTHER_DEVICE = "other_device"
    ALARM_RAISED = "alarm_raised"
    ALARM_SILENCED = "alarm_silenced"
    ALARM_CLEARABLE = "alarm_clearable"
    ALARM_CLEARED = "alarm_cleared"
    LIMIT_CROSSED = "limit_crossed"
    LIMIT_ENDED = "limit_ended"
    SENSOR_ERROR_BEGUN = "sensor_error_begun"
    SENSOR_ERROR_ENDED = "sensor_error_ended"
    CLOCK_STEP = "clock_step"
    SLOTS_SKIPPED = "slots_skipped"
    PLAN_CHANGED = "plan_changed"
    SINK_FAILED = "sink_failed"
    SINK_BACK = "sink_back"
    EEPROM_WARNING = "eeprom_warning"
    PARAMETER_WRITTEN = "parameter_written"
    WRITE_FAILED = "write_failed"
    RULE = "rule"
    RULE_ENDED = "rule_ended"
    RULE_FAILED = "rule_failed"
    EVENTS_LOST = "events_lost"


EventListener: TypeAlias = "Callable[[str, EventKind, str, float | int | str | None], None]"
"""Takes an event: the name of the controller, the kind, the text and the value."""


@dataclass(frozen=True)
class Event:
    """An event of a recording.

    Attributes:
        time: When the event was found (UTC).
        tick: The tick whose samples show the event, otherwise the last tick that had been read;
            None before the first tick.
        device: The controller's name in the recording; None if it is not about one controller.
        kind: What kind of event it is; a text for a kind that a later version has written.
        text: The event in words.
        value: A number that belongs to it, such as the value written; or None.
    """

    time: datetime
    tick: int | None
    device: str | None
    kind: EventKind | str
    text: str
    value: float | int | str | None = None

    def __str__(self) -> str:
        device = "" if self.device is None else f" {self.device}:"
        text = f" {self.text}" if self.text else ""
        return f"{self.time:%Y-%m-%d %H:%M:%S}{device} {str(self.kind).replace('_', ' ')}:{text}"
