"""The simulated line of the soak test: each value identifies its controller and parameter.

A separate module, because the process of the line must not import pytest.
"""

from __future__ import annotations

import time

from watlowlib.model import Value
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus, SimulatedController

TIMEOUT_S = 0.1
PARAMETERS = {4001: "process_value", 8011: "heat_power"}
ADDRESSES = (1, 2, 3, 4)
COUNT_BITS = 16
"""A float has 24 exact bits: 7 for the source (64 controllers x 2 parameters), 16 for a count."""


def source_of(value: float) -> int:
    """Return the source number encoded in a value."""
    return int(value) >> COUNT_BITS


def source_number(line: int, address: int, parameter: int) -> int:
    """Return the number of a controller and parameter, below 128."""
    unit = line * len(ADDRESSES) + address - 1
    return unit * len(PARAMETERS) + list(PARAMETERS).index(parameter)


class TaggedController(SimulatedController):
    """A controller whose every read gives a new value with its source; it keeps the times."""

    def __init__(self, line: int, address: int) -> None:
        super().__init__(address)
        self.sent_at_s: dict[float, float] = {}
        self._line = line
        self._counts = dict.fromkeys(PARAMETERS, 0)

    def get(self, parameter: str | int, instance: int = 1) -> Value:
        if parameter not in PARAMETERS:
            return super().get(parameter, instance)
        number = int(parameter)
        self._counts[number] += 1
        assert self._counts[number] < 1 << COUNT_BITS
        value = source_number(self._line, self.address, number) << COUNT_BITS | self._counts[number]
        self.sent_at_s[float(value)] = time.time()
        return float(value)


class SoakLine(SimulatedBus):
    """Four such controllers at 38400 baud, with occasional faults in their replies."""

    def __init__(self, line: int, link: str) -> None:
        rates = {Fault.LATE: 0.002, Fault.CORRUPT: 0.002, Fault.DROP: 0.001, Fault.ECHO: 0.001}
        super().__init__(
            [TaggedController(line, address) for address in ADDRESSES],
            # The delays make a late reply arrive while the client waits for the line to become
            # quiet, during the retry, or during a later request for the same parameter.
            faults=FaultPlan(rates, seed=line, late_s=(1.4, 2.4, 8.0)[line % 3] * TIMEOUT_S),
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
