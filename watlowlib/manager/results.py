"""The results of a fleet: one per controller, and the counters of each controller and port."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

from watlowlib.model import ProtocolKind
from watlowlib.protocol.stats import DeviceStats, PortStats

T = TypeVar("T")


class ErrorPolicy(str, Enum):
    """How a manager reports controllers that fail."""

    RAISE = "raise"
    """Raise an ExceptionGroup with one error per failed controller, after all were read."""
    RETURN = "return"
    """Return each controller's error in its `DeviceResult`."""


@dataclass(frozen=True)
class DeviceResult(Generic[T]):
    """The result of one controller: a value or an error, never both.

    Attributes:
        value: The result; None if there is an error, although its type does not say so: check
            `error` first, or call `unwrap`. For a poll one sample per read, if at least one
            read succeeded; failed reads are samples without a value.
        error: Why there is no value; for a poll the first error, if every read failed.
        protocol: The wire protocol used, where it is known.
    """

    value: T
    error: Exception | None
    protocol: ProtocolKind | None = None

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return self.error is None

    @classmethod
    def success(cls, value: T, protocol: ProtocolKind | None = None) -> DeviceResult[T]:
        """Return the result of a controller that has not failed."""
        return cls(value, None, protocol)

    @classmethod
    def failure(cls, error: Exception, protocol: ProtocolKind | None = None) -> DeviceResult[Any]:
        """Return the result of a controller that has failed."""
        return DeviceResult(None, error, protocol)

    def unwrap(self) -> T:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value


class FleetStats(NamedTuple):
    """A snapshot of the counters of a fleet."""

    devices: dict[str, DeviceStats]
    """By the controllers' names."""
    ports: dict[str, PortStats]
    """By the ports' names."""
