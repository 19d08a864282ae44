"""How soon an offline controller is found again, and what the probes cost the others.

Time is simulated: hours on a line take a moment.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.devices.timed_line import ManualTimeTransport
from watlowlib import ErrorPolicy, WatlowManager
from watlowlib._internal.clock import ManualClock
from watlowlib.protocol.stdbus.frames import REPLY, Frame, FrameDecoder, encode_frame, mac_of
from watlowlib.protocol.stdbus.payloads import decode_payload, encode_payload
from watlowlib.simulator import SimulatedController

BYTE_S = 10 / 38400


class SixteenControllers(ManualTimeTransport):
    """Controllers 1 to 16.

    Args:
        clock: Advanced by waits.
        turnaround_s: Time from a request to its reply.
    """

    def __init__(self, clock: ManualClock, turnaround_s: float) -> None:
        super().__init__(clock, BYTE_S)
        self.off: set[int] = set()
        self.requested_s: dict[int, float] = {}
        """Time of the last request to each address."""
        self._turnaround_s = turnaround_s
        self._controllers = {mac_of(n): SimulatedController(n) for n in range(1, 17)}

    def handle_request(self, data: bytes, began_s: float) -> None:
        (request,) = FrameDecoder().feed(data)
        controller = self._controllers[request.destination]
        self.requested_s[controller.address] = time.monotonic()
        if controller.address not in self.off:
            payload = controller.reply_to(decode_payload(request.payload))
            assert payload is not None
            reply = Frame(REPLY, request.source, request.destination, encode_payload(payload))
            self.schedule_reply(time.monotonic() + self._turnaround_s, encode_frame(reply))


class Fleet:
    """Sixteen controllers on one line, polled for two parameters each second."""

    def __init__(self, clock: ManualClock, turnaround_s: float) -> None:
        self.line = SixteenControllers(clock, turnaround_s)
        self.manager = WatlowManager(error_policy=ErrorPolicy.RETURN)
        for address in range(1, 17):
            self.manager.add(str(address), self.line, address=address)
        self.late_ticks = 0
        """Ticks that took longer than a second."""
        self.online: set[int] = set()
        """Addresses that replied in the last tick."""
        self._poll = self.manager.prepare(["process_value", "setpoint"])
        self._clock = clock

    @property
    def timeouts(self) -> int:
        """Attempts on the line without a reply."""
        return self.manager.get("1").port_stats.timeouts

    def tick(self) -> None:
        began_s = time.monotonic()
        self.online = {sample.address for sample in self._poll() if sample.status == "ok"}
        took_s = time.monotonic() - began_s
        self.late_ticks += took_s > 1.0
        self._clock.advance(max(0.0, 1.0 - took_s))

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.tick()

    def switch_off(self, *addresses: int) -> None:
        """Switch controllers off and poll until they count as offline."""
        self.line.off |= set(addresses)
        self.ticks(5)
        self.late_ticks = 0

    def switch_on(self, address: int) -> float:
        """Switch a controller on and poll until it replies; return the time in seconds."""
        self.line.off.remove(address)
        began_s = time.monotonic()
        while address not in self.online and time.monotonic() - began_s < 1000.0:
            self.tick()
        return time.monotonic() - began_s


@pytest.fixture
def fleet(clock: ManualClock) -> Iterator[Fleet]:
    fleet = Fleet(clock, turnaround_s=0.02)
    with fleet.manager:
        fleet.tick()
        assert len(fleet.online) == 16
        yield fleet


@pytest.mark.parametrize("offline", [1, 4, 15])
def test_failed_probes_delay_no_tick(fleet: Fleet, offline: int) -> None:
    fleet.switch_off(*range(1, offline + 1))
    before = fleet.timeouts
    fleet.ticks(200)
    assert fleet.late_ticks == 0
    assert fleet.timeouts > before + 10
    assert fleet.online == set(range(offline + 1, 17))


@pytest.mark.parametrize(("offline", "most_s"), [(4, 20.0), (15, 60.0)])
def test_each_of_several_offline_controllers_is_found_in_time(
    fleet: Fleet, offline: int, most_s: float
) -> None:
    fleet.switch_off(*range(1, offline + 1))
    fleet.ticks(100)
    for address in (1, offline // 2, offline):
        assert fleet.switch_on(address) <= most_s


def test_online_controllers_are_polled_before_a_probe(clock: ManualClock) -> None:
    fleet = Fleet(clock, turnaround_s=0.01)
    with fleet.manager:
        fleet.switch_off(1, 2)
        before = fleet.timeouts
        waits_s = set()
        for _ in range(50):
            began_s = time.monotonic()
            fleet.tick()
            waits_s.add(round(fleet.line.requested_s[3] - began_s, 4))
        assert fleet.timeouts > before
        assert len(waits_s) == 1


def test_a_controller_behind_a_slow_network_is_found(clock: ManualClock) -> None:
    fleet = Fleet(clock, turnaround_s=0.4)
    with fleet.manager:
        fleet.switch_off(*range(1, 16))
        fleet.ticks(100)
        assert fleet.switch_on(8) < 200.0
