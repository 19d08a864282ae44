"""Repeated reads of one controller, as samples for `poll` and for recordings.

With `sensor_check` the sampler also reads the input error with each process value. A value
whose sensor is in error keeps its number and gets the status "sensor_error".
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from threading import Event
from typing import Any, TypeAlias

from watlowlib._internal.frozen import draft_of
from watlowlib.devices.driver import Outcomes, Target
from watlowlib.devices.identity import known_identity, read_description
from watlowlib.devices.poll import Poll, StopCondition
from watlowlib.devices.session import Session
from watlowlib.devices.shown_unit import check_convertible
from watlowlib.devices.targets import Planned, as_list
from watlowlib.devices.values import measure_of, quantity_of, unit_of
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowError,
    WatlowNoSuchAttributeError,
    WatlowNoSuchInstanceError,
    WatlowNoSuchObjectError,
    WatlowNoSuchRegisterError,
    WatlowPortBusyError,
)
from watlowlib.model import Sample, Unit, Value
from watlowlib.model.events import EventListener
from watlowlib.protocol.exchange import Reply
from watlowlib.protocol.stats import DeviceStats
from watlowlib.units import converted

SampleResult: TypeAlias = "tuple[Sample, WatlowError | None]"
"""A sample, and the error that left it without a value."""

MEASURED = ("process_value", "filtered_process_value", "process_value_active")
"""Parameters whose values come from a sensor."""
NO_ERROR = "None"
SENSOR_ERROR, SENSOR_UNKNOWN = "sensor_error", "sensor_unknown"
"""Status of a value whose sensor is in error, or whose input error could not be read."""

_new_sample = draft_of(Sample)

NOT_THERE = (
    WatlowNoSuchInstanceError,
    WatlowNoSuchObjectError,
    WatlowNoSuchAttributeError,
    WatlowNoSuchRegisterError,
)
"""The error replies of a controller that does not have what was asked for."""


def make_sampler(
    session: Session,
    parameters: Planned,
    instances: int | Iterable[int],
    device: str,
    *,
    sensor_check: bool = False,
    show_unit: Unit | None = None,
) -> Sampler:
    """Return a sampler that skips the controller while it is offline, and notices another one.

    Pairs with None as instance are all instances of a parameter that the family has; those that
    the controller does not have make no samples.

    Raises:
        WatlowConfigurationError: The controller cannot read one of the parameters, or there is a
            temperature among them, whose scale is not known, to be shown in `show_unit`.
    """
    targets, optional = planned_targets(session, parameters, instances)
    check_convertible(session, (spec for spec, _ in targets), show_unit)
    session.identity.request()
    options: Any = {"sensor_check": sensor_check, "show_unit": show_unit, "skip_offline": True}
    return Sampler(session, targets, device=device, optional=optional, **options)


def planned_targets(
    session: Session, parameters: Planned, instances: int | Iterable[int]
) -> tuple[list[Target], set[Target]]:
    """Return the targets for `parameters` x `instances`, and which ones may not exist.

    Raises:
        WatlowConfigurationError: The controller cannot read one of those that are named, or none
            of all instances.
    """
    given = as_list("parameters", parameters)
    every = [each for each in given if isinstance(each, tuple) and each[1:] == (None,)]
    named = [each for each in given if each not in every]
    targets = session.targets(named, instances) if named or not every else []
    optional: list[Target] = []
    refused: WatlowError | None = None
    for spec in (session.names.resolve(name) for name, _ in every):
        for instance in range(1, spec.instances + 1):
            try:
                optional.append(session.target(spec.number, instance))
            except WatlowConfigurationError as error:  # it has no register
                refused = refused or error
    if refused is not None and not optional:
        raise refused
    return list(dict.fromkeys([*targets, *optional])), set(optional)


class Sampler(Poll):
    """Reads the same targets of one controller at each call.

    `device` is the controller's name in samples. With `sensor_check` the input error is read with
    each value from a sensor; with `skip_offline` nothing is read while the controller is offline.
    What the controller does not have of the targets in `optional` makes no samples, and is not
    requested again until an interruption, after which it may be another controller.
    Temperatures are converted to `show_unit`; None for the scale of the wire.
    """

    makes_new_samples = True

    def __init__(
        self,
        session: Session,
        targets: Sequence[Target],
        *,
        device: str,
        sensor_check: bool = False,
        skip_offline: bool = False,
        show_unit: Unit | None = None,
        optional: Collection[Target] = (),
    ) -> None:
        self._sample_type = session.sample_type or Sample
        self._session = session
        self._show_unit = show_unit
        self._planned = self._targets = targets
        self._optional = optional
        self._settings = session.settings
        """Another object after an interruption."""
        self._device = device
        self._skip_offline = skip_offline
        self._sensors = _input_errors(session, targets) if sensor_check else {}
        self._reads = self._reads_of(targets)

    @property
    def stats(self) -> Mapping[str, DeviceStats]:
        """Counters of the controller and its port, for the log."""
        port = self._session.port
        return {self._device: self._session.driver.stats, port.name: port.stats}

    @property
    def controllers(self) -> Sequence[Mapping[str, Any]]:
        """What is known about the controller, for the recording's metadata."""
        return (known_identity(self._session, self._device),)

    @property
    def last_probe_s(self) -> float:
        """Time of the last probe on the monotonic clock; 0 while the controller replies."""
        return self._session.availability.last_probe_s

    def identify(self, stop: Event) -> None:
        """Read the serial and part number and the firmware, as far as they are not known."""
        with suppress(WatlowError):  # the first tick reports it
            read_description(self._session)

    def listen(self, listener: EventListener) -> None:
        """Call `listener` with each write and each warning about writes."""
        self._session.listeners[listener] = self._device

    def unlisten(self, listener: EventListener) -> None:
        """Call `listener` no more."""
        self._session.listeners.pop(listener, None)

    def __call__(self, stop: Event | None = None) -> list[Sample]:
        """Read everything once; end early when `stop` is set and a read has failed."""
        return [sample for sample, _ in self.read(StopCondition(stop))]

    def read(self, stop: StopCondition) -> list[SampleResult]:
        """Read everything once, with the errors; end early when `stop` is reached."""
        self._session.port.check_process()
        if self._settings is not self._session.settings:
            self._settings, self._targets = self._session.settings, self._planned
            self._reads = self._reads_of(self._targets)
        results: dict[Target, SampleResult] = {}
        exchanges = self._session.outcomes_of(self._reads)
        while not stop.reached and self._available():
            started_s = time.monotonic()
            exchange = next(exchanges, None)
            if exchange is None:
                break
            self._add_results(exchange, started_s, stop, results)
        if self._optional:
            self._leave_out(results)
        self._check_sensors(results)
        not_read = self._stopped if stop.reached else self._offline
        return [results.get(target) or not_read(target) for target in self._targets]

    def _reads_of(self, targets: Iterable[Target]) -> tuple[Target, ...]:
        return tuple(dict.fromkeys([*targets, *self._sensors.values()]))

    def _add_results(
        self,
        exchange: Outcomes,
        started_s: float,
        stop: StopCondition,
        results: dict[Target, SampleResult],
    ) -> None:
        """Add the results of an exchange that was begun at `started_s`."""
        errors, values, reply, scale = exchange
        for target, error in errors.items():
            stop.note_failure()
            elapsed_s = error.context.elapsed_s
            if elapsed_s is None:
                elapsed_s = time.monotonic() - started_s
            results[target] = self._gap(target, error.status, elapsed_s), error
        if reply is not None:
            self._add_samples(values, reply, scale, results)

    def _leave_out(self, results: Mapping[Target, SampleResult]) -> None:
        """Read no more what the controller has replied not to have."""
        absent = {
            target
            for target, (_, error) in results.items()
            if target in self._optional and isinstance(error, NOT_THERE)
        }
        if absent:
            self._targets = [each for each in self._targets if each not in absent]
            self._reads = self._reads_of(self._targets)

    def busy(self) -> list[SampleResult]:
        """Return the results of a tick during which the port is still busy with an earlier one."""
        error = WatlowPortBusyError("the port is still busy with the requests of an earlier tick")
        return [(self._gap(target, error.status), error) for target in self._targets]

    def _available(self) -> bool:
        if not self._skip_offline or self._session.closed:
            return True
        try:
            return self._session.availability.check()
        except WatlowError:
            return True  # each read reports the failure of the port itself

    def _check_sensors(self, results: dict[Target, SampleResult]) -> None:
        """Give each value of a sensor the status of its input error."""
        for target, input_error in self._sensors.items():
            if target in results and results[target][0].value is not None:
                status = _sensor_status(input_error, results)
                results[target] = replace(results[target][0], status=status), None

    def _stopped(self, target: Target) -> SampleResult:
        return self._gap(target, "stopped"), None

    def _offline(self, target: Target) -> SampleResult:
        error = self._session.availability.error()
        return self._gap(target, error.status), error

    def _add_samples(
        self,
        values: Mapping[Target, Value],
        reply: Reply,
        reported: Unit | None,
        results: dict[Target, SampleResult],
    ) -> None:
        """Add a sample for each value of a reply; `reported` is the scale reported with them."""
        _, raw, requested_at, latency_s, monotonic_ns = reply
        received_at = requested_at + timedelta(0, latency_s)  # quicker than `seconds=`
        midpoint_at = requested_at + timedelta(0, latency_s / 2)
        device, show_unit, kind = self._device, self._show_unit, self._sample_type
        address, protocol = self._session.address, self._session.protocol
        temperature_unit = reported or self._session.declared_scale
        for target, value in values.items():
            spec, instance = target
            unit, quantity, scale = measure_of(spec, temperature_unit)
            if show_unit is not None and quantity is not None:
                value = converted(spec.recorded_as, value, quantity, scale, show_unit)
                unit = unit and show_unit
            sample = _new_sample()
            sample.device = device
            sample.address = address
            sample.protocol = protocol
            sample.parameter = spec.recorded_as
            sample.parameter_id = spec.number
            sample.instance = instance
            sample.value = value
            sample.unit = unit
            sample.requested_at = requested_at
            sample.received_at = received_at
            sample.midpoint_at = midpoint_at
            sample.latency_s = latency_s
            sample.raw = raw
            sample.status = "ok"
            sample.tick = None
            sample.scheduled_at = None
            sample.monotonic_ns = monotonic_ns
            sample.__class__ = kind
            results[target] = sample, None

    def _gap(self, target: Target, status: str, elapsed_s: float = 0.0) -> Sample:
        """Return the sample of a read that failed after `elapsed_s`, or was not sent."""
        spec, instance = target
        converted = self._show_unit if quantity_of(spec) is not None else None
        received_at = datetime.now(timezone.utc)
        return self._sample_type(
            device=self._device,
            address=self._session.address,
            protocol=self._session.protocol,
            parameter=spec.recorded_as,
            parameter_id=spec.number,
            instance=instance,
            value=None,
            unit=unit_of(spec, converted or self._session.temperature_unit),
            requested_at=received_at - timedelta(seconds=elapsed_s),
            received_at=received_at,
            midpoint_at=received_at - timedelta(seconds=elapsed_s / 2),
            latency_s=elapsed_s,
            raw=None,
            status=status,
            monotonic_ns=time.monotonic_ns(),
        )


def _input_errors(session: Session, targets: Iterable[Target]) -> dict[Target, Target]:
    """Return the input error that belongs to each target that comes from a sensor."""
    spec = session.registry.resolve("input_error")
    return {target: (spec, target[1]) for target in targets if target[0].name in MEASURED}


def _sensor_status(input_error: Target, results: Mapping[Target, SampleResult]) -> str:
    if input_error not in results or results[input_error][0].value is None:
        return SENSOR_UNKNOWN
    code = results[input_error][0].value
    good = isinstance(code, int) and input_error[0].codes.get(code) == NO_ERROR
    return "ok" if good else SENSOR_ERROR
