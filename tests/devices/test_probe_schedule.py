"""How soon one that was away is found again, and what that takes from the others.

Hours on a line, by a clock turned by hand: all that takes time here is the wire.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.devices.timed_line import TurnedLine
from watlowlib import ErrorPolicy, WatlowManager
from watlowlib._internal.clock import ManualClock
from watlowlib.protocol.stdbus.frames import REPLY, Frame, FrameDecoder, encode_frame, mac_of
from watlowlib.protocol.stdbus.payloads import decode_payload, encode_payload
from watlowlib.simulator import SimulatedController

BYTE_S = 10 / 38400


class LineOfSixteen(TurnedLine):
    """Controllers 1 to 16.

    Args:
        clock: What waiting turns.
        turnaround_s: How long a controller thinks before it answers.
    """

    def __init__(self, clock: ManualClock, turnaround_s: float) -> None:
        super().__init__(clock, BYTE_S)
        self.off: set[int] = set()
        self.asked_s: dict[int, float] = {}
        """When each was asked last."""
        self._turnaround_s = turnaround_s
        self._controllers = {mac_of(n): SimulatedController(n) for n in range(1, 17)}

    def asked(self, data: bytes, began_s: float) -> None:
        (asked,) = FrameDecoder().feed(data)
        controller = self._controllers[asked.destination]
        self.asked_s[controller.address] = time.monotonic()
        if controller.address not in self.off:
            answer = controller.answer(decode_payload(asked.payload))
            assert answer is not None
            reply = Frame(REPLY, asked.source, asked.destination, encode_payload(answer))
            self.answer(time.monotonic() + self._turnaround_s, encode_frame(reply))


class Fleet:
    """Sixteen controllers on a turned line, asked for two parameters each second."""

    def __init__(self, clock: ManualClock, turnaround_s: float) -> None:
        self.line = LineOfSixteen(clock, turnaround_s)
        self.manager = WatlowManager(error_policy=ErrorPolicy.RETURN)
        for address in range(1, 17):
            self.manager.add(str(address), self.line, address=address)
        self.late = 0
        """How many ticks took longer than a second."""
        self.here: set[int] = set()
        """Who has answered at the last tick."""
        self._poll = self.manager.prepare(["process_value", "setpoint"])
        self._clock = clock

    @property
    def in_vain(self) -> int:
        """How often nobody has answered so far."""
        return self.manager.get("1").port_stats.timeouts

    def tick(self) -> None:
        began_s = time.monotonic()
        self.here = {sample.address for sample in self._poll() if sample.status == "ok"}
        took_s = time.monotonic() - began_s
        self.late += took_s > 1.0
        self._clock.advance(max(0.0, 1.0 - took_s))

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.tick()

    def switch_off(self, *addresses: int) -> None:
        """Switch them off, and poll until that is known and it is looked for now and then only."""
        self.line.off |= set(addresses)
        self.ticks(5)
        self.late = 0

    def found_after_s(self, address: int) -> float:
        """Switch one on, and poll until it answers."""
        self.line.off.remove(address)
        began_s = time.monotonic()
        while address not in self.here and time.monotonic() - began_s < 1000.0:
            self.tick()
        return time.monotonic() - began_s


@pytest.fixture
def fleet(clock: ManualClock) -> Iterator[Fleet]:
    fleet = Fleet(clock, turnaround_s=0.02)
    with fleet.manager:
        fleet.tick()
        assert len(fleet.here) == 16
        yield fleet


@pytest.mark.parametrize("away", [1, 4, 15])
def test_looks_in_vain_take_no_tick_from_the_others(fleet: Fleet, away: int) -> None:
    fleet.switch_off(*range(1, away + 1))
    before = fleet.in_vain
    fleet.ticks(200)
    assert fleet.late == 0
    assert fleet.in_vain > before + 10
    assert fleet.here == set(range(away + 1, 17))


@pytest.mark.parametrize(("away", "most_s"), [(4, 20.0), (15, 60.0)])
def test_any_one_of_many_that_are_away_is_found(fleet: Fleet, away: int, most_s: float) -> None:
    fleet.switch_off(*range(1, away + 1))
    fleet.ticks(100)
    for address in (1, away // 2, away):
        assert fleet.found_after_s(address) <= most_s


def test_those_that_are_there_do_not_wait_for_a_look(clock: ManualClock) -> None:
    fleet = Fleet(clock, turnaround_s=0.01)
    with fleet.manager:
        fleet.switch_off(1, 2)
        before = fleet.in_vain
        waited_s = set()
        for _ in range(50):
            began_s = time.monotonic()
            fleet.tick()
            waited_s.add(round(fleet.line.asked_s[3] - began_s, 4))
        assert fleet.in_vain > before
        assert len(waited_s) == 1


def test_one_behind_a_slow_network_is_found_too(clock: ManualClock) -> None:
    fleet = Fleet(clock, turnaround_s=0.4)
    with fleet.manager:
        fleet.switch_off(*range(1, 16))
        fleet.ticks(100)
        assert fleet.found_after_s(8) < 200.0
