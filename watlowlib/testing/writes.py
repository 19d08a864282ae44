"""What was written to simulated controllers, and the messages of failed assertions about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from watlowlib.devices.values import as_stored, checked_for_writing, label_of
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import Value
from watlowlib.registry.parameters import SD_PARAMETERS, ParameterSpec, Registry, registry_of
from watlowlib.simulator.bus import Simulated, address_of
from watlowlib.simulator.series_sd import SimulatedSD

MOST_SHOWN = 20


class BusWrite(NamedTuple):
    """An accepted write; the label is that of an enumeration's value."""

    address: int
    parameter: str
    instance: int
    value: Value
    label: str | None

    def __str__(self) -> str:
        where = f"address {self.address}, instance {self.instance}"
        return f"{self.parameter} = {_text(self.value, self.label)} ({where})"


def _registry_for(controller: Simulated) -> Registry:
    """Return the parameters of the controller's family."""
    if isinstance(controller, SimulatedSD):
        return SD_PARAMETERS
    return registry_of(controller.family)


def writes_of(controller: Simulated) -> list[BusWrite]:
    """Return the accepted writes to a controller, oldest first."""
    registry, address = _registry_for(controller), address_of(controller)
    return [
        BusWrite(address, spec.name, each.instance, each.value, label_of(spec, each.value))
        for each in list(controller.writes)
        for spec in [registry.resolve(each.number)]
    ]


class Expectation:
    """Writes of `value` to `parameter` of some controllers; None is any value or instance.

    Raises:
        WatlowConfigurationError: None of the controllers has the parameter and instance, or the
            value cannot be written to it.
    """

    def __init__(
        self,
        controllers: Iterable[Simulated],
        parameter: str | int,
        value: object,
        instance: int | None,
    ) -> None:
        self._instance = instance
        self._expected: dict[Simulated, tuple[ParameterSpec, float | int | None]] = {}
        problem: WatlowConfigurationError | None = None
        for controller in controllers:
            try:
                spec = _spec_of(controller, parameter, instance)
                stored = None if value is None else _stored(spec, value)
                self._expected[controller] = spec, stored
            except WatlowConfigurationError as error:
                problem = error
        if problem is not None and not self._expected:
            raise problem

    def __str__(self) -> str:
        spec, value = next(iter(self._expected.values()))
        return spec.name + ("" if value is None else f" = {_text(value, label_of(spec, value))}")

    def count(self) -> int:
        """Return how often it was written."""
        return sum(
            each.parameter == spec.name
            and self._instance in (None, each.instance)
            and (value is None or _is_same(spec, each.value, value))
            for controller, (spec, value) in self._expected.items()
            for each in writes_of(controller)
        )

    def is_held(self) -> bool:
        """Whether all the controllers have the value now."""
        return all(
            value is not None
            and _is_same(spec, _held_by(controller, spec, self._instance or 1), value)
            for controller, (spec, value) in self._expected.items()
        )


def _spec_of(controller: Simulated, parameter: str | int, instance: int | None) -> ParameterSpec:
    spec = _registry_for(controller).resolve(parameter)
    most = controller.instances_of(spec)
    if instance is not None and not 1 <= instance <= most:
        raise WatlowConfigurationError(
            f"instance={instance!r}: {spec.name} has 1 to {most} on this controller"
        )
    return spec


def _held_by(controller: Simulated, spec: ParameterSpec, instance: int) -> Value:
    """Return the current value, in the scale of the wire."""
    if isinstance(controller, SimulatedSD):
        return controller.get(spec.number)  # its value on the wire is in counts
    return controller.read_wire_value(spec, instance)


def _stored(spec: ParameterSpec, value: object) -> float | int:
    """Return a number or a label as it is stored after a write."""
    return as_stored(spec, checked_for_writing(spec, value, None))


def _is_same(spec: ParameterSpec, written: Value, stored: float | int) -> bool:
    return isinstance(written, (int, float)) and as_stored(spec, written) == stored


def _text(value: object, label: str | None) -> str:
    """Return a value with the digits that a 32-bit float has, and its label."""
    text = f"{value:.7g}" if isinstance(value, float) else str(value)
    return f"{text} ({label})" if label else text


def list_of(writes: Iterable[BusWrite]) -> str:
    """Return the lines of a message, one for each different write."""
    counted = Counter(writes)
    lines = [
        f"  {each}" + (f", {count} times" if count > 1 else "") for each, count in counted.items()
    ]
    more = len(lines) - MOST_SHOWN
    return "\n".join(lines[:MOST_SHOWN] + ([f"  and {more} others"] if more > 0 else []))
