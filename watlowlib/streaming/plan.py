"""What a recording reads, and how often: checked and prepared before anything is sent.

Parameters of one rate are read together. With several rates there is a poll for every
set of them that may fall due at the same time, so that what is read at one instant is
one round on the line, in the order in which the parameters were given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from itertools import combinations
from threading import Event
from typing import Any, TypeAlias, TypeVar

from watlowlib._internal.validation import as_positive
from watlowlib.devices.poll import Poll, PollSource
from watlowlib.devices.targets import Parameters
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import RateReport, Sample
from watlowlib.streaming.schedule import Slots

MOST_HZ, MOST_S = 1e6, 1e9
MOST_RATES = 6
"""Different rates in one recording; there are 2 ** 6 - 1 sets of them."""

T = TypeVar("T")
Rates: TypeAlias = "Mapping[str, float] | Mapping[int, float] | Mapping[str | int, float]"
"""By parameter, how often a second it is read."""


@dataclass(frozen=True)
class Plan:
    """The rates of a recording, their slots, and the poll for each set of rates."""

    rates: tuple[RateReport, ...]
    slots: tuple[Slots, ...]
    polls: Mapping[tuple[int, ...], Poll]
    around: AbstractContextManager[object] = field(default_factory=nullcontext)
    """What is to be made ready before the first poll, and put back after the last."""

    def read(self, rates: tuple[int, ...], stop: Event, seconds: float | None) -> list[Sample]:
        """Read what is due; a fleet does not wait longer than `seconds` for a port held up."""
        poll = self.polls[rates]
        within = getattr(poll, "read_within", None)
        samples: list[Sample] = poll(stop) if within is None else within(stop, seconds)
        return samples

    def finish(self) -> None:
        """Wait until nothing is being read any more."""
        finish = getattr(self._everything, "finish", None)
        if finish is not None:
            finish()

    @property
    def ports(self) -> Mapping[str, str]:
        """By a device's name its port, as far as the source tells."""
        ports: Mapping[str, str] = getattr(self._everything, "ports", {})
        return ports

    @property
    def stats(self) -> Mapping[str, object]:
        """The counters of each device and port, as far as the source tells."""
        stats: Mapping[str, object] = getattr(self._everything, "stats", {})
        return stats

    @property
    def _everything(self) -> Poll:
        return self.polls[tuple(range(len(self.rates)))]


def make_plan(
    source: PollSource,
    parameters: Parameters | Rates,
    rate_hz: float | None,
    duration: float | None,
    *,
    names: str | Iterable[str] | None,
    instances: int | Iterable[int],
    sensor_check: bool,
    assembly: bool,
    confirm: bool,
) -> Plan:
    """The plan for what `record` was given.

    Raises:
        WatlowConfigurationError: Something of it cannot be.
    """
    if not hasattr(source, "prepare"):
        raise WatlowConfigurationError(
            f"{source!r} cannot be recorded: give a Controller, a manager"
        )
    wanted = _wanted(parameters, rate_hz)
    if not wanted:
        raise WatlowConfigurationError(
            "nothing to read: give at least one parameter, such as 'process_value'"
        )
    if duration is not None:
        duration = as_positive("duration", duration, MOST_S, "seconds, or None for no end")
    names, instances = _kept(names), _kept(instances)
    rates = list(dict.fromkeys(hz for _, hz in wanted))
    numbers = range(len(rates))
    # A source of somebody else's need not know what it is not asked for.
    checks = {"sensor_check": True} if sensor_check else {}
    polls = {
        due: source.prepare(
            [name for name, hz in wanted if rates.index(hz) in due],
            instances=instances,
            names=names,
            **checks,
        )
        for size in numbers
        for due in combinations(numbers, size + 1)
    }
    for poll in polls.values():
        if hasattr(poll, "take_turns_with"):
            poll.take_turns_with(polls[tuple(numbers)])
    reports = (RateReport(hz, tuple(name for name, of in wanted if of == hz)) for hz in rates)
    slots = tuple(Slots(hz, duration) for hz in rates)
    around: AbstractContextManager[object] = nullcontext()
    if assembly:
        everything = [name for name, _ in wanted]
        around = _assembly(source, everything, instances=instances, names=names, confirm=confirm)
    return Plan(tuple(reports), slots, polls, around)


def _assembly(source: PollSource, everything: list[Any], **options: Any) -> Any:
    assemble = getattr(source, "assembly", None)
    if assemble is None:
        raise WatlowConfigurationError(f"{source!r} has no assembly; leave assembly out")
    return assemble(everything, **options)


def _wanted(parameters: Parameters | Rates, rate_hz: float | None) -> list[tuple[Any, float]]:
    """Each parameter with its rate."""
    if isinstance(parameters, Mapping):
        return _each_its_own(parameters, rate_hz)
    if rate_hz is None:
        raise WatlowConfigurationError(
            "rate_hz is missing: give it, or a rate for each parameter, such as "
            "parameters={'process_value': 10.0, 'setpoint': 0.2}"
        )
    hz = as_positive("rate_hz", rate_hz, MOST_HZ, "ticks a second")
    given = _kept(parameters)
    return [(name, hz) for name in (given if isinstance(given, list) else [given])]


def _each_its_own(
    parameters: Mapping[Any, float], rate_hz: float | None
) -> list[tuple[Any, float]]:
    if rate_hz is not None:
        raise WatlowConfigurationError(
            f"rate_hz={rate_hz!r}: each parameter has its own rate here; leave rate_hz out"
        )
    wanted = [
        (name, as_positive(f"the rate of {name!r}", hz, MOST_HZ, "reads a second"))
        for name, hz in parameters.items()
    ]
    rates = len({hz for _, hz in wanted})
    if rates > MOST_RATES:
        raise WatlowConfigurationError(
            f"parameters={parameters!r}: {rates} different rates; at most {MOST_RATES} can be"
        )
    return wanted


def _kept(given: T) -> T | list[Any]:
    """What was given, to be used more than once: an iterator is not."""
    return given if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
