"""Faults with which no value may be wrong: no read returns another value than its own.

Every value names the request that it replies to. Time is simulated.
"""

from __future__ import annotations

import bisect
import itertools
import random
import time
from collections import Counter
from contextlib import ExitStack

import pytest

from benchmarks.peer import PROMISED, SOURCES, FaultyLine, NumberingControllers
from tests.devices.timed_line import ManualTimeTransport
from watlowlib import WatlowError, open_device
from watlowlib._internal.clock import ManualClock

READS = 300
SEED = 7


class FaultyTransport(ManualTimeTransport):
    """A line with numbering controllers; a later reply may arrive before an earlier one."""

    def __init__(self, clock: ManualClock, controllers: NumberingControllers) -> None:
        super().__init__(clock, byte_s=10 / 38400)
        self._controllers = controllers

    def handle_request(self, data: bytes, began_s: float) -> None:
        for arrival in self._controllers.receive(time.monotonic(), data):
            bisect.insort(self._scheduled, arrival, key=lambda each: each[0])


def count_reads(clock: ManualClock, protocol: str, kind: str) -> Counter[str]:
    """Return how many reads were right, wrong, stale and refused."""
    line = FaultyLine(kind, fraction=0.05, late_s=3.0, seed=SEED)
    controllers = NumberingControllers(protocol, line, SEED)
    transport = FaultyTransport(clock, controllers)
    chance, turn = random.Random(SEED), itertools.cycle(SOURCES)
    source = next(turn)
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        opened = {
            address: stack.enter_context(
                open_device(
                    transport,
                    protocol=protocol,
                    address=address,
                    timeout_s=0.1,
                    word_order="low_high",
                    data_map=1,
                )
            )
            for address in (1, 2)
        }
        for _ in range(READS):
            before = controllers.requests
            try:
                value = opened[source.address].read_parameter(source.parameter).value
                counts[controllers.classify(value, source, before)] += 1
            except WatlowError:
                counts["refused"] += 1
            source = source if chance.random() < 0.5 else next(turn)
    return counts


@pytest.mark.parametrize("kind", PROMISED)
@pytest.mark.parametrize("protocol", ["modbus_rtu", "stdbus"])
def test_a_read_returns_no_wrong_and_no_stale_value(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch, kind: str, protocol: str
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)  # minimalmodbus waits in real time
    counts = count_reads(clock, protocol, kind)
    assert counts["right"] > READS / 2
    assert (counts["wrong"], counts["stale"]) == (0, 0)
