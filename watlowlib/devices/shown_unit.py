"""Converts temperatures to the scale that a caller wants, °F or °C."""

from __future__ import annotations

from collections.abc import Iterable

from watlowlib.devices.session import Session
from watlowlib.devices.values import quantity_of
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import Reading, Unit, V
from watlowlib.registry.parameters import ParameterSpec
from watlowlib.units import DECLARE


def check_convertible(session: Session, specs: Iterable[ParameterSpec], unit: Unit | None) -> None:
    """Refuse to convert temperatures of a controller whose scale is not known. Sends nothing.

    Raises:
        WatlowConfigurationError: It is not known, and a temperature is among `specs`.
    """
    wanted = (spec.name for spec in specs if quantity_of(spec) is not None)
    if unit is None or session.knows_scale or (name := next(wanted, None)) is None:
        return
    raise WatlowConfigurationError(
        f"{name} of {session.name!r} cannot be converted to {unit}: the scale of temperatures on "
        f"the wire is not known; {DECLARE}"
    )


def shown_in(unit: Unit | None, reading: Reading[V]) -> Reading[V]:
    """Return a reading in `unit`; unchanged if that is None, or if it is not a temperature."""
    return reading if unit is None or reading.quantity is None else reading.to(unit)
