"""What was written to simulated controllers, and the messages of failed assertions about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from watlowlib.devices.values import as_stored, checked_for_writing, label_of
from watlowlib.errors import WatlowUnknownParameterError
from watlowlib.model import Value
from watlowlib.registry.parameters import PARAMETERS, SD_PARAMETERS, ParameterSpec, Registry
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


def registry_of(controller: Simulated) -> Registry:
    """Return the parameters of the controller's family."""
    return SD_PARAMETERS if isinstance(controller, SimulatedSD) else PARAMETERS


def writes_of(controller: Simulated) -> list[BusWrite]:
    """Return the accepted writes to a controller, oldest first."""
    registry, address = registry_of(controller), address_of(controller)
    return [
        BusWrite(address, spec.name, each.instance, each.value, label_of(spec, each.value))
        for each in list(controller.writes)
        for spec in [registry.resolve(each.number)]
    ]


class Expectation:
    """Writes of `value` to `parameter` of some controllers; None is any value or instance.

    Raises:
        WatlowUnknownParameterError: None of the controllers has the parameter.
        WatlowConfigurationError: No such value can be written to it.
    """

    def __init__(
        self,
        controllers: Iterable[Simulated],
        parameter: str | int,
        value: object,
        instance: int | None,
    ) -> None:
        self._specs = _specs_for(parameter, controllers)
        self._spec = next(iter(self._specs.values()))
        self._value = None if value is None else _stored(self._spec, value)
        self._instance = instance

    def __str__(self) -> str:
        if self._value is None:
            return self._spec.name
        return f"{self._spec.name} = {_text(self._value, label_of(self._spec, self._value))}"

    def count(self) -> int:
        """Return how often it was written."""
        return sum(
            each.parameter == spec.name
            and self._instance in (None, each.instance)
            and (self._value is None or self._is_stored_as(spec, each.value))
            for controller, spec in self._specs.items()
            for each in writes_of(controller)
        )

    def is_held(self) -> bool:
        """Whether all the controllers have the value now."""
        instance = self._instance or 1
        return self._value is not None and all(
            self._is_stored_as(spec, controller.read_wire_value(spec, instance))
            for controller, spec in self._specs.items()
        )

    def _is_stored_as(self, spec: ParameterSpec, value: Value) -> bool:
        return isinstance(value, (int, float)) and as_stored(spec, value) == self._value


def _specs_for(
    parameter: str | int, controllers: Iterable[Simulated]
) -> dict[Simulated, ParameterSpec]:
    """Return the spec of `parameter` for each controller whose family has it."""
    found: dict[Simulated, ParameterSpec] = {}
    unknown: WatlowUnknownParameterError | None = None
    for controller in controllers:
        try:
            found[controller] = registry_of(controller).resolve(parameter)
        except WatlowUnknownParameterError as error:
            unknown = error
    if unknown is not None and not found:
        raise unknown
    return found


def _stored(spec: ParameterSpec, value: object) -> float | int:
    """Return a number or a label as it is stored after a write."""
    return as_stored(spec, checked_for_writing(spec, value, None))


def _text(value: object, label: str | None) -> str:
    """Return a value with the digits that a 32-bit float has, and its label."""
    text = f"{value:.7g}" if isinstance(value, float) else str(value)
    return f"{text} ({label})" if label else text


def times_text(count: int) -> str:
    """Return a number of writes as a text."""
    return "once" if count == 1 else f"{count} times"


def list_of(writes: Iterable[BusWrite]) -> str:
    """Return the lines of a message, one for each different write."""
    counted = Counter(writes)
    lines = [
        f"  {each}" + (f", {count} times" if count > 1 else "") for each, count in counted.items()
    ]
    more = len(lines) - MOST_SHOWN
    return "\n".join(lines[:MOST_SHOWN] + ([f"  and {more} others"] if more > 0 else []))
