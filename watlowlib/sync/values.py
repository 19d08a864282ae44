"""What `watlowlib.sync` returns: our own values, with the names of another library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, Flag, auto
from typing import Any, TypeVar

from watlowlib.errors import ErrorContext
from watlowlib.model import (
    AcquisitionSummary,
    ControllerFamily,
    DeviceInfo,
    PartNumber,
    Reading,
    Sample,
    TextEnum,
)
from watlowlib.registry.parameters import ParameterSpec
from watlowlib.registry.part_numbers import decode_part_number
from watlowlib.transport.settings import SerialSettings

T = TypeVar("T")

_DIGITS = re.compile(
    r"PM(?P<case_size>.)(?P<control_type>.)(?P<power_input>.)(?P<output_1>.)(?P<output_2>.)"
    r"(?P<output_3>[^-]*)-(?P<options>.*)"
)
_CONTROL_LABELS = {
    "C": "controller",
    "R": "ramp_soak_controller",
    "E": "integrated_limit_control",
    "L": "limit",
    "U": "dual_loop_controller",
    "V": "process_value_display",
}
_POWER_LABELS = {"1": "100-240VAC", "3": "24V_AC_DC"}


class Capability(Flag):
    """The features of a unit by its part number."""

    NONE = 0
    PROFILE = auto()
    LIMIT = auto()
    HAS_COOLING = auto()
    HAS_MODBUS = auto()
    HAS_PROFILES = auto()
    HAS_BLUETOOTH = auto()
    HAS_ETHERNET = auto()


class DeviceHealth(TextEnum):
    """How much of its identity a controller has reported."""

    OK = "ok"
    PARTIAL = "partial"
    FAILED = "failed"


class Availability(TextEnum):
    """Whether a controller has a parameter, as far as known."""

    UNKNOWN = "unknown"
    SUPPORTED = "supported"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True)
class ParameterEntry(Reading):
    """A `Reading`, with the specification of its parameter."""

    spec: ParameterSpec | None = None


@dataclass(frozen=True)
class SyncSample(Sample):
    """A `Sample`, with the times that another library gives it."""

    @property
    def t_utc(self) -> datetime:
        """The same as `midpoint_at`."""
        return self.midpoint_at

    @property
    def t_mono_ns(self) -> int:
        """`time.monotonic_ns` halfway between request and reply."""
        return (self.monotonic_ns or 0) - round(self.latency_s * 1e9 / 2)

    @property
    def t_midpoint_mono_ns(self) -> int | None:
        """None: these controllers do not integrate over a time."""
        return None


@dataclass(frozen=True)
class SyncSummary(AcquisitionSummary):
    """An `AcquisitionSummary`; in the one that `pipe` returns, `samples_emitted` is in samples."""

    @property
    def tick_duration_ms_p50(self) -> float:
        """The same as `tick_p50_ms`."""
        return self.tick_p50_ms

    @property
    def tick_duration_ms_p99(self) -> float:
        """The same as `tick_p99_ms`."""
        return self.tick_p99_ms


@dataclass(frozen=True)
class SyncPartNumber(PartNumber):
    """A `PartNumber`, with its digits."""

    @property
    def raw(self) -> str:
        """The same as `text`."""
        return self.text

    @property
    def details(self) -> Mapping[str, str]:
        """The digits by their meaning, and the labels of two of them; empty if not of a PM."""
        match = _DIGITS.fullmatch(self.text.strip().upper())
        if match is None:
            return {}
        digits = {name: digit for name, digit in match.groupdict().items() if digit}
        for name, digit, labels in (
            ("control_label", match["control_type"], _CONTROL_LABELS),
            ("power_label", match["power_input"], _POWER_LABELS),
        ):
            if digit in labels:
                digits[name] = labels[digit]
        return digits


@dataclass(frozen=True)
class SyncDeviceInfo(DeviceInfo):
    """A `DeviceInfo` whose part number is never None, with the features as a `Capability`."""

    part_number: SyncPartNumber = field(default=SyncPartNumber("", ControllerFamily.UNKNOWN))
    serial_settings: SerialSettings | None = None

    @property
    def capabilities(self) -> Capability:  # type: ignore[override]
        """The features that the part number shows."""
        return capabilities_of(self.part_number)

    @property
    def health(self) -> DeviceHealth:
        """FAILED without a part number, PARTIAL without one of the IDs, else OK."""
        if not self.part_number.text:
            return DeviceHealth.FAILED
        complete = None not in (self.hardware_id, self.firmware_id)
        return DeviceHealth.OK if complete else DeviceHealth.PARTIAL

    @property
    def protocol_mismatch(self) -> bool:
        """Whether the controller is set to another protocol than the one in use."""
        return self.configured_protocol not in (None, self.protocol)


@dataclass(frozen=True)
class DeviceSnapshot:
    """What is known about a controller at one moment; nothing is sent for it.

    Attributes:
        name: The given name, or the name of the port.
        model: The part number, or None.
        firmware: The firmware ID, or None.
        serial: The serial number, or None.
        connected: Whether the port is open.
        last_error: Where the last read or write failed, or None.
        recoverable_error_count: How many requests were repeated.
        captured_at: The time of the snapshot (UTC).
    """

    name: str
    model: str | None
    firmware: str | None
    serial: str | None
    connected: bool
    last_error: ErrorContext | None
    recoverable_error_count: int
    captured_at: datetime


@dataclass(frozen=True)
class WatlowDeviceSnapshot(DeviceSnapshot):
    """A `DeviceSnapshot` with the family and the features.

    Attributes:
        family: The product family; None before `identify`.
        capabilities: The features by the part number.
        availability_summary: Empty: this library keeps no list of missing parameters.
    """

    family: ControllerFamily | None = None
    capabilities: Capability = Capability.NONE
    availability_summary: Mapping[str, Availability] = field(default_factory=dict)


def with_names(kind: type[T], value: Any, **more: Any) -> T:
    """Return `value` as an object of its subclass `kind`."""
    return kind(**(vars(value) | more))


def device_info_of(info: DeviceInfo, settings: SerialSettings) -> SyncDeviceInfo:
    """Return `info` with the names of another library."""
    family = family_of(info.family)
    part = info.part_number or PartNumber("", family)
    named = with_names(SyncPartNumber, part, family=family_of(part.family))
    more = {"part_number": named, "serial_settings": settings, "family": family}
    return with_names(SyncDeviceInfo, info, **more)


def capabilities_of(part: PartNumber) -> Capability:
    """Return the features that a part number shows."""
    digits = _DIGITS.fullmatch(part.text.strip().upper())
    communications = part.communications or ""
    features = {
        Capability.HAS_COOLING: bool(digits) and part.cooling is not False,
        Capability.HAS_MODBUS: part.modbus is True,
        Capability.PROFILE | Capability.HAS_PROFILES: "ramp and soak" in (part.control or ""),
        Capability.HAS_BLUETOOTH: "Bluetooth" in communications,
        Capability.HAS_ETHERNET: "Ethernet" in communications,
    }
    found = Capability.NONE
    for feature, present in features.items():
        if present:
            found |= feature
    return found


def classify_family(part_number: str) -> ControllerFamily:
    """Return the product family by the first letters of a part number."""
    return family_of(decode_part_number(part_number).family)


def family_of(family: ControllerFamily) -> ControllerFamily:
    """Return the family as that library names it: all modules are RM."""
    modules = (ControllerFamily.RMC, ControllerFamily.RMH)
    return ControllerFamily.RM if family in modules else family


def text_of(value: object) -> object:
    """Return the value of an enumeration's member; others as they are."""
    return value.value if isinstance(value, Enum) else value
