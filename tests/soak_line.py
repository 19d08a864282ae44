"""The line of the soak test, made in a process of its own: values that say whose they are.

Apart from the test, so that the process that makes it need not load pytest.
"""

from __future__ import annotations

import time

from watlowlib.model import Value
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus, SimulatedController

TIMEOUT_S = 0.1
PARAMETERS = {4001: "process_value", 8011: "heat_power"}
ADDRESSES = (1, 2, 3, 4)
COUNT_BITS = 16
"""A float on the wire holds 24 bits: 7 for one of 64 controllers x 2 parameters, and a count."""


def owner(value: float) -> int:
    """The number of the controller and parameter that a value belongs to."""
    return int(value) >> COUNT_BITS


def number_of(line: int, address: int, parameter: int) -> int:
    """That number, below 128."""
    unit = line * len(ADDRESSES) + address - 1
    return unit * len(PARAMETERS) + list(PARAMETERS).index(parameter)


class SelfNaming(SimulatedController):
    """Each read gives a value never given before, that says whose it is; and notes when."""

    def __init__(self, line: int, address: int) -> None:
        super().__init__(address)
        self.given_at_s: dict[float, float] = {}
        self._line = line
        self._counts = dict.fromkeys(PARAMETERS, 0)

    def get(self, parameter: str | int, instance: int = 1) -> Value:
        if parameter not in PARAMETERS:
            return super().get(parameter, instance)
        number = int(parameter)
        self._counts[number] += 1
        assert self._counts[number] < 1 << COUNT_BITS
        value = number_of(self._line, self.address, number) << COUNT_BITS | self._counts[number]
        self.given_at_s[float(value)] = time.time()
        return float(value)


class SoakLine(SimulatedBus):
    """Four such controllers at 38400 baud, whose replies go wrong now and then."""

    def __init__(self, line: int, link: str) -> None:
        rates = {Fault.LATE: 0.002, Fault.CORRUPT: 0.002, Fault.DROP: 0.001, Fault.ECHO: 0.001}
        super().__init__(
            [SelfNaming(line, address) for address in ADDRESSES],
            # Late by so much that it comes while the line is listened to, into the next try,
            # or when the same is asked again.
            faults=FaultPlan(rates, seed=line, late_s=(1.4, 2.4, 8.0)[line % 3] * TIMEOUT_S),
            link=link,
            turnaround_s=(0.002, 0.01),  # eight reads are to fit into 0.2 s
            seed=line,
        )

    def given(self) -> dict[float, float]:
        """When each value was given, by the wall clock."""
        given: dict[float, float] = {}
        for unit in self.controllers.values():
            assert isinstance(unit, SelfNaming)
            given |= unit.given_at_s
        return given

    def setpoints(self) -> dict[int, Value]:
        """What each controller holds."""
        return {address: unit.get(7001) for address, unit in self.controllers.items()}

    def happened(self) -> dict[str, int]:
        """How often each fault has come about."""
        return {fault.value: count for fault, count in self.faults.happened.items()}
