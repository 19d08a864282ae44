"""Promise 1 over Modbus: slave, function and byte count fit, or it is no answer."""

from __future__ import annotations

import struct
import threading
import time

import minimalmodbus
import pytest

from watlowlib._internal.clock import Deadline
from watlowlib.errors import (
    WatlowClosedError,
    WatlowCRCError,
    WatlowDeviceError,
    WatlowDeviceFailureError,
    WatlowIllegalFunctionError,
    WatlowIllegalValueError,
    WatlowNoSuchRegisterError,
    WatlowTimeoutError,
    WatlowWriteError,
)
from watlowlib.model import SerialSettings
from watlowlib.protocol.exchange import RetryPolicy, WriteOptions
from watlowlib.protocol.modbus.client import ModbusClient
from watlowlib.protocol.modbus.frames import RtuFrame
from watlowlib.protocol.port import Port
from watlowlib.transport.scripted import ScriptedTransport

ONCE, TWICE = RetryPolicy(0.5, 0), RetryPolicy(0.5, 1)
QUESTION = bytes.fromhex("010301680002442b")
"""Slave 1, two registers from 360 on; the checksum is the one minimalmodbus's own code gives."""


def reply(*words: int, slave: int = 1, function: int = 3) -> bytes:
    data = struct.pack(f">{len(words)}H", *words)
    return RtuFrame(slave, bytes((function, len(data))) + data).raw


def stored(register: int, count: int, slave: int = 1) -> bytes:
    return RtuFrame(slave, struct.pack(">BHH", 16, register, count)).raw


def refused(code: int, *, slave: int = 1, function: int = 3) -> bytes:
    return RtuFrame(slave, bytes((function | 0x80, code))).raw


def damaged(frame: bytes) -> bytes:
    return frame[:-3] + bytes((frame[-3] ^ 1,)) + frame[-2:]


class Script:
    """The answers to the first, second, ... write; nothing after the last one."""

    def __init__(self, *answers: list[bytes], baudrate: int = 115200) -> None:
        self._answers = list(answers)
        self.transport = ScriptedTransport(self._answer)
        self.transport.open()
        self.client = ModbusClient(Port(self.transport), SerialSettings(baudrate=baudrate))

    def _answer(self, data: bytes) -> list[bytes]:
        return self._answers.pop(0) if self._answers else []

    def read(self, policy: RetryPolicy = ONCE, count: int = 2) -> tuple[int, ...]:
        answer = self.client.read(1, 360, count, policy)
        return struct.unpack(f">{count}H", answer.content)

    def write(self, *words: int, policy: RetryPolicy = ONCE, readable: bool = True) -> bytes:
        return self.client.write(1, 2160, words, policy, WriteOptions(readable)).content

    @property
    def sent(self) -> list[int]:
        """The functions that were asked for, in order."""
        return [data[1] for data in self.transport.written]


def test_the_question_and_its_answer() -> None:
    script = Script([reply(0x0000, 0x4296)])
    answer = script.client.read(1, 360, 2, ONCE)
    assert script.transport.written == [QUESTION]
    assert answer.content == bytes.fromhex("00004296")
    assert answer.raw == reply(0x0000, 0x4296)


@pytest.mark.parametrize(
    "before",
    [
        [b"\x00\xff\x01\x03"],
        [QUESTION],
        [QUESTION[:3], QUESTION[3:]],
        [damaged(reply(6, 6))],
        [reply(6, 6)[:5]],
        [reply(6, 6, slave=2)],
        [reply(6, 6, function=4)],
        [reply(6)],
        [reply(6, 6, 6)],
        [refused(2, slave=2)],
        [refused(2, function=16)],
        [stored(360, 2)],
    ],
)
def test_what_does_not_fit_is_passed_over(before: list[bytes]) -> None:
    assert Script([*before, reply(7, 8)]).read() == (7, 8)
    joined = b"".join(before)
    assert Script([joined + reply(7, 8)]).read() == (7, 8)
    with pytest.raises((WatlowTimeoutError, WatlowCRCError)):
        Script(before).read()


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        (1, WatlowIllegalFunctionError, "illegal_function"),
        (2, WatlowNoSuchRegisterError, "no_such_register"),
        (3, WatlowIllegalValueError, "illegal_value"),
        (4, WatlowDeviceFailureError, "device_failure"),
        (5, WatlowDeviceError, "device_error"),
        (6, WatlowDeviceError, "device_error"),
        (99, WatlowDeviceError, "device_error"),
    ],
)
def test_an_exception_is_an_answer_with_its_code(
    code: int, kind: type[WatlowDeviceError], status: str
) -> None:
    script = Script([refused(code)])
    with pytest.raises(kind, match=f"{code:02d}") as caught:
        script.read(TWICE)
    assert (caught.value.code, caught.value.status) == (code, status)
    assert caught.value.context.request == QUESTION
    assert script.sent == [3]
    assert script.client.port.stats.timeouts == 0


def test_a_read_is_asked_again_once() -> None:
    assert Script([], [reply(7, 8)]).read(TWICE) == (7, 8)
    assert Script([damaged(reply(6, 6))], [reply(7, 8)]).read(TWICE) == (7, 8)
    with pytest.raises(WatlowTimeoutError, match="set to Modbus RTU"):
        Script().read(TWICE)
    with pytest.raises(WatlowCRCError):
        Script([damaged(reply(6, 6))]).read()


def test_an_answer_to_another_register_that_comes_late_is_not_believed() -> None:
    # Of two reads of two registers each, nothing in an answer says which it belongs to.
    script = Script([], [reply(6, 6), reply(7, 8)])
    with pytest.raises(WatlowTimeoutError):
        script.client.read(1, 2160, 2, ONCE)
    assert script.read() == (7, 8)
    script = Script([], [reply(6, 6)], [reply(7, 8)])
    with pytest.raises(WatlowTimeoutError):
        script.client.read(1, 2160, 2, ONCE)
    assert script.read() == (7, 8)
    assert script.sent == [3, 3, 3]


def test_a_write_is_proven_by_reading_for_its_answer_does_not_name_the_value() -> None:
    script = Script([stored(2160, 2)], [reply(0, 0x4296)])
    assert script.write(0, 0x4296) == bytes.fromhex("00004296")
    assert script.sent == [16, 3]
    assert script.transport.written[0][:-2].hex() == "01100870000204" + "00004296"


def test_the_echo_of_a_write_is_not_taken_for_its_answer() -> None:
    script = Script()
    with pytest.raises(WatlowTimeoutError):
        script.write(1, 2, readable=False)
    request = script.transport.written[0]
    script = Script([request])
    with pytest.raises(WatlowTimeoutError):
        script.write(1, 2, readable=False)
    assert script.client.port.stats.echoes_skipped == 1
    script = Script([request, stored(2160, 2)])
    assert script.write(1, 2, readable=False) == bytes.fromhex("00010002")


def test_a_write_that_did_not_arrive_is_sent_once_more() -> None:
    script = Script([], [reply(0, 0)], [stored(2160, 2)], [reply(1, 2)])
    assert script.write(1, 2, policy=TWICE) == bytes.fromhex("00010002")
    assert script.sent == [16, 3, 16, 3]


def test_a_write_that_did_arrive_is_not_sent_again() -> None:
    script = Script([], [reply(1, 2)])
    script.write(1, 2, policy=TWICE)
    assert script.sent == [16, 3]


def test_a_value_that_was_not_taken_is_said() -> None:
    script = Script([stored(2160, 2)], [reply(3, 4)], [stored(2160, 2)], [reply(3, 4)])
    with pytest.raises(WatlowWriteError, match="0003 0004"):
        script.write(1, 2, policy=TWICE)


def test_what_is_held_already_is_not_written() -> None:
    script = Script([reply(1, 2)])
    sent: list[int] = []
    script.client.write(
        1, 2160, (1, 2), ONCE, WriteOptions(spare=True, sending=lambda: sent.append(1))
    )
    assert script.sent == [3]
    assert sent == []


def test_a_refused_write_is_raised_at_once() -> None:
    script = Script([refused(3, function=16)])
    with pytest.raises(WatlowIllegalValueError, match="write"):
        script.write(1, 2, policy=TWICE)
    assert script.sent == [16]


def test_a_long_answer_on_a_slow_line_is_waited_for() -> None:
    waited: list[float] = []

    class Waiting(ScriptedTransport):
        def read(self, deadline: object) -> bytes:
            waited.append(deadline.left_s())  # type: ignore[attr-defined]
            return super().read(deadline)  # type: ignore[arg-type]

    transport = Waiting(lambda data: [reply(*range(100))])
    transport.open()
    client = ModbusClient(Port(transport), SerialSettings(baudrate=1200))
    client.read(1, 0, 100, RetryPolicy(0.5, 0))
    # 8 + 205 bytes of 10 bits at 1200 bit/s are 1.775 s.
    assert 2.2 < max(waited) <= 0.5 + 1.776


def test_ports_do_not_share_what_minimalmodbus_remembers() -> None:
    first, second = Script([reply(1, 2)]), Script([reply(1, 2)])
    kept = set(minimalmodbus._latest_read_times)
    first.read()
    second.read()
    assert len(set(minimalmodbus._latest_read_times) - kept) == 2
    assert not minimalmodbus._serialports
    first.client.close()
    second.client.close()
    assert set(minimalmodbus._latest_read_times) == kept
    with pytest.raises(WatlowClosedError):
        first.read()


def test_many_threads_get_each_their_own_answer() -> None:
    def answer(data: bytes) -> list[bytes]:
        register = int.from_bytes(data[2:4], "big")
        return [reply(register, register)]

    transport = ScriptedTransport(answer)
    transport.open()
    client = ModbusClient(Port(transport), SerialSettings(baudrate=115200))
    wrong: list[object] = []

    def ask(register: int) -> None:
        for _ in range(50):
            content = client.read(1, register, 2, ONCE).content
            if content != struct.pack(">HH", register, register):
                wrong.append(content)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert client.port.stats.exchanges == 200


def test_a_silence_is_kept_between_an_answer_and_the_next_question() -> None:
    class Timed(ScriptedTransport):
        def write(self, data: bytes, deadline: Deadline) -> None:
            times.append(time.monotonic())
            super().write(data, deadline)

        def read(self, deadline: Deadline) -> bytes:
            data = super().read(deadline)
            if data:
                times.append(time.monotonic())
            return data

    times: list[float] = []
    transport = Timed(lambda data: [reply(7, 8)])
    transport.open()
    client = ModbusClient(Port(transport), SerialSettings(baudrate=9600))
    for _ in range(3):
        client.read(1, 360, 2, ONCE)
    # 3.5 characters of 10 bits are 3.65 ms, of 11 bits 4.01 ms.
    silences = [times[n + 1] - times[n] for n in (1, 3)]
    assert min(silences) >= 0.0036
