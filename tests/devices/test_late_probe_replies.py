"""Looks and reads of one controller in turn, whose answers come late: which is whose.

Each answer carries a number that was never given before. Hours on a line, by a clock turned
by hand: all that takes time here is the wire.
"""

from __future__ import annotations

import random
import struct
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.devices.timed_line import TurnedLine
from watlowlib import Controller, WatlowDeviceError, WatlowTimeoutError, open_device
from watlowlib._internal.clock import ManualClock
from watlowlib.devices.availability import PROBE_S
from watlowlib.devices.modbus_driver import ModbusDriver
from watlowlib.model import ProtocolKind
from watlowlib.protocol.modbus.frames import RtuDecoder, RtuFrame, request_sizes
from watlowlib.protocol.stdbus.frames import REPLY, Frame, FrameDecoder, encode_frame
from watlowlib.protocol.stdbus.payloads import READ_REPLY

BYTE_S = 10 / 9600
LOST = 0.05
"""The share of the questions that are not heard."""
TURNS = 1000


class NumberingLine(TurnedLine):
    """A controller that answers one question at a time, late.

    Args:
        clock: What waiting turns.
        late_s: How long after a question its answer begins; None for a question not heard.
        refusing: Whether, over Modbus, it has no register 0.
        queueing: Whether it keeps questions that come before it has answered.
    """

    def __init__(
        self,
        clock: ManualClock,
        late_s: Callable[[], float | None],
        *,
        refusing: bool = False,
        queueing: bool = False,
    ) -> None:
        super().__init__(clock, BYTE_S)
        self.asked_s = [0.0]
        """By the number of an answer, when it was asked for."""
        self._late_s = late_s
        self._refusing = refusing
        self._queueing = queueing
        self._free_s = 0.0

    def asked(self, data: bytes, began_s: float) -> None:
        now_s = time.monotonic()
        busy = now_s < self._free_s and not self._queueing
        if busy or (late_s := self._late_s()) is None:
            return
        raw = self._answer(data)
        self._free_s = self.answer(max(now_s, self._free_s) + late_s, raw)
        self.asked_s.append(began_s)

    def _answer(self, data: bytes) -> bytes:
        number = len(self.asked_s)
        if frames := FrameDecoder().feed(data):
            asked = frames[0]
            payload = READ_REPLY + asked.payload[3:] + b"\x08" + struct.pack(">f", number)
            return encode_frame(Frame(REPLY, asked.source, asked.destination, payload))
        (question,) = RtuDecoder(request_sizes).feed(data)
        register, count = struct.unpack(">HH", question.payload[1:5])
        if self._refusing and not register:
            return RtuFrame(question.source, b"\x83\x02").raw
        content = bytes((3, 2 * count)) + number.to_bytes(2 * count, "big")
        return RtuFrame(question.source, content).raw


def number_read(ctl: Controller, chance: random.Random) -> int:
    """What a read brings that looks like what a look asks for, or not."""
    if isinstance(ctl.session.driver, ModbusDriver):
        return ctl.session.driver.read_block(*chance.choice([(4002, 1), (360, 2)]))[-1]
    value = ctl.read_parameter(chance.choice(["hardware_id", "process_value"])).value
    assert isinstance(value, float)
    return int(value)


@pytest.mark.parametrize("kind", ["stdbus", "modbus", "modbus that refuses"])
@pytest.mark.parametrize(
    ("least_s", "most_s", "timeout_s", "queueing"),
    [
        (0.09, 0.4, 0.5, False),
        (0.09, 0.4, 0.2, False),
        (0.3, 1.4, 0.5, False),
        (1.2, 1.9, 2.0, False),
        (1.2, 1.9, 2.0, True),
    ],
)
def test_no_late_answer_to_a_look_is_taken_for_another(
    clock: ManualClock, kind: str, least_s: float, most_s: float, timeout_s: float, queueing: bool
) -> None:
    chance = random.Random(7)

    def late_s() -> float | None:
        return None if chance.random() < LOST else chance.uniform(least_s, most_s)

    line = NumberingLine(clock, late_s, refusing="refuses" in kind, queueing=queueing)
    protocol = ProtocolKind.STDBUS if kind == "stdbus" else ProtocolKind.MODBUS_RTU
    found: Counter[str] = Counter()
    with open_device(line, protocol=protocol, timeout_s=timeout_s, retries=1) as ctl:
        for _ in range(TURNS):
            began_s = time.monotonic()
            try:
                if chance.random() < 0.5:
                    ctl.session.driver.ping(within_s=PROBE_S)
                else:
                    number = number_read(ctl, chance)
                    found["right" if line.asked_s[number] >= began_s else "wrong"] += 1
            except WatlowTimeoutError:
                found["timeout"] += 1
            except WatlowDeviceError:
                found["wrong"] += 1
            clock.advance(chance.choice([0.0, 0.0, 0.05, 0.2, 0.5, 1.0]))
    assert found["wrong"] == 0
    assert min(found["right"], found["timeout"]) > TURNS / 50


def test_of_two_tries_the_second_is_owed_when_the_first_is_answered(clock: ManualClock) -> None:
    # The first answer comes with the second question, and the second one 0.95 s after it.
    late_s = iter([0.586, 0.93, 0.01, 0.01])
    line = NumberingLine(clock, lambda: next(late_s))
    with open_device(line, timeout_s=0.5, retries=1) as ctl:
        assert ctl.read_parameter("process_value").value == 1
        assert len(line.asked_s) == 3
        clock.advance(line.asked_s[1] + 1.53 - time.monotonic())
        assert ctl.read_parameter("process_value").value == 3


def test_one_answer_that_is_lost_is_doubted_for_a_while_only(clock: ManualClock) -> None:
    late_s = iter([None])
    line = NumberingLine(clock, lambda: next(late_s, 0.01))
    with open_device(line, timeout_s=0.5, retries=1) as ctl:
        asked = []
        for _ in range(12):
            ctl.read_parameter("process_value")
            asked.append(len(line.asked_s))
            clock.advance(0.3)
    assert asked[1] == asked[0] + 2
    assert asked[-1] == asked[-6] + 5
