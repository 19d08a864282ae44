"""The simulated line of the soak tests: each value identifies its controller and parameter.

A separate module, because the process of the line must not import pytest.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from watlowlib.model import Value
from watlowlib.simulator import BusProcess, Fault, FaultPlan, SimulatedBus, SimulatedController

TIMEOUT_S = 0.1
COUNT_BITS = 16
"""A float has 24 exact bits: 8 for the source, 16 for a count."""


class Sources(NamedTuple):
    """The controllers of each line, and their parameters whose values identify them."""

    addresses: tuple[int, ...]
    parameters: Mapping[int, str]

    def number(self, line: int, address: int, parameter: int) -> int:
        """Return the number of a controller and parameter, below 256."""
        unit = line * len(self.addresses) + self.addresses.index(address)
        return unit * len(self.parameters) + list(self.parameters).index(parameter)


SOURCES = Sources((1, 2, 3, 4), {4001: "process_value", 8011: "heat_power"})
RATES = {Fault.LATE: 0.002, Fault.CORRUPT: 0.002, Fault.DROP: 0.001, Fault.ECHO: 0.001}


def source_of(value: float) -> int:
    """Return the source number encoded in a value."""
    return int(value) >> COUNT_BITS


class TaggedController(SimulatedController):
    """A controller whose every read gives a new value with its source; it keeps the times."""

    def __init__(self, line: int, address: int, sources: Sources, **options: Any) -> None:
        super().__init__(address, **options)
        self.sent_at_s: dict[float, float] = {}
        self._line = line
        self._sources = sources
        self._counts = dict.fromkeys(sources.parameters, 0)

    def get(self, parameter: str | int, instance: int = 1) -> Value:
        if parameter not in self._counts:
            return super().get(parameter, instance)
        number = int(parameter)
        self._counts[number] += 1
        assert self._counts[number] < 1 << COUNT_BITS
        source = self._sources.number(self._line, self.address, number)
        value = source << COUNT_BITS | self._counts[number]
        self.sent_at_s[float(value)] = time.time()
        return float(value)


class SoakLine(SimulatedBus):
    """Such controllers at 38400 baud, with occasional faults in their replies."""

    def __init__(
        self,
        line: int,
        link: str,
        sources: Sources = SOURCES,
        faults: Mapping[Fault, float] = RATES,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        super().__init__(
            [TaggedController(line, address, sources) for address in sources.addresses],
            # The delays make a late reply arrive while the client waits for the line to become
            # quiet, during the retry, or during a later request for the same parameter.
            faults=FaultPlan(faults, seed=line, late_s=(1.4, 2.4, 8.0)[line % 3] * timeout_s),
            link=link,
            turnaround_s=(0.002, 0.01),  # eight reads must fit into 0.2 s
            seed=line,
        )

    def sent_values(self) -> dict[float, float]:
        """Return each value sent, with its wall clock time."""
        sent: dict[float, float] = {}
        for unit in self.controllers.values():
            assert isinstance(unit, TaggedController)
            sent |= unit.sent_at_s
        return sent

    def setpoints(self) -> dict[int, Value]:
        """Return the set point of each controller."""
        return {address: unit.get(7001) for address, unit in self.controllers.items()}

    def fault_counts(self) -> dict[str, int]:
        """Return how often each fault occurred."""
        return {fault.value: count for fault, count in self.faults.happened.items()}


def disturb(
    lines: Sequence[BusProcess],
    stop: threading.Event,
    addresses: Sequence[int] = SOURCES.addresses,
    pauses_s: tuple[float, float] = (0.2, 0.8),
) -> Counter[str]:
    """Cause a fault on a random line and remove it again, until `stop` is set."""
    chance = random.Random(0)
    done: Counter[str] = Counter()
    faults: Iterator[tuple[str, tuple[str, str]]] = itertools.cycle(
        {
            "power": ("power_off", "power_on"),
            "unplugged": ("unplug", "replug"),
            "moved": ("unplug", "replug"),
            "stalled": ("stall", "resume"),
        }.items()
    )
    while not stop.wait(chance.uniform(*pauses_s)):
        fault, (start, end) = next(faults)
        line = chance.choice(lines)
        arguments = (chance.choice(addresses),) if fault == "power" else ()
        line.call(start, *arguments)
        stop.wait(chance.uniform(*pauses_s))
        line.call(end, *arguments, **({"elsewhere": True} if fault == "moved" else {}))
        done[fault] += 1
    return done
