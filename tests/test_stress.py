"""Two threads read and one writes on a line with faults in 5 % of the replies.

No value may be wrong, no write may be lost, and every failure must be a typed error. Each
value is a count of the reads, and the simulated controller stores when it sent which value.
This distinguishes the correct reply from the reply to an earlier read.
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

EXCHANGES = 800
FAULTS = (Fault.LATE, Fault.CORRUPT, Fault.DROP, Fault.ECHO)
OTHER_FAULTS = (Fault.DUPLICATE, Fault.TRUNCATE, Fault.NOISE, Fault.FOREIGN, Fault.DELAY)
TIMEOUT_S = 0.04


class CountingController(SimulatedController):
    """A controller that sends a new value on every read of 4001 and 8011, and stores when."""

    def __init__(self, address: int) -> None:
        super().__init__(address)
        self.sent_s: dict[tuple[int, float], float] = {}

    def get(self, parameter: str | int, instance: int = 1) -> Value:
        if parameter not in (4001, 8011):
            return super().get(parameter, instance)
        value = float(len(self.sent_s) + 1)
        self.sent_s[int(parameter), value] = time.monotonic()
        return value


def check_read(ctl: Controller, unit: CountingController, number: int) -> None:
    began_s = time.monotonic()
    reading = ctl.read_parameter(number)
    assert isinstance(reading.value, float)
    assert (number, reading.value) in unit.sent_s, "a value of another parameter"
    assert unit.sent_s[number, reading.value] >= began_s, "a reply to an earlier request"


def run_threads(faults: FaultPlan, exchanges: int) -> tuple[list[BaseException], int]:
    """Run the three threads; return the unexpected errors and the number of successful calls."""
    unit = CountingController(1)
    errors: list[BaseException] = []
    succeeded: list[int] = []

    def repeat(call: Callable[[int], None]) -> None:
        for n in range(exchanges // 3):
            try:
                call(n)
                succeeded.append(1)
            except WatlowError as error:
                if not isinstance(error, (TimeoutError,)) and error.status != "crc":
                    errors.append(error)
            except BaseException as error:
                errors.append(error)

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
    return errors, len(succeeded)


def check_write(ctl: Controller, unit: CountingController, value: float) -> None:
    held = ctl.set_setpoint(value, confirm=True)
    assert held.value == value
    assert unit.get(7001) == value, "a write was lost"


@pytest.mark.timeout(170)
def test_no_wrong_value_and_no_lost_write_with_five_percent_faults() -> None:
    rates = dict.fromkeys(FAULTS, 0.05 / len(FAULTS))
    plan = FaultPlan(rates, seed=1, late_s=1.4 * TIMEOUT_S)
    errors, succeeded = run_threads(plan, EXCHANGES)
    assert errors == []
    assert all(plan.happened[fault] > 5 for fault in FAULTS)
    # With one retry, a call fails only after two faults in a row or if the machine stalls.
    assert succeeded >= 0.95 * 3 * (EXCHANGES // 3)


@pytest.mark.timeout(170)
def test_no_wrong_value_and_no_lost_write_with_twenty_percent_faults() -> None:
    all_faults = (*FAULTS, *OTHER_FAULTS)
    plan = FaultPlan(
        dict.fromkeys(all_faults, 0.2 / len(all_faults)),
        seed=3,
        delay_s=0.5 * TIMEOUT_S,
        late_s=1.4 * TIMEOUT_S,
    )
    errors, succeeded = run_threads(plan, 240)
    assert errors == []
    assert succeeded >= 0.85 * 240
