"""Promise 1 over Modbus: slave, function and byte count of a reply must match the request."""

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
from watlowlib.protocol.exchange import RetryPolicy, WriteOptions
from watlowlib.protocol.modbus.client import ModbusClient
from watlowlib.protocol.modbus.frames import RtuFrame
from watlowlib.protocol.port import Port
from watlowlib.transport.scripted import ScriptedTransport
from watlowlib.transport.settings import SerialSettings

NO_RETRY, ONE_RETRY = RetryPolicy(0.5, 0), RetryPolicy(0.5, 1)
REQUEST = bytes.fromhex("010301680002442b")
"""Slave 1, two registers from 360 on; the checksum was computed with minimalmodbus."""


def reply(*words: int, slave: int = 1, function: int = 3) -> bytes:
    data = struct.pack(f">{len(words)}H", *words)
    return RtuFrame(slave, bytes((function, len(data))) + data).raw


def write_reply(register: int, count: int, slave: int = 1) -> bytes:
    return RtuFrame(slave, struct.pack(">BHH", 16, register, count)).raw


def exception_reply(code: int, *, slave: int = 1, function: int = 3) -> bytes:
    return RtuFrame(slave, bytes((function | 0x80, code))).raw


MARKER = reply(28)
"""The reply to a marker, which reads one register from 0."""


def damaged(frame: bytes) -> bytes:
    return frame[:-3] + bytes((frame[-3] ^ 1,)) + frame[-2:]


class Script:
    """The replies to the first, second, ... write; no reply after the last one."""

    def __init__(self, *replies: list[bytes], baudrate: int = 115200) -> None:
        self._replies = list(replies)
        self.transport = ScriptedTransport(self._next_reply)
        self.transport.open()
        self.client = ModbusClient(Port(self.transport), SerialSettings(baudrate=baudrate))

    def _next_reply(self, data: bytes) -> list[bytes]:
        return self._replies.pop(0) if self._replies else []

    def read(self, policy: RetryPolicy = NO_RETRY, count: int = 2) -> tuple[int, ...]:
        result = self.client.read(1, 360, count, policy)
        return struct.unpack(f">{count}H", result.content)

    def write(self, *words: int, policy: RetryPolicy = NO_RETRY, readable: bool = True) -> bytes:
        return self.client.write(1, 2160, words, policy, WriteOptions(readable)).content

    @property
    def sent(self) -> list[int]:
        """The functions of the requests, in order."""
        return [data[1] for data in self.transport.written]


def test_request_and_reply_frames() -> None:
    script = Script([reply(0x0000, 0x4296)])
    result = script.client.read(1, 360, 2, NO_RETRY)
    assert script.transport.written == [REQUEST]
    assert result.content == bytes.fromhex("00004296")
    assert result.raw == reply(0x0000, 0x4296)


@pytest.mark.parametrize(
    "before",
    [
        [b"\x00\xff\x01\x03"],
        [REQUEST],
        [REQUEST[:3], REQUEST[3:]],
        [damaged(reply(6, 6))],
        [reply(6, 6)[:5]],
        [reply(6, 6, slave=2)],
        [reply(6, 6, function=4)],
        [reply(6)],
        [reply(6, 6, 6)],
        [exception_reply(2, slave=2)],
        [exception_reply(2, function=16)],
        [write_reply(360, 2)],
    ],
)
def test_frames_that_do_not_match_are_skipped(before: list[bytes]) -> None:
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
def test_exception_raises_a_typed_error_with_its_code(
    code: int, kind: type[WatlowDeviceError], status: str
) -> None:
    script = Script([exception_reply(code)])
    with pytest.raises(kind, match=f"{code:02d}") as caught:
        script.read(ONE_RETRY)
    assert (caught.value.code, caught.value.status) == (code, status)
    assert caught.value.context.request == REQUEST
    assert script.sent == [3]
    assert script.client.port.stats.timeouts == 0


def test_read_is_retried_once() -> None:
    assert Script([], [reply(7, 8)]).read(ONE_RETRY) == (7, 8)
    assert Script([damaged(reply(6, 6))], [reply(7, 8)]).read(ONE_RETRY) == (7, 8)
    with pytest.raises(WatlowTimeoutError, match="set to Modbus RTU"):
        Script().read(ONE_RETRY)
    with pytest.raises(WatlowCRCError):
        Script([damaged(reply(6, 6))]).read()


def test_late_reply_for_another_register_is_not_accepted() -> None:
    # Replies to reads of two registers do not say which registers they contain.
    # The client reads one register first: its reply shows that (6, 6) has come, or never will.
    for replies in ([reply(6, 6), MARKER], [MARKER], [reply(6, 6)], [exception_reply(2)]):
        script = Script([], replies, [reply(7, 8)])
        with pytest.raises(WatlowTimeoutError):
            script.client.read(1, 2160, 2, NO_RETRY)
        assert script.read() == (7, 8)
        assert script.transport.written[1].hex() == "01030000000184" + "0a"


def test_no_marker_is_sent_where_the_sizes_differ() -> None:
    script = Script([], [reply(7)], [reply(7, 8)])
    with pytest.raises(WatlowTimeoutError):
        script.client.read(1, 2160, 2, NO_RETRY)
    assert script.read(count=1) == (7,)
    assert script.read(count=2) == (7, 8)
    assert script.sent == [3, 3, 3]


def test_marker_has_another_size_than_the_pending_reply() -> None:
    script = Script([], [reply(28, 0)], [reply(7)])
    with pytest.raises(WatlowTimeoutError):
        script.client.read(1, 4002, 1, NO_RETRY)
    assert script.read(count=1) == (7,)
    assert script.transport.written[1][:6].hex() == "010300000002"


def test_write_is_verified_by_reading_back() -> None:
    script = Script([write_reply(2160, 2)], [reply(0, 0x4296)])
    assert script.write(0, 0x4296) == bytes.fromhex("00004296")
    assert script.sent == [16, 3]
    assert script.transport.written[0][:-2].hex() == "01100870000204" + "00004296"


def test_echo_of_a_write_is_not_taken_for_its_reply() -> None:
    script = Script()
    with pytest.raises(WatlowTimeoutError):
        script.write(1, 2, readable=False)
    request = script.transport.written[0]
    script = Script([request])
    with pytest.raises(WatlowTimeoutError):
        script.write(1, 2, readable=False)
    assert script.client.port.stats.echoes_skipped == 1
    script = Script([request, write_reply(2160, 2)])
    assert script.write(1, 2, readable=False) == bytes.fromhex("00010002")


def test_write_that_did_not_arrive_is_sent_again() -> None:
    script = Script([], [reply(0, 0)], [write_reply(2160, 2)], [reply(1, 2)])
    assert script.write(1, 2, policy=ONE_RETRY) == bytes.fromhex("00010002")
    assert script.sent == [16, 3, 16, 3]


def test_write_that_arrived_is_not_sent_again() -> None:
    script = Script([], [reply(1, 2)])
    script.write(1, 2, policy=ONE_RETRY)
    assert script.sent == [16, 3]


def test_write_error_reports_the_held_value() -> None:
    script = Script([write_reply(2160, 2)], [reply(3, 4)], [write_reply(2160, 2)], [reply(3, 4)])
    with pytest.raises(WatlowWriteError, match="0003 0004"):
        script.write(1, 2, policy=ONE_RETRY)


def test_value_already_stored_is_not_written() -> None:
    script = Script([reply(1, 2)])
    writes: list[int] = []
    script.client.write(
        1,
        2160,
        (1, 2),
        NO_RETRY,
        WriteOptions(skip_unchanged=True, on_send=lambda: writes.append(1)),
    )
    assert script.sent == [3]
    assert writes == []


def test_exception_to_a_write_is_not_retried() -> None:
    script = Script([exception_reply(3, function=16)])
    with pytest.raises(WatlowIllegalValueError, match="write"):
        script.write(1, 2, policy=ONE_RETRY)
    assert script.sent == [16]


def test_timeout_includes_the_wire_time() -> None:
    timeouts_s: list[float] = []

    class NotingTransport(ScriptedTransport):
        def read(self, deadline: object) -> bytes:
            timeouts_s.append(deadline.left_s())  # type: ignore[attr-defined]
            return super().read(deadline)  # type: ignore[arg-type]

    transport = NotingTransport(lambda data: [reply(*range(100))])
    transport.open()
    client = ModbusClient(Port(transport), SerialSettings(baudrate=1200))
    client.read(1, 0, 100, RetryPolicy(0.5, 0))
    # 8 + 205 bytes of 10 bits at 1200 bit/s are 1.775 s.
    assert 2.2 < max(timeouts_s) <= 0.5 + 1.776


def test_clients_do_not_share_minimalmodbus_state() -> None:
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


def test_each_thread_gets_its_own_reply() -> None:
    def respond(data: bytes) -> list[bytes]:
        register = int.from_bytes(data[2:4], "big")
        return [reply(register, register)]

    transport = ScriptedTransport(respond)
    transport.open()
    client = ModbusClient(Port(transport), SerialSettings(baudrate=115200))
    wrong: list[object] = []

    def read_register(register: int) -> None:
        for _ in range(50):
            content = client.read(1, register, 2, NO_RETRY).content
            if content != struct.pack(">HH", register, register):
                wrong.append(content)

    threads = [threading.Thread(target=read_register, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    assert client.port.stats.exchanges == 200


def test_silence_between_a_reply_and_the_next_request() -> None:
    class TimedTransport(ScriptedTransport):
        def write(self, data: bytes) -> None:
            times.append(time.monotonic())
            super().write(data)

        def read(self, deadline: Deadline) -> bytes:
            data = super().read(deadline)
            if data:
                times.append(time.monotonic())
            return data

    times: list[float] = []
    transport = TimedTransport(lambda data: [reply(7, 8)])
    transport.open()
    client = ModbusClient(Port(transport), SerialSettings(baudrate=9600))
    for _ in range(3):
        client.read(1, 360, 2, NO_RETRY)
    # 3.5 characters of 10 bits are 3.65 ms, of 11 bits 4.01 ms.
    silences = [times[n + 1] - times[n] for n in (1, 3)]
    assert min(silences) >= 0.0036
