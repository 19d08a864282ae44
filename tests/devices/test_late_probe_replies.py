"""Late replies while probes and reads alternate: each is assigned to its own request.

Every reply contains a number that was never sent before. Time is simulated: hours on a line
take a moment.
"""

from __future__ import annotations

import random
import struct
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.devices.timed_line import ManualTimeTransport
from watlowlib import Controller, WatlowDeviceError, WatlowTimeoutError, open_device
from watlowlib._internal.clock import ManualClock
from watlowlib.devices.availability import PROBE_S
from watlowlib.devices.modbus_driver import ModbusDriver
from watlowlib.model import ProtocolKind
from watlowlib.protocol.modbus.frames import RtuDecoder, RtuFrame, request_sizes
from watlowlib.protocol.stdbus.frames import REPLY, Frame, FrameDecoder, encode_frame
from watlowlib.protocol.stdbus.payloads import READ_REPLY

BYTE_S = 10 / 9600
LOSS_RATE = 0.05
"""Share of the requests that are lost."""
ROUNDS = 1000


class NumberingTransport(ManualTimeTransport):
    """A controller that replies late, to one request at a time, with consecutive numbers.

    Args:
        clock: Advanced by waits.
        delay_s: Returns the time from a request to its reply; None for a lost request.
        refuses_register_0: Whether, over Modbus, it has no register 0.
        queues: Whether it queues requests that arrive before it has replied.
    """

    def __init__(
        self,
        clock: ManualClock,
        delay_s: Callable[[], float | None],
        *,
        refuses_register_0: bool = False,
        queues: bool = False,
    ) -> None:
        super().__init__(clock, BYTE_S)
        self.requested_s = [0.0]
        """Start time of each request, indexed by the number in its reply."""
        self._delay_s = delay_s
        self._refuses_register_0 = refuses_register_0
        self._queues = queues
        self._free_s = 0.0

    def handle_request(self, data: bytes, began_s: float) -> None:
        now_s = time.monotonic()
        busy = now_s < self._free_s and not self._queues
        if busy or (delay_s := self._delay_s()) is None:
            return
        raw = self._reply(data)
        self._free_s = self.schedule_reply(max(now_s, self._free_s) + delay_s, raw)
        self.requested_s.append(began_s)

    def _reply(self, data: bytes) -> bytes:
        number = len(self.requested_s)
        if frames := FrameDecoder().feed(data):
            request = frames[0]
            payload = READ_REPLY + request.payload[3:] + b"\x08" + struct.pack(">f", number)
            return encode_frame(Frame(REPLY, request.source, request.destination, payload))
        (rtu_request,) = RtuDecoder(request_sizes).feed(data)
        register, count = struct.unpack(">HH", rtu_request.payload[1:5])
        if self._refuses_register_0 and not register:
            return RtuFrame(rtu_request.source, b"\x83\x02").raw
        content = bytes((3, 2 * count)) + number.to_bytes(2 * count, "big")
        return RtuFrame(rtu_request.source, content).raw


def read_number(ctl: Controller, chance: random.Random) -> int:
    """Read something whose reply has the form of a probe's reply, or something else."""
    if isinstance(ctl.session.driver, ModbusDriver):
        return ctl.session.driver.read_block(*chance.choice([(4002, 1), (360, 2)]))[-1]
    value = ctl.read_parameter(chance.choice(["hardware_id", "process_value"])).value
    assert isinstance(value, float)
    return int(value)


@pytest.mark.parametrize("kind", ["stdbus", "modbus", "modbus without register 0"])
@pytest.mark.parametrize(
    ("least_s", "most_s", "timeout_s", "queues"),
    [
        (0.09, 0.4, 0.5, False),
        (0.09, 0.4, 0.2, False),
        (0.3, 1.4, 0.5, False),
        (1.2, 1.9, 2.0, False),
        (1.2, 1.9, 2.0, True),
    ],
)
def test_late_probe_replies_are_not_taken_for_replies_to_other_requests(
    clock: ManualClock, kind: str, least_s: float, most_s: float, timeout_s: float, queues: bool
) -> None:
    chance = random.Random(7)

    def delay_s() -> float | None:
        return None if chance.random() < LOSS_RATE else chance.uniform(least_s, most_s)

    line = NumberingTransport(clock, delay_s, refuses_register_0="without" in kind, queues=queues)
    protocol = ProtocolKind.STDBUS if kind == "stdbus" else ProtocolKind.MODBUS_RTU
    results: Counter[str] = Counter()
    with open_device(line, protocol=protocol, timeout_s=timeout_s, retries=1) as ctl:
        for _ in range(ROUNDS):
            began_s = time.monotonic()
            try:
                if chance.random() < 0.5:
                    ctl.session.driver.ping(within_s=PROBE_S)
                else:
                    number = read_number(ctl, chance)
                    results["right" if line.requested_s[number] >= began_s else "wrong"] += 1
            except WatlowTimeoutError:
                results["timeout"] += 1
            except WatlowDeviceError:
                results["wrong"] += 1
            clock.advance(chance.choice([0.0, 0.0, 0.05, 0.2, 0.5, 1.0]))
    assert results["wrong"] == 0
    assert min(results["right"], results["timeout"]) > ROUNDS / 50


def test_the_reply_to_a_retry_is_expected_after_the_reply_to_the_first_attempt(
    clock: ManualClock,
) -> None:
    # The first reply arrives during the second attempt, the second reply 0.95 s after that.
    delays_s = iter([0.586, 0.93, 0.01, 0.01])
    line = NumberingTransport(clock, lambda: next(delays_s))
    with open_device(line, timeout_s=0.5, retries=1) as ctl:
        assert ctl.read_parameter("process_value").value == 1
        assert len(line.requested_s) == 3
        clock.advance(line.requested_s[1] + 1.53 - time.monotonic())
        assert ctl.read_parameter("process_value").value == 3


@pytest.mark.parametrize("protocol", ["stdbus", "modbus_rtu"])
def test_late_reply_is_recognized_after_the_port_was_closed(
    clock: ManualClock, protocol: str
) -> None:
    delays_s = iter([1.5])
    line = NumberingTransport(clock, lambda: next(delays_s, 0.01), queues=True)

    def read() -> float:
        with open_device(
            line, protocol=protocol, timeout_s=0.5, retries=0, data_map=1, word_order="high_low"
        ) as ctl:
            return read_number(ctl, random.Random(1))

    with pytest.raises(WatlowTimeoutError):
        read()
    clock.advance(0.95)
    assert line.requested_s[read()] > 1.4 + line.requested_s[1]


def test_late_reply_of_one_protocol_does_not_disturb_the_other(clock: ManualClock) -> None:
    # Address 1 on Standard Bus and slave 16 have the same station number.
    line = NumberingTransport(clock, iter([None, 0.01, 0.01]).__next__)
    with open_device(line, timeout_s=0.5, retries=0) as ctl, pytest.raises(WatlowTimeoutError):
        read_number(ctl, random.Random(1))
    with open_device(
        line, protocol="modbus_rtu", address=16, data_map=1, word_order="high_low"
    ) as ctl:
        assert line.requested_s[read_number(ctl, random.Random(1))] > 0.5


def test_a_lost_reply_is_expected_for_a_limited_time(clock: ManualClock) -> None:
    delays_s = iter([None])
    line = NumberingTransport(clock, lambda: next(delays_s, 0.01))
    with open_device(line, timeout_s=0.5, retries=1) as ctl:
        requests = []
        for _ in range(12):
            ctl.read_parameter("process_value")
            requests.append(len(line.requested_s))
            clock.advance(0.3)
    assert requests[1] == requests[0] + 2
    assert requests[-1] == requests[-6] + 5
