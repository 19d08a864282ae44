"""Finds events in samples: changes of statuses, alarms and limits from tick to tick."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from watlowlib.model import Sample
from watlowlib.model.events import Event, EventKind
from watlowlib.registry.codes import codes_of
from watlowlib.streaming.counters import DISCONNECTED, NOT_REQUESTED

OFFLINE, OTHER_DEVICE, SENSOR_ERROR = "offline", "other_device", "sensor_error"
NO_PORT = NOT_REQUESTED | {DISCONNECTED}
"""Statuses that do not show that the port is there."""
NO_VALID_REPLY = NO_PORT | {OTHER_DEVICE, "timeout", "crc", "protocol", "line_not_quiet"}
"""Statuses that do not show that the controller of this name replies."""

ALARM_STATE, ALARM_SILENCED, ALARM_CLEARABLE, LIMIT_STATE = 9009, 9011, 9012, 12006
ACTIVE_ALARMS = (7, 8, 28)
"""Codes of 9009: high, low, error."""
ACTIVE_LIMITS = (51, 52, 28)
"""Codes of 12006: high, low, error."""
YES = 106
BEGUN = {
    ALARM_SILENCED: (EventKind.ALARM_SILENCED, ""),
    ALARM_CLEARABLE: (EventKind.ALARM_CLEARABLE, ": its cause has ended"),
}
"""The event, and the end of its text, when one of these parameters becomes `YES`."""


class EventDetector:
    """Compares each tick with the ticks before; a fault in the first tick is an event too.

    `ports` has the port of each device by name; devices without an entry count as one port.
    """

    def __init__(self, ports: Mapping[str, str]) -> None:
        self.ports = ports
        self._lost_ports: set[str] = set()
        self._lost: dict[str, str] = {}
        """The status of each controller that is lost or replaced."""
        self._sensor_errors: set[tuple[str, str, int]] = set()
        self._codes: dict[tuple[str, int, int], int] = {}
        """The last code of each device, parameter and instance that is an alarm or a limit."""

    def feed(self, samples: Iterable[Sample]) -> list[Event]:
        """Return the events of one tick, in the order of its samples."""
        return [event for sample in samples for event in self._events(sample)]

    def _events(self, sample: Sample) -> list[Event]:
        events = [*self._port(sample), *self._controller(sample)]
        if isinstance(sample.value, int):
            events += self._code(sample, sample.value)
        return [*events, *self._sensor(sample)]

    def _port(self, sample: Sample) -> list[Event]:
        port = self.ports.get(sample.device, "")
        if sample.status == DISCONNECTED and port not in self._lost_ports:
            self._lost_ports.add(port)
            return [replace(_event(sample, EventKind.PORT_LOST, port), device=None)]
        if sample.status not in NO_PORT and port in self._lost_ports:
            self._lost_ports.discard(port)
            return [replace(_event(sample, EventKind.PORT_BACK, port), device=None)]
        return []

    def _controller(self, sample: Sample) -> list[Event]:
        device, known = sample.device, self._lost.get(sample.device)
        if sample.status == OFFLINE and known is None:
            self._lost[device] = OFFLINE
            return [_event(sample, EventKind.CONTROLLER_LOST, "it does not reply")]
        if sample.status == OTHER_DEVICE and known != OTHER_DEVICE:
            self._lost[device] = OTHER_DEVICE
            return [_event(sample, EventKind.OTHER_DEVICE, "another controller replies")]
        if known is not None and sample.status not in NO_VALID_REPLY:
            del self._lost[device]
            return [_event(sample, EventKind.CONTROLLER_BACK, "it replies again")]
        return []

    def _sensor(self, sample: Sample) -> list[Event]:
        key = (sample.device, sample.parameter, sample.instance)
        if sample.status == SENSOR_ERROR and key not in self._sensor_errors:
            self._sensor_errors.add(key)
            return [_event(sample, EventKind.SENSOR_ERROR_BEGUN, _label(sample))]
        if sample.status == "ok" and key in self._sensor_errors:
            self._sensor_errors.discard(key)
            return [_event(sample, EventKind.SENSOR_ERROR_ENDED, _label(sample))]
        return []

    def _code(self, sample: Sample, code: int) -> list[Event]:
        number = sample.parameter_id
        if number not in (ALARM_STATE, LIMIT_STATE, *BEGUN):
            return []
        key = (sample.device, number, sample.instance)
        before = self._codes.get(key)
        self._codes[key] = code
        if number in BEGUN:
            kind, text = BEGUN[number]
            begun = code == YES and before != YES
            return [_event(sample, kind, f"alarm {sample.instance}{text}")] * begun
        alarm = number == ALARM_STATE
        name = f"{'alarm' if alarm else 'limit'} {sample.instance}"
        active = ACTIVE_ALARMS if alarm else ACTIVE_LIMITS
        if code in active and code != before:
            label = codes_of(number, sample.parameter).get(code, str(code))
            kind = EventKind.ALARM_RAISED if alarm else EventKind.LIMIT_CROSSED
            return [_event(sample, kind, f"{name}: {label}", code)]
        if code not in active and before in active:
            kind = EventKind.ALARM_CLEARED if alarm else EventKind.LIMIT_ENDED
            return [_event(sample, kind, name, code)]
        return []


def _label(sample: Sample) -> str:
    return f"{sample.parameter}, instance {sample.instance}"


def _event(
    sample: Sample,
    kind: EventKind,
    text: str,
    value: int | None = None,
) -> Event:
    return Event(sample.received_at, sample.tick, sample.device, kind, text, value)
