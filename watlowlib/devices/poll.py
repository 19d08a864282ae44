"""What a recording needs of what it records: something that can be asked again and again.

A source is asked once to `prepare` a poll, which is when names, parameters and
instances are checked; the poll it returns is then called at every tick.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from numbers import Number
from typing import Any, Protocol, TypeAlias

from watlowlib._internal.validation import as_int
from watlowlib.devices.stdbus_driver import Target
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import Sample
from watlowlib.registry.parameters import ParameterSpec, Registry

Parameters: TypeAlias = "str | int | Iterable[str | int]"


class Poll(Protocol):
    """One round of reads, planned beforehand."""

    def __call__(self, stop: threading.Event | None = None) -> list[Sample]:
        """Ask for everything once.

        Args:
            stop: Once it is set, a line on which a read has failed is not asked any
                more; what was not asked is a sample with the status "stopped".

        Returns:
            One sample a read, in the order of devices, parameters and instances; a read
            that failed is a sample without a value. Never raises for a controller or a
            port that fails.
        """


class PollSource(Protocol):
    """A `Controller`, a `WatlowManager`, or anything else that can be recorded."""

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        sensor_check: bool = False,
    ) -> Poll:
        """Check what is wanted and plan the reading of it.

        A source that cannot check sensors need not have `sensor_check`: it is given only
        when it is wanted.

        Raises:
            WatlowConfigurationError: Something wanted does not exist or cannot be read.
        """


def targets(
    registry: Registry, parameters: Parameters, instances: int | Iterable[int]
) -> list[Target]:
    """The reads that `parameters` x `instances` stands for, in that order.

    Raises:
        WatlowUnknownParameterError: A parameter does not exist.
        WatlowConfigurationError: No parameter, one that cannot be read, or an instance
            that no controller has.
    """
    wanted = _listed("parameters", parameters)
    chosen = _listed("instances", instances)
    if not wanted or not chosen:
        raise WatlowConfigurationError(
            "nothing to read: give at least one parameter, such as 'process_value', "
            "and at least one instance"
        )
    return list(
        dict.fromkeys(target(registry, name, instance) for name in wanted for instance in chosen)
    )


def target(registry: Registry, parameter: str | int, instance: int) -> Target:
    """One read: the parameter that is meant, and which instance of it.

    Raises:
        WatlowUnknownParameterError: The parameter does not exist.
        WatlowConfigurationError: No controller has the instance, or it cannot be read.
    """
    spec = registry.resolve(parameter)
    instance = check_instance(spec, instance)
    if not spec.readable:
        raise WatlowConfigurationError(f"{spec.name} ({spec.number}) cannot be read")
    return spec, instance


def _listed(name: str, given: object) -> list[Any]:
    """What was given, one thing or several, as a list."""
    if isinstance(given, (str, Number)):
        return [given]
    if isinstance(given, Iterable):
        return list(given)
    raise WatlowConfigurationError(f"{name}={given!r}: give one or a list of them")


def chosen_names(given: str | Iterable[str] | None) -> list[str] | None:
    """The controllers' names that were given; None for all."""
    return None if given is None else list(dict.fromkeys(_listed("names", given)))


def check_instance(spec: ParameterSpec, instance: int) -> int:
    """`instance` as an int.

    Raises:
        WatlowConfigurationError: It is not one of 1..`spec.instances`.
    """
    allowed = f"{spec.name} has instances 1 to {spec.instances}"
    return as_int("instance", instance, 1, spec.instances, allowed)


class StopCondition:
    """Whether a poll is to be broken off: it was asked to stop, and a read has failed since.

    A healthy line finishes its tick; one on which every read costs a timeout does not.
    """

    def __init__(self, stop: threading.Event | None) -> None:
        self._stop = stop
        self._failed = False

    @property
    def now(self) -> bool:
        """Whether to ask no more."""
        return self._failed and self._stop is not None and self._stop.is_set()

    def note(self, failed: bool) -> None:
        """Note how a read went."""
        self._failed = self._failed or failed
