"""What a controller is, and the state of its loops and alarms."""

from __future__ import annotations

from dataclasses import dataclass

from watlowlib.model.html import fields
from watlowlib.model.kinds import ControllerFamily, ProtocolKind, WordOrder


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

    def __str__(self) -> str:
        part = self.part_number and self.part_number.text
        numbers = {"serial number": self.serial_number, "firmware": self.firmware_id}
        known = [f"{name} {'not known' if n is None else n}" for name, n in numbers.items()]
        return ", ".join([part or f"{self.family} without part number", *known])

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
