"""The plan of a recording: what it reads and how often, checked before anything is sent.

Parameters of one rate are read together. With several rates there is one poll for every set
of rates that may be due at the same time. Therefore all parameters due at one instant are
read in one poll, in the order in which they were given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import combinations
from threading import Event
from typing import Any, TypeAlias, TypeVar

from watlowlib._internal.validation import as_positive, shown
from watlowlib.devices.poll import (
    AssemblySource,
    FunctionPoll,
    Poll,
    PollSource,
    SimplePollSource,
    SimpleSource,
)
from watlowlib.devices.targets import Parameters
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import RateReport, Sample, Unit
from watlowlib.streaming.schedule import Slots
from watlowlib.units import as_scale

MAX_HZ, MAX_S = 1e6, 1e9
MAX_RATES = 6
"""The number of different rates in one recording; 6 rates have 2 ** 6 - 1 sets."""

ALARMS_HZ = 0.2
"""How often alarms are read with `alarms=True`."""

ALARMS = ("alarm_state", "alarm_latched", "alarm_silenced", "alarm_clearable", "limit_state")
"""What is read with `alarms`: the states of all alarms and of the limit."""

ALL_ALARMS: Any = tuple((name, None) for name in ALARMS)
"""`ALARMS` in all instances, as `prepare` takes them."""

T = TypeVar("T")
Rates: TypeAlias = "Mapping[str, float] | Mapping[int, float] | Mapping[str | int, float]"
"""The rate of each parameter in Hz, by parameter."""


@dataclass(frozen=True)
class Plan:
    """The rates of a recording, their slots, and the poll for each set of rates."""

    rates: tuple[RateReport, ...]
    slots: tuple[Slots, ...]
    polls: Mapping[tuple[int, ...], Poll]
    setup: AbstractContextManager[object] = field(default_factory=nullcontext)
    """Entered before the first poll, and left after the last."""

    def read(self, rates: tuple[int, ...], stop: Event, seconds: float | None) -> list[Sample]:
        """Read what is due; a fleet waits at most `seconds` for a busy port."""
        return self.polls[rates].read_within(stop, seconds)

    def in_tick(
        self, rates: tuple[int, ...], samples: list[Sample], tick: int, scheduled_at: datetime
    ) -> list[Sample]:
        """Return what `read` has read with the number and the time of its tick."""
        if not self.polls[rates].makes_new_samples:
            return [replace(each, tick=tick, scheduled_at=scheduled_at) for each in samples]
        for each in samples:
            # Nothing else has these frozen samples yet; a copy of each takes ten times as long.
            object.__setattr__(each, "tick", tick)
            object.__setattr__(each, "scheduled_at", scheduled_at)
        return samples

    def hz(self, due: tuple[int, ...]) -> tuple[float, ...]:
        """Return the rates of these numbers in Hz."""
        return tuple(self.rates[number].rate_hz for number in due)

    @property
    def ticks(self) -> int | None:
        """The number of slots of all rates together; None for no end."""
        counts = [slots.count for slots in self.slots]
        return None if None in counts else sum(count or 0 for count in counts)

    def continue_from(self, earlier: Plan) -> None:
        """Take over the reads in progress of a plan that is not used any more."""
        polls = {earlier.hz(due): poll for due, poll in earlier.polls.items()}
        for due, poll in self.polls.items():
            poll.continue_from(polls.get(self.hz(due), earlier.full_poll))

    @property
    def full_poll(self) -> Poll:
        """The poll of all rates."""
        return self.polls[tuple(range(len(self.rates)))]


def make_plan(
    source: PollSource | SimplePollSource,
    parameters: Parameters | Rates,
    rate_hz: float | None,
    duration: float | None,
    *,
    names: str | Iterable[str] | None,
    instances: int | Iterable[int],
    sensor_check: bool,
    show_unit: Unit | str | None,
    assembly: bool,
    confirm: bool,
    alarms: bool | float = False,
) -> Plan:
    """Return the plan for the arguments of `record`.

    Raises:
        WatlowConfigurationError: An argument is not valid.
    """
    planned = _as_poll_source(source)
    entries = _entries(parameters, rate_hz)
    if alarms is not False:
        if isinstance(planned, SimpleSource):
            raise WatlowConfigurationError(f"{shown(source)} has no alarms; leave alarms out")
        entries += _alarm_entries(alarms)
    if not entries:
        raise WatlowConfigurationError(
            "nothing to read: give at least one parameter, such as 'process_value'"
        )
    if duration is not None:
        duration = as_positive("duration", duration, MAX_S, "seconds, or None for no end")
    names, instances = _reusable(names), _reusable(instances)
    rates = list(dict.fromkeys(hz for _, hz in entries))
    # A user's own source need not accept `sensor_check` and `show_unit`.
    options: dict[str, Any] = {"sensor_check": True} if sensor_check else {}
    if show_unit is not None:
        options["show_unit"] = as_scale("show_unit", show_unit)

    def prepare(due: tuple[int, ...]) -> Poll:
        due_names = [name for name, hz in entries if rates.index(hz) in due]
        poll = planned.prepare(due_names, instances=instances, names=names, **options)
        return poll if isinstance(poll, Poll) else FunctionPoll(poll)

    polls = _polls(prepare, range(len(rates)))
    reports = (RateReport(hz, tuple(name for name, rate in entries if rate == hz)) for hz in rates)
    slots = tuple(Slots(hz, duration) for hz in rates)
    setup: AbstractContextManager[object] = nullcontext()
    if assembly:
        all_names = [name for name, _ in entries if not isinstance(name, tuple)]
        setup = _as_assembly_source(source).assembly(
            all_names, instances=instances, names=names, confirm=confirm
        )
    return Plan(tuple(reports), slots, polls, setup)


def _polls(
    prepare: Callable[[tuple[int, ...]], Poll], rates: Sequence[int]
) -> dict[tuple[int, ...], Poll]:
    """Return the poll of each set of rates that may be due together; they share their ports."""
    polls = {due: prepare(due) for size in rates for due in combinations(rates, size + 1)}
    for poll in polls.values():
        poll.share_ports_with(polls[tuple(rates)])
    return polls


def _as_poll_source(source: PollSource | SimplePollSource) -> PollSource:
    if isinstance(source, PollSource):
        return source
    if isinstance(source, SimplePollSource):
        return SimpleSource(source)
    raise WatlowConfigurationError(
        f"{shown(source)} cannot be recorded: give a Controller, a WatlowManager, or an object "
        "with a method poll(parameters, *, names, instances)"
    )


def _as_assembly_source(source: object) -> AssemblySource:
    if isinstance(source, AssemblySource):
        return source
    raise WatlowConfigurationError(f"{shown(source)} has no assembly; leave assembly out")


def _entries(parameters: Parameters | Rates, rate_hz: float | None) -> list[tuple[Any, float]]:
    """Return each parameter with its rate in Hz."""
    if isinstance(parameters, Mapping):
        return _individual_rates(parameters, rate_hz)
    if rate_hz is None:
        raise WatlowConfigurationError(
            "rate_hz is missing: give it, or a rate for each parameter, such as "
            "parameters={'process_value': 10.0, 'setpoint': 0.2}"
        )
    hz = as_positive("rate_hz", rate_hz, MAX_HZ, "ticks per second")
    given = _reusable(parameters)
    return [(name, hz) for name in (given if isinstance(given, list) else [given])]


def _alarm_entries(alarms: bool | float) -> list[tuple[Any, float]]:
    """Return the parameters that tell when an alarm or a limit changes."""
    hz = ALARMS_HZ if alarms is True else alarms
    hz = as_positive("alarms", hz, MAX_HZ, "reads per second, True or False")
    return [(each, hz) for each in ALL_ALARMS]


def _individual_rates(
    parameters: Mapping[Any, float], rate_hz: float | None
) -> list[tuple[Any, float]]:
    if rate_hz is not None:
        raise WatlowConfigurationError(
            f"rate_hz={shown(rate_hz)}: each parameter has its own rate here; leave rate_hz out"
        )
    entries = [
        (name, as_positive(f"the rate of {shown(name)}", hz, MAX_HZ, "reads per second"))
        for name, hz in parameters.items()
    ]
    rates = len({hz for _, hz in entries})
    if rates > MAX_RATES:
        raise WatlowConfigurationError(
            f"parameters={shown(parameters)}: {rates} different rates; "
            f"at most {MAX_RATES} are allowed"
        )
    return entries


def _reusable(given: T) -> T | list[Any]:
    """Return `given`; an iterator, which can be used only once, as a list."""
    return given if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
