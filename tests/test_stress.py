"""Two threads read and one writes on one line on which 5 % of the replies go wrong.

No value may be wrong, no write lost, and every failure a typed error. Whether a value
is wrong is decided strictly: the unit counts its reads in the value itself and notes
when it gave which, so that a reply to an earlier read is told from the right one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from watlowlib import WatlowError, open_device
from watlowlib.devices.controller import Controller
from watlowlib.model import Value
from watlowlib.simulator import Fault, FaultPlan, SimulatedBus, SimulatedController

EXCHANGES = 2000
FAULTS = (Fault.LATE, Fault.CORRUPT, Fault.DROP, Fault.ECHO)
OTHERS = (Fault.DUPLICATE, Fault.TRUNCATE, Fault.NOISE, Fault.FOREIGN, Fault.DELAY)
TIMEOUT_S = 0.04


class Counting(SimulatedController):
    """Each of its parameters that is read gives a number never given before, and when."""

    def __init__(self, address: int) -> None:
        super().__init__(address)
        self.given_s: dict[tuple[int, float], float] = {}

    def get(self, parameter: str | int, instance: int = 1) -> Value:
        if parameter not in (4001, 8011):
            return super().get(parameter, instance)
        value = float(len(self.given_s) + 1)
        self.given_s[int(parameter), value] = time.monotonic()
        return value


def check_read(ctl: Controller, unit: Counting, number: int) -> None:
    began_s = time.monotonic()
    reading = ctl.read_parameter(number)
    assert isinstance(reading.value, float)
    assert (number, reading.value) in unit.given_s, "a value of another parameter"
    assert unit.given_s[number, reading.value] >= began_s, "an answer to an earlier question"


def stressed(faults: FaultPlan, exchanges: int) -> tuple[list[BaseException], int]:
    """Run the three threads; what went wrong, and how many calls were answered."""
    unit = Counting(1)
    wrong: list[BaseException] = []
    answered: list[int] = []

    def repeat(call: Callable[[int], None]) -> None:
        for n in range(exchanges // 3):
            try:
                call(n)
                answered.append(1)
            except WatlowError as error:
                if not isinstance(error, (TimeoutError,)) and error.status != "crc":
                    wrong.append(error)
            except BaseException as error:
                wrong.append(error)

    with SimulatedBus([unit, 2], baudrate=None, turnaround_s=(0.0, 0.0), faults=faults) as bus:
        with open_device(bus.port, timeout_s=TIMEOUT_S) as ctl:
            calls: list[Callable[[int], None]] = [
                lambda n: check_read(ctl, unit, 4001),
                lambda n: check_read(ctl, unit, 4001 if n % 3 else 8011),
                lambda n: check_write(ctl, unit, float(n)),
            ]
            threads = [threading.Thread(target=repeat, args=(call,)) for call in calls]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(100)
            assert not any(thread.is_alive() for thread in threads)
    return wrong, len(answered)


def check_write(ctl: Controller, unit: Counting, value: float) -> None:
    held = ctl.set_setpoint(value, confirm=True)
    assert held.value == value
    assert unit.get(7001) == value, "a write was lost"


@pytest.mark.timeout(170)
def test_no_wrong_value_and_no_lost_write() -> None:
    rates = dict.fromkeys(FAULTS, 0.05 / len(FAULTS))
    plan = FaultPlan(rates, seed=1, late_s=1.4 * TIMEOUT_S)
    wrong, answered = stressed(plan, EXCHANGES)
    assert wrong == []
    assert all(plan.happened[fault] > 5 for fault in FAULTS)
    # One retry: only two faults in a row cost a call, or a machine that stands still.
    assert answered >= 0.95 * 3 * (EXCHANGES // 3)


@pytest.mark.timeout(170)
def test_nor_with_a_fifth_of_every_fault_there_is() -> None:
    every = (*FAULTS, *OTHERS)
    plan = FaultPlan(
        dict.fromkeys(every, 0.2 / len(every)),
        seed=3,
        delay_s=0.5 * TIMEOUT_S,
        late_s=1.4 * TIMEOUT_S,
    )
    wrong, answered = stressed(plan, 240)
    assert wrong == []
    assert answered >= 0.85 * 240
