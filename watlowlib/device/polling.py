"""What a recording needs of what it records: something that can be asked again and again.

A source is asked once to `prepare` a poll, which is when names, parameters and
instances are checked; the poll it returns is then called at every tick.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeAlias

from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import Sample
from watlowlib.registry.parameters import PARAMETERS, ParameterSpec

Parameters: TypeAlias = "str | int | Iterable[str | int]"
Target: TypeAlias = "tuple[ParameterSpec, int]"


class Poll(Protocol):
    """One round of reads, planned beforehand."""

    def __call__(self, stop: threading.Event | None = None) -> list[Sample]:
        """Ask for everything once.

        Args:
            stop: Once it is set, the first read that fails ends the asking; what was
                not asked any more is a sample with the status "stopped".

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
        instances: Sequence[int] = (1,),
        names: Sequence[str] | None = None,
    ) -> Poll:
        """Check what is wanted and plan the reading of it.

        Raises:
            WatlowConfigurationError: Something wanted does not exist or cannot be read.
        """


def targets(parameters: Parameters, instances: Sequence[int]) -> list[Target]:
    """The reads that `parameters` x `instances` stands for, in that order.

    Raises:
        WatlowUnknownParameterError: A parameter does not exist.
        WatlowConfigurationError: No parameter, one that cannot be read, or an instance
            that no controller has.
    """
    wanted = [parameters] if isinstance(parameters, (str, int)) else list(parameters)
    if not wanted or not instances:
        raise WatlowConfigurationError(
            "nothing to read: give at least one parameter, such as 'process_value', "
            "and at least one instance"
        )
    specs = [PARAMETERS.resolve(name) for name in wanted]
    for spec in specs:
        if not spec.readable:
            raise WatlowConfigurationError(f"{spec.name} ({spec.number}) cannot be read")
        for instance in instances:
            check_instance(spec, instance)
    return list(dict.fromkeys((spec, instance) for spec in specs for instance in instances))


def check_instance(spec: ParameterSpec, instance: int) -> None:
    """Refuse an instance that no controller has.

    Raises:
        WatlowConfigurationError: `instance` is not one of 1..`spec.instances`.
    """
    whole = isinstance(instance, int) and not isinstance(instance, bool)
    if not whole or not 1 <= instance <= spec.instances:
        raise WatlowConfigurationError(
            f"instance {instance!r} of {spec.name}: allowed are 1 to {spec.instances}"
        )


def times(requested_at: datetime, latency_s: float) -> tuple[datetime, datetime]:
    """When the answer was there, and halfway to it."""
    return (
        requested_at + timedelta(seconds=latency_s),
        requested_at + timedelta(seconds=latency_s / 2),
    )
