"""The frozen data types that users see.

A controller's reply becomes a `Reading`. A recording makes a `Sample` of each read, whether
it succeeds or fails, and an `AcquisitionSummary` of the whole run. All objects are immutable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

from watlowlib.model.html import fields
from watlowlib.model.reports import AcquisitionSummary as AcquisitionSummary
from watlowlib.model.reports import RateReport as RateReport
from watlowlib.model.reports import SinkReport as SinkReport
from watlowlib.units import Quantity as Quantity
from watlowlib.units import TextEnum as TextEnum
from watlowlib.units import Unit as Unit
from watlowlib.units import as_scale, converted

Value: TypeAlias = "float | int | str | tuple[int, ...]"
"""A parameter's value: a float, an integer or enumeration code, a text, or several
enumeration words (never seen in a capture so far)."""

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    V = TypeVar("V", bound=Value, covariant=True, default=Value)
else:  # only type checkers need the default
    from typing import TypeVar

    V = TypeVar("V")


class ProtocolKind(TextEnum):
    """The wire protocol a controller is set to (parameter 17009)."""

    STDBUS = "stdbus"
    MODBUS_RTU = "modbus_rtu"
    AUTO = "auto"


class ControllerFamily(TextEnum):
    """The product family; `UNKNOWN` until a part number has been read or given.

    A PM PLUS is a `PM`. `RM` is an RM module of a type that is not known, or without public
    registers (RMA, RME, RML, RMS).
    """

    PM = "pm"
    RM = "rm"
    RMC = "rmc"
    RMH = "rmh"
    ST = "st"
    SD = "sd"
    UNKNOWN = "unknown"


class WordOrder(TextEnum):
    """Which word of a 32-bit value is in the first of its two registers (17043)."""

    AUTO = "auto"
    LOW_HIGH = "low_high"
    HIGH_LOW = "high_low"


@dataclass(frozen=True)
class PartNumber:
    """The contents of a part number; a field that it does not contain is None.

    Attributes:
        text: The part number itself.
        family: The product family.
        case: The size, such as "1/32 DIN".
        control: The control type, such as "PID with ramp and soak".
        supply: The supply voltage.
        loops: The number of control loops.
        cooling: False when there is no second output, hence no cooling side.
        communications: The protocols besides Standard Bus.
        modbus: Whether Modbus RTU is one of them.
    """

    text: str
    family: ControllerFamily
    case: str | None = None
    control: str | None = None
    supply: str | None = None
    loops: int | None = None
    cooling: bool | None = None
    communications: str | None = None
    modbus: bool | None = None


@dataclass(frozen=True)
class DeviceInfo:
    """A controller's identity; a field that the controller does not report is None.

    The numbers are parameters of an EZ-ZONE PM; a Series SD has equivalent registers.

    Attributes:
        address: The controller's address.
        protocol: The wire protocol used.
        part_number: The decoded part number (1009).
        family: The product family.
        loops: The number of control loops.
        hardware_id: 1001.
        firmware_id: 1002.
        software_revision: 1003.
        software_build: 1005.
        serial_number: 1007. Of a Series SD, register 7 times 65,536 plus register 8: its list
            calls them the high and the low register. A label that shows them as two groups of
            decimal digits reads `serial_number // 65536` and `serial_number % 65536`.
        device_name: 1011.
        configured_protocol: The setting of 17009; differs from `protocol` after a change
            until the controller restarts.
        data_map: Over Modbus, 1 or 2; None on Standard Bus, or when it is not certain.
        word_order: Over Modbus, which word of 32-bit values comes first; None as above.
    """

    address: int
    protocol: ProtocolKind
    part_number: PartNumber | None = None
    family: ControllerFamily = ControllerFamily.UNKNOWN
    loops: int | None = None
    hardware_id: int | None = None
    firmware_id: int | None = None
    software_revision: int | None = None
    software_build: int | None = None
    serial_number: int | None = None
    device_name: str | None = None
    configured_protocol: ProtocolKind | None = None
    data_map: int | None = None
    word_order: WordOrder | None = None

    @property
    def capabilities(self) -> dict[str, bool | None]:
        """The unit's features by its part number; None for an unknown feature."""
        part = self.part_number
        control = None if part is None else part.control
        return {
            "second_loop": None if self.loops is None else self.loops > 1,
            "cooling": None if part is None else part.cooling,
            "profiles": None if control is None else "ramp and soak" in control,
            "modbus_rtu": None if part is None else part.modbus,
        }

    def _repr_html_(self) -> str:
        """Return the table that notebooks show."""
        part = None if self.part_number is None else self.part_number.text
        shown = {**vars(self), "part_number": part, **self.capabilities}
        return fields("Controller", shown)


@dataclass(frozen=True)
class PidGains:
    """The tuning of one control loop; a field that does not apply or was not given is None.

    Attributes:
        heat_proportional_band: 8009, in the temperature scale of the wire.
        cool_proportional_band: 8012, in the same scale; None on a unit without cooling.
        time_integral: 8006, seconds per repeat, 0 to 9999.
        time_derivative: 8007, seconds, 0 to 9999.
        dead_band: 8008, in the temperature scale of the wire.
    """

    heat_proportional_band: float | None = None
    cool_proportional_band: float | None = None
    time_integral: float | None = None
    time_derivative: float | None = None
    dead_band: float | None = None


@dataclass(frozen=True)
class AlarmState:
    """The state of one alarm, from parameters 9009 to 9012.

    Attributes:
        instance: The alarm number, from 1.
        code: The state's code (9009).
        label: The state as text: "None", "Alarm high", "Alarm low", "Blocked", "Startup", "Error".
        latched: Whether the alarm stays on until it is cleared.
        silenced: Whether the alarm is silenced.
        clearable: Whether the alarm can be cleared now.
    """

    instance: int
    code: int
    label: str
    latched: bool
    silenced: bool
    clearable: bool

    @property
    def active(self) -> bool:
        """Whether the alarm is on: high, low or error."""
        return self.code in (7, 8, 28)


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
        return fields("Reading", _read_fields(self, self.label))


def format_value(value: Value | None, label: str | None, unit: Unit | None) -> str:
    """Return a value as text, with the meaning of a code and the unit; "no value" for None."""
    if value is None:
        return "no value"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    if label is not None:
        text = f"{label} ({text})"
    return text if unit is None else f"{text} {unit}"


def _read_fields(read: Reading[Any] | Sample, label: str | None = None) -> dict[str, Any]:
    return {
        "value": format_value(read.value, label, read.unit),
        "parameter": f"{read.parameter} ({read.parameter_id})",
        "instance": read.instance,
        "address": read.address,
        "protocol": read.protocol,
        "requested at": read.requested_at,
        "latency": f"{1000 * read.latency_s:.1f} ms",
    }


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, TextEnum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


@dataclass(frozen=True)
class Sample:
    """One read of a recording, with or without a value.

    Attributes:
        device: The controller's name in the recording.
        address: Controller address.
        protocol: The wire protocol used.
        parameter: Canonical parameter name.
        parameter_id: Parameter number, class * 1000 + member.
        instance: Instance of the parameter, from 1.
        value: The value, or None when the read failed.
        unit: The unit, or None when it is not known.
        requested_at: When the read was requested (UTC).
        received_at: When the reply was complete, or the read had failed (UTC).
        midpoint_at: Halfway between the two: the best single time for the value.
        latency_s: Seconds between the two, by the monotonic clock.
        raw: The reply frame, or None.
        status: "ok", or why there is no value: the `status` of the error, such as "timeout".
        tick: The number of the tick in its recording, from 0, for all devices; None outside of
            a recording. Ticks that were skipped leave out their numbers.
        scheduled_at: When the tick was due: the wall clock (UTC) at the start of the recording,
            plus the time since then by the schedule. Steps of the wall clock do not change it.
        monotonic_ns: `time.monotonic_ns` at `received_at`; not stored by sinks.
    """

    device: str
    address: int
    protocol: ProtocolKind
    parameter: str
    parameter_id: int
    instance: int
    value: Value | None
    unit: Unit | None
    requested_at: datetime
    received_at: datetime
    midpoint_at: datetime
    latency_s: float
    raw: bytes | None
    status: str = "ok"
    tick: int | None = None
    scheduled_at: datetime | None = None
    monotonic_ns: int | None = None

    def _repr_html_(self) -> str:
        """Return the table that notebooks show."""
        where = {"device": self.device, "status": self.status, "tick": self.tick}
        return fields("Sample", where | _read_fields(self))
