"""The results of a fleet: one per controller, and the counters of each controller and port."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

from watlowlib.devices.controller import Controller
from watlowlib.devices.sampling import SampleResult
from watlowlib.model import ProtocolKind, Sample
from watlowlib.model.text import counted
from watlowlib.protocol.stats import DeviceStats, PortStats

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

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

    def __str__(self) -> str:
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        several = isinstance(self.value, list)
        return "\n".join(map(str, self.value)) if several else str(self.value)  # type: ignore[call-overload]

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

    def __str__(self) -> str:
        counters = {**self.devices, **self.ports}
        return "\n".join(f"{name}: {stats}" for name, stats in counters.items())


def result_of(reads: list[SampleResult]) -> DeviceResult[list[Sample]]:
    """Return the result of a poll of one controller."""
    protocol = reads[0][0].protocol
    errors = [error for _, error in reads if error is not None]
    if len(errors) == len(reads):
        return DeviceResult.failure(errors[0], protocol)
    return DeviceResult.success([sample for sample, _ in reads], protocol)


def call(op: Callable[[Controller], T], controller: Controller) -> DeviceResult[T]:
    """Return the result of calling `op`."""
    try:
        return DeviceResult.success(op(controller), controller.protocol)
    except Exception as error:  # noqa: BLE001 - any error is this controller's result
        return DeviceResult.failure(error, controller.protocol)


def apply_policy(
    policy: ErrorPolicy, results: dict[str, DeviceResult[T]]
) -> dict[str, DeviceResult[T]]:
    """Return `results`; with `ErrorPolicy.RAISE` raise the errors among them."""
    errors = [result.error for result in results.values() if result.error is not None]
    if errors and policy is ErrorPolicy.RAISE:
        raise ExceptionGroup(
            f"{len(errors)} of {counted(len(results), 'controller')} failed", errors
        )
    return results
