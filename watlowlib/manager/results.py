"""What a fleet gives back: a result for each controller, and the counters of each line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from watlowlib.model import ProtocolKind
from watlowlib.protocol.stats import DeviceStats, PortStats

T = TypeVar("T")


class ErrorPolicy(str, Enum):
    """How a manager reports controllers that fail."""

    RAISE = "raise"
    """Raise an ExceptionGroup with one error a controller, after all have been asked."""
    RETURN = "return"
    """Return each controller's error in its `DeviceResult`."""


@dataclass(frozen=True)
class DeviceResult(Generic[T]):
    """What one controller gave: a value or an error, never both.

    Attributes:
        value: What was asked for. Of a poll one sample a read, when at least one read was
            answered; those that were not are samples without a value.
        error: Why there is no value; of a poll the first error, when no read was answered.
        protocol: The wire protocol spoken.
    """

    value: T | None
    error: Exception | None
    protocol: ProtocolKind


class FleetStats(NamedTuple):
    """Counters of a fleet, as they were when they were asked for."""

    devices: dict[str, DeviceStats]
    """By the controllers' names."""
    ports: dict[str, PortStats]
    """By the ports' names."""
