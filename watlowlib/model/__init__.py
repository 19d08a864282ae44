"""The frozen data types that users see.

A controller's reply becomes a `Reading`. A recording makes a `Sample` of each read, whether
it succeeds or fails, and an `AcquisitionSummary` of the whole run. All objects are immutable.

Types that a program needs only for some calls are imported at their first use.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic

from watlowlib.model.kinds import ControllerFamily as ControllerFamily
from watlowlib.model.kinds import ProtocolKind as ProtocolKind
from watlowlib.model.kinds import WordOrder as WordOrder
from watlowlib.units import Quantity as Quantity
from watlowlib.units import TextEnum as TextEnum
from watlowlib.units import Unit as Unit
from watlowlib.units import Value as Value
from watlowlib.units import as_scale, converted
from watlowlib.units import format_value as format_value

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from watlowlib.model.controllers import AlarmState as AlarmState
    from watlowlib.model.controllers import DeviceInfo as DeviceInfo
    from watlowlib.model.controllers import PartNumber as PartNumber
    from watlowlib.model.controllers import PidGains as PidGains
    from watlowlib.model.reports import AcquisitionSummary as AcquisitionSummary
    from watlowlib.model.reports import RateReport as RateReport
    from watlowlib.model.reports import SinkReport as SinkReport
    from watlowlib.model.samples import Sample as Sample

    V = TypeVar("V", bound=Value, covariant=True, default=Value)
else:  # only type checkers need the default, and would accept any name of `__getattr__`
    from typing import TypeVar

    V = TypeVar("V")

    _MODULE_OF = {
        **dict.fromkeys(("AlarmState", "DeviceInfo", "PartNumber", "PidGains"), "controllers"),
        **dict.fromkeys(("AcquisitionSummary", "RateReport", "SinkReport"), "reports"),
        "Sample": "samples",
    }

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        globals()[name] = value
        return value


@dataclass(frozen=True)
class Reading(Generic[V]):
    """One value read from a controller.

    `float(reading)` is the number, and `f"{reading:.1f}"` formats the value.

    Attributes:
        value: The number, code or text.
        unit: The unit, or None when it is not known.
        parameter: Canonical parameter name.
        parameter_id: Parameter number, class * 1000 + member.
        instance: Instance of the parameter, from 1.
        address: Controller address.
        requested_at: When the read was first requested (UTC). The controller took the value
            between this and `received_at`, also when the request was retried.
        received_at: When the reply was complete (UTC).
        latency_s: Seconds between the two, by the monotonic clock.
        raw: The reply frame as received.
        label: For an enumeration, the meaning of the code in `value`, such as "PID".
        protocol: The wire protocol used.
        monotonic_ns: `time.monotonic_ns` when the reply was complete.
        quantity: How the value is converted between °F and °C; None for another value.
        scale: The scale that such a value is in, °F or °C; None when it is not known. For a rate
            it is known without the unit: per minute or per hour is a setting of the controller.
    """

    value: V
    unit: Unit | None
    parameter: str
    parameter_id: int
    instance: int
    address: int
    requested_at: datetime
    received_at: datetime
    latency_s: float
    raw: bytes
    label: str | None = None
    protocol: ProtocolKind | None = None
    monotonic_ns: int | None = None
    quantity: Quantity | None = None
    scale: Unit | None = None

    def to(self, unit: Unit | str) -> Reading[V]:
        """Return the reading in °C or °F; `raw` stays the reply in the scale of the wire.

        Differences and rates are converted without the offset of 32.

        Args:
            unit: "C" or "F", or the `Unit`.

        Raises:
            WatlowConfigurationError: The value is not known to be a temperature, a difference or
                a rate, or its scale is not known.
        """
        scale = as_scale("unit", unit)
        value: Any = converted(self.parameter, self.value, self.quantity, self.scale, scale)
        return replace(self, value=value, unit=self.unit and scale, scale=scale)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types: times as ISO 8601 text, `raw` as hexadecimal text."""
        return {name: _as_json(value) for name, value in vars(self).items()}

    def __float__(self) -> float:
        if self.label is None and isinstance(self.value, (int, float)):
            return float(self.value)
        raise TypeError(f"{self} is not a number; use its value or label")

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else str(self)

    def __str__(self) -> str:
        text = format_value(self.value, self.label, self.unit)
        return f"{text} ({self.parameter}, instance {self.instance})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print the text that IPython shows in a terminal."""
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """Return the table that notebooks show."""
        from watlowlib.model.html import fields, read_fields  # only notebooks need it

        return fields("Reading", read_fields(self, self.label))


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, TextEnum):
        return value.value
    return list(value) if isinstance(value, tuple) else value
