"""The reads of one controller that a recording asks for again and again, as samples.

Also what a number is worth: with `sensor_check` the input error is read with each process
value, and a value whose sensor is in error says so in its `status`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, TypeAlias

from watlowlib.devices.availability import Availability
from watlowlib.devices.poll import StopCondition
from watlowlib.devices.samples import gap_of, sample_of
from watlowlib.devices.stdbus_driver import Target
from watlowlib.errors import WatlowError, WatlowPortBusyError
from watlowlib.model import Sample
from watlowlib.protocol.stats import DeviceStats

if TYPE_CHECKING:
    from watlowlib.devices.controller import Controller

Read: TypeAlias = "tuple[Sample, WatlowError | None]"
"""A sample, and the error that left it without a value."""

MEASURED = ("process_value", "filtered_process_value", "process_value_active")
"""What comes from a sensor."""
NO_ERROR = "None"
SENSOR_ERROR, SENSOR_UNKNOWN = "sensor_error", "sensor_unknown"
"""What the status of a value says whose sensor is in error, or did not tell."""


class Sampler:
    """Reads the same of one controller each time it is called; a `Poll`.

    Args:
        ctl: The controller.
        wanted: What to read.
        device: What it is called in samples.
        sensor_check: Whether to read the input error with what comes from a sensor.
        presence: What is known of its being there; None to ask in any case.
    """

    def __init__(
        self,
        ctl: Controller,
        wanted: list[Target],
        *,
        device: str,
        sensor_check: bool = False,
        presence: Availability | None = None,
    ) -> None:
        self._ctl = ctl
        self._wanted = wanted
        self._device = device
        self._presence = presence
        self._sensors = _sensors(ctl, wanted) if sensor_check else {}
        self._asked = list(dict.fromkeys([*wanted, *self._sensors.values()]))

    @property
    def stats(self) -> Mapping[str, DeviceStats]:
        """The counters of the controller and its port, for the log."""
        return {self._device: self._ctl.stats, self._ctl.port: self._ctl.port_stats}

    @property
    def looked_s(self) -> float:
        """When the controller was looked for last; 0 for one that is there."""
        return self._ctl.presence.looked_s

    def __call__(self, stop: Event | None = None) -> list[Sample]:
        """Read everything once, until `stop` is set and a read has failed."""
        return [sample for sample, _ in self.reads(StopCondition(stop))]

    def reads(self, halt: StopCondition) -> list[Read]:
        """The same with the errors, until `halt` says so."""
        found: dict[Target, Read] = {}
        exchanges = self._ctl.read_each(self._asked)
        while not halt.now and self._there():
            started_s = time.monotonic()
            brought = next(exchanges, None)
            if brought is None:
                break
            for target, got in brought.items():
                if isinstance(got, WatlowError):
                    halt.note(failed=True)
                    elapsed_s = got.context.elapsed_s or time.monotonic() - started_s
                    found[target] = self._gap(target, got.status, elapsed_s), got
                else:
                    found[target] = sample_of(self._ctl, self._device, got), None
        unasked = self._stopped if halt.now else self._offline
        return [
            self._judged(target, found) if target in found else unasked(target)
            for target in self._wanted
        ]

    def busy(self) -> list[Read]:
        """What a tick has of this controller while its port is held up."""
        error = WatlowPortBusyError("the port is held up by what it was asked before")
        return [(self._gap(target, error.status), error) for target in self._wanted]

    def _there(self) -> bool:
        """Whether the controller is to be asked."""
        if self._presence is None or self._ctl.closed:
            return True
        try:
            return self._presence.look()
        except WatlowError:
            return True  # each read says itself what is wrong with the port

    def _judged(self, target: Target, found: Mapping[Target, Read]) -> Read:
        """What became of a target, its sensor considered."""
        sample, error = found[target]
        if sample.value is None or target not in self._sensors:
            return sample, error
        return replace(sample, status=_sensor_status(self._sensors[target], found)), None

    def _stopped(self, target: Target) -> Read:
        return self._gap(target, "stopped"), None

    def _offline(self, target: Target) -> Read:
        error = self._ctl.presence.error()
        return self._gap(target, error.status), error

    def _gap(self, target: Target, status: str, elapsed_s: float = 0.0) -> Sample:
        return gap_of(self._ctl, self._device, *target, status, elapsed_s)


def _sensors(ctl: Controller, wanted: list[Target]) -> dict[Target, Target]:
    """For each target that comes from a sensor, the input error of that one."""
    spec = ctl.registry.resolve("input_error")
    return {target: (spec, target[1]) for target in wanted if target[0].name in MEASURED}


def _sensor_status(sensor: Target, found: Mapping[Target, Read]) -> str:
    if sensor not in found or found[sensor][0].value is None:
        return SENSOR_UNKNOWN
    code = found[sensor][0].value
    good = isinstance(code, int) and sensor[0].codes.get(code) == NO_ERROR
    return "ok" if good else SENSOR_ERROR
