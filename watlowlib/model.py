"""The frozen values that flow down the pipe, from the wire to the file.

A controller's answer becomes a `Reading`; a recording turns each read, answered or
not, into a `Sample`; what a whole run amounted to is an `AcquisitionSummary`.
Nothing here does I/O, and nothing here changes once it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias

from watlowlib.errors import WatlowConfigurationError

Value: TypeAlias = "float | int | str | tuple[int, ...]"
"""What a parameter can hold: a float, an integer or enumeration code, a text, or
(never yet seen in a capture) several enumeration words."""

BAUDRATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
"""Line speeds accepted in `SerialSettings`, in bit/s."""


class ProtocolKind(str, Enum):
    """The wire protocol a controller is set to (parameter 17009)."""

    STDBUS = "stdbus"
    MODBUS_RTU = "modbus_rtu"
    AUTO = "auto"

    def __str__(self) -> str:
        return self.value


class ControllerFamily(str, Enum):
    """The product family; `UNKNOWN` until a part number has been read or given."""

    PM = "pm"
    SD = "sd"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value


class Unit(str, Enum):
    """The unit of a value, as it is written behind it."""

    CELSIUS = "°C"
    FAHRENHEIT = "°F"
    PERCENT = "%"
    SECOND = "s"
    MILLISECOND = "ms"
    MINUTE = "min"
    HOUR = "h"

    def __str__(self) -> str:
        return self.value


class WordOrder(str, Enum):
    """Which word of a 32-bit value stands in the first of its two registers (17043)."""

    AUTO = "auto"
    LOW_HIGH = "low_high"
    HIGH_LOW = "high_low"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class SerialSettings:
    """How the serial line is set.

    The defaults are Standard Bus: 38400 baud, 8 data bits, no parity, 1 stop bit.

    Raises:
        WatlowConfigurationError: A value that no such line has.
    """

    baudrate: int = 38400
    bytesize: int = 8
    parity: str = "N"
    stopbits: int = 1

    def __post_init__(self) -> None:
        for name, allowed in (
            ("baudrate", BAUDRATES),
            ("bytesize", (7, 8)),
            ("parity", ("N", "E", "O")),
            ("stopbits", (1, 2)),
        ):
            given = getattr(self, name)
            if given not in allowed:
                raise WatlowConfigurationError(
                    f"{name}={given!r}: allowed are {', '.join(map(str, allowed))}"
                )

    @property
    def byte_time_s(self) -> float:
        """Seconds one byte takes on the wire: start, data, parity and stop bits."""
        bits = 1 + self.bytesize + (self.parity != "N") + self.stopbits
        return bits / self.baudrate


@dataclass(frozen=True)
class PartNumber:
    """What a part number says; None where it does not say.

    Attributes:
        text: The part number itself.
        family: The product family.
        case: The size, such as "1/32 DIN".
        control: The kind of control, such as "PID with ramp and soak".
        supply: The supply voltage.
        loops: How many control loops there are.
        cooling: False where there is no second output, hence no cooling side.
        communications: What it can speak besides Standard Bus.
        modbus: Whether that is Modbus RTU.
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
    """What a controller says of itself; None where it did not answer.

    The numbers are parameters of an EZ-ZONE PM; a Series SD has registers of the same meaning.

    Attributes:
        address: The address it answered at.
        protocol: The wire protocol it was asked with.
        part_number: What 1009 says, decoded.
        family: The product family.
        loops: How many control loops it has.
        hardware_id: 1001.
        firmware_id: 1002.
        software_revision: 1003.
        software_build: 1005.
        serial_number: 1007.
        device_name: 1011.
        configured_protocol: What 17009 is set to; differs from `protocol` while a
            change waits for a restart.
        data_map: Over Modbus, 1 or 2; None on Standard Bus, or where it is not certain.
        word_order: Over Modbus, which word of 32-bit values comes first; likewise.
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
        """What the unit can, as far as its part number says; None where it does not."""
        part = self.part_number
        control = None if part is None else part.control
        return {
            "second_loop": None if self.loops is None else self.loops > 1,
            "cooling": None if part is None else part.cooling,
            "profiles": None if control is None else "ramp and soak" in control,
            "modbus_rtu": None if part is None else part.modbus,
        }


@dataclass(frozen=True)
class PidGains:
    """The tuning of one control loop; None where it does not apply or was not given.

    Attributes:
        heat_proportional_band: 8009, in the wire's degrees.
        cool_proportional_band: 8012, likewise; None on a unit without cooling.
        time_integral: 8006, seconds per repeat, 0 to 9999.
        time_derivative: 8007, seconds, 0 to 9999.
        dead_band: 8008, in the wire's degrees.
    """

    heat_proportional_band: float | None = None
    cool_proportional_band: float | None = None
    time_integral: float | None = None
    time_derivative: float | None = None
    dead_band: float | None = None


@dataclass(frozen=True)
class AlarmState:
    """One alarm, from 9009 to 9012.

    Attributes:
        instance: Which alarm, from 1.
        code: The state's code (9009).
        label: The state: "None", "Alarm high", "Alarm low", "Blocked", "Startup", "Error".
        latched: Whether it stays until it is cleared.
        silenced: Whether it has been silenced.
        clearable: Whether it can be cleared now.
    """

    instance: int
    code: int
    label: str
    latched: bool
    silenced: bool
    clearable: bool

    @property
    def active(self) -> bool:
        """Whether the alarm is up: high, low or error."""
        return self.code in (7, 8, 28)


@dataclass(frozen=True)
class Reading:
    """One value a controller gave.

    Attributes:
        value: The number, code or text.
        unit: Its unit, or None where it is not known.
        parameter: Canonical parameter name.
        parameter_id: Parameter number, class * 1000 + member.
        instance: Instance of the parameter, from 1.
        address: Controller address.
        requested_at: When it was first asked for (UTC). The controller took the value
            between this and `received_at`, also when the question had to be repeated.
        received_at: When the answer was complete (UTC).
        latency_s: Seconds between the two, by the monotonic clock.
        raw: The answer's frame as it came.
        label: For an enumeration what the code in `value` means, such as "PID".
    """

    value: Value
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

    def __str__(self) -> str:
        number = f"{self.value:.6g}" if isinstance(self.value, float) else str(self.value)
        if self.label is not None:
            number = f"{self.label} ({number})"
        text = number if self.unit is None else f"{number} {self.unit}"
        return f"{text} ({self.parameter}, instance {self.instance})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What a notebook and IPython show."""
        printer.text(str(self))


@dataclass(frozen=True)
class Sample:
    """One read of a recording, whether it brought a value or not.

    Attributes:
        device: The controller's name in the recording.
        address: Controller address.
        protocol: The wire protocol spoken.
        parameter: Canonical parameter name.
        parameter_id: Parameter number, class * 1000 + member.
        instance: Instance of the parameter, from 1.
        value: What was read, or None where nothing was.
        unit: Its unit, or None where it is not known.
        requested_at: When it was asked for (UTC).
        received_at: When the answer, or the certainty that there is none, was there (UTC).
        midpoint_at: Halfway between the two: the best single time for the value.
        latency_s: Seconds between the two, by the monotonic clock.
        raw: The answer's frame, or None.
        status: "ok", or why there is no value: an error's `WatlowError.status` such as
            "timeout", "crc", "no_such_instance" or "disconnected".
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


@dataclass(frozen=True)
class SinkReport:
    """What became of the rows handed to one sink.

    Attributes:
        name: The sink, as it describes itself.
        rows_written: Rows it has confirmed.
        rows_lost: Rows it was given, or should have been given, and did not keep.
        error: Why, or None.
    """

    name: str
    rows_written: int
    rows_lost: int
    error: str | None = None


@dataclass(frozen=True)
class RateReport:
    """What became of the slots of one rate of a recording.

    When a recording has run to its end, its slots are all emitted, skipped or dropped.

    Attributes:
        rate_hz: Slots a second.
        parameters: What is read at this rate, as it was named.
        emitted: Slots whose samples were handed over.
        skipped: Slots that went by because an earlier tick took longer than a period.
        dropped: Slots that were read, but which the consumer did not take in time.
    """

    rate_hz: float
    parameters: tuple[str | int, ...]
    emitted: int = 0
    skipped: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class AcquisitionSummary:
    """What a recording amounted to, live while it runs and final when it ends.

    With several rates a tick is an instant at which at least one of them is due; what is
    skipped or dropped is counted in slots of each rate.

    Attributes:
        started_at: Wall clock (UTC) at the first scheduled tick.
        finished_at: Wall clock (UTC) when the recorder ended; while it runs, now.
        samples_emitted: Ticks whose batch was handed over. A tick in which every read
            failed counts: its batch holds the gaps.
        samples_late: Slots without a batch: skipped because an earlier tick took longer
            than a period, or dropped because the consumer did not keep up.
        max_drift_ms: The largest delay of a tick behind its slot, before anything is read,
            in milliseconds.
        disconnects: Times a port was lost, counted port by port.
        ticks_skipped: The part of `samples_late` that overran.
        ticks_dropped: The part of `samples_late` that overflowed.
        rows: Samples in the batches handed over.
        gaps: Those among them without a value.
        sinks: One report a sink, once `pipe` has run.
        duration_s: Seconds from the first tick to the end, by the monotonic clock.
        tick_p50_ms: How long the reads of half of the ticks took at most, in milliseconds:
            never too low, and up to 1.6 % too high.
        tick_p99_ms: How long the reads of 99 % of the ticks took at most; likewise.
        rates: One report a rate.
    """

    started_at: datetime
    finished_at: datetime
    samples_emitted: int
    samples_late: int
    max_drift_ms: float
    disconnects: int = 0
    ticks_skipped: int = 0
    ticks_dropped: int = 0
    rows: int = 0
    gaps: int = 0
    sinks: tuple[SinkReport, ...] = ()
    duration_s: float = 0.0
    tick_p50_ms: float = 0.0
    tick_p99_ms: float = 0.0
    rates: tuple[RateReport, ...] = ()
