"""Promise 1 over Modbus TCP: transaction, unit, function and length of a reply must match."""

from __future__ import annotations

import struct

import pytest

from watlowlib.errors import (
    WatlowConnectionError,
    WatlowDeviceFailureError,
    WatlowError,
    WatlowGatewayPathError,
    WatlowGatewayTargetError,
    WatlowModbusTimeoutError,
    WatlowNoSuchRegisterError,
)
from watlowlib.protocol.exchange import RetryPolicy, WriteOptions
from watlowlib.protocol.modbus.mbap import encode_frame, split_frames
from watlowlib.protocol.modbus.tcp_client import ModbusTcpClient
from watlowlib.protocol.port import Port
from watlowlib.transport.scripted import ScriptedTransport

NO_RETRY, ONE_RETRY = RetryPolicy(0.5, 0), RetryPolicy(0.5, 1)
UNIT = 9
OLD, NEW = (0x0000, 0x4296), (0x8000, 0x43C4)
"""The registers of 75.0 and 393.0."""


def reply(transaction: int, *words: int, unit: int = UNIT, function: int = 3) -> bytes:
    data = struct.pack(f">B{len(words)}H", 2 * len(words), *words)
    return encode_frame(transaction, unit, bytes((function,)) + data)


def exception(transaction: int, code: int, function: int = 3) -> bytes:
    return encode_frame(transaction, UNIT, bytes((function | 0x80, code)))


class Script:
    """The replies to the first, second, ... write; no reply after the last one."""

    def __init__(self, *replies: bytes) -> None:
        self._replies = list(replies)
        self.transport = ScriptedTransport(
            lambda data: [self._replies.pop(0)] if self._replies else []
        )
        self.transport.open()
        self.client = ModbusTcpClient(Port(self.transport, quiet_s=0.0))

    def read(self, policy: RetryPolicy = NO_RETRY) -> tuple[int, ...]:
        return struct.unpack(">2H", self.client.read(UNIT, 360, 2, policy).content)

    @property
    def stats(self) -> str:
        return str(self.client.stats_of(UNIT))


def test_requests_are_as_in_the_specification() -> None:
    script = Script(reply(1, *OLD), encode_frame(2, UNIT, bytes.fromhex("1008700002")))
    assert script.read() == OLD
    script.client.write(UNIT, 2160, NEW, NO_RETRY, WriteOptions(readable=False))
    assert script.transport.written == [
        bytes.fromhex("0001 0000 0006 09 03 0168 0002".replace(" ", "")),
        bytes.fromhex("0002 0000 000b 09 10 0870 0002 04 8000 43c4".replace(" ", "")),
    ]


def test_each_attempt_has_a_transaction_of_its_own() -> None:
    script = Script(b"", reply(2, *OLD))
    script._replies[0] = exception(7, 2)  # of no request
    assert script.read(ONE_RETRY) == OLD
    assert [frame.transaction for frame in split_frames(b"".join(script.transport.written))] == [
        1,
        2,
    ]
    assert script.client.port.stats.frames_skipped == 1


def test_the_transaction_begins_again_after_the_last() -> None:
    script = Script(*(reply((n + 0xFFFE) % 0x10000, *OLD) for n in range(4)))
    script.client._transactions = iter(range(0xFFFE, 0x10002))  # type: ignore[assignment]
    for _ in range(4):
        assert script.read() == OLD


WRONG = {
    "transaction": reply(2, *NEW),
    "unit": reply(1, *NEW, unit=UNIT + 1),
    "function": reply(1, *NEW, function=4),
    "fewer registers": reply(1, NEW[0]),
    "more registers": reply(1, *NEW, 5),
    "byte count": encode_frame(1, UNIT, bytes.fromhex("030600004296")),
    "exception to another function": exception(1, 2, function=16),
    "our own request": bytes.fromhex("000100000006090301680002"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_reply_that_does_not_match_is_skipped(wrong: bytes) -> None:
    assert Script(wrong + reply(1, *OLD)).read() == OLD
    with pytest.raises(WatlowModbusTimeoutError):
        Script(wrong).read()


def test_a_late_reply_is_never_accepted() -> None:
    script = Script(b"", reply(1, *OLD), reply(2, *OLD) + reply(3, *NEW))
    for _ in range(2):
        with pytest.raises(WatlowModbusTimeoutError):
            script.read()
    assert script.read() == NEW
    assert script.stats == "exchanges 1, timeouts 2, late_replies 2, outages 1"


def test_a_late_reply_is_not_accepted_by_a_retry() -> None:
    script = Script(b"", reply(1, *OLD) + reply(2, *NEW))
    assert script.read(ONE_RETRY) == NEW


def test_no_time_and_no_request_is_spent_on_late_replies() -> None:
    script = Script(b"", reply(1, *OLD))
    with pytest.raises(WatlowModbusTimeoutError):
        script.read()
    with pytest.raises(WatlowModbusTimeoutError):
        script.read()
    assert len(script.transport.written) == 2  # no marker


def test_a_reply_for_another_unit_is_named() -> None:
    with pytest.raises(WatlowModbusTimeoutError, match="unit id 0 came.* give address=0"):
        Script(reply(1, *OLD, unit=0)).read()


@pytest.mark.parametrize(
    ("code", "kind"), [(2, WatlowNoSuchRegisterError), (4, WatlowDeviceFailureError)]
)
def test_an_exception_of_the_controller_is_its_answer(code: int, kind: type[WatlowError]) -> None:
    script = Script(exception(1, code))
    with pytest.raises(kind, match=f"the controller replied .* exception 0{code}"):
        script.read()
    assert script.stats == "exchanges 1"


@pytest.mark.parametrize(
    ("code", "kind"), [(10, WatlowGatewayPathError), (11, WatlowGatewayTargetError)]
)
def test_an_exception_of_the_gateway_is_no_answer_of_the_controller(
    code: int, kind: type[WatlowError]
) -> None:
    script = Script(*(exception(n, code) for n in (1, 2)))
    with pytest.raises(
        kind, match=f"the gateway replied to a read with exception {code}"
    ) as raised:
        script.read(ONE_RETRY)
    assert isinstance(raised.value, TimeoutError)
    assert raised.value.status == "timeout"
    assert script.stats == "retries 1, timeouts 2, unanswered 2, outages 1"


def test_a_write_is_verified_by_reading_back() -> None:
    script = Script(exception(1, 11, function=16), reply(2, *NEW))
    with pytest.raises(WatlowGatewayTargetError):
        script.client.write(UNIT, 2160, NEW, NO_RETRY, WriteOptions(readable=False))
    assert script.client.write(UNIT, 2160, NEW, NO_RETRY, WriteOptions(skip_unchanged=True))
    assert [data[7] for data in script.transport.written] == [16, 3]


def test_a_server_that_never_stops_sending_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watlowlib.protocol.line.SETTLE_LIMIT_S", 0.01)
    script = Script()
    monkeypatch.setattr(script.transport, "read", lambda deadline: reply(9, *NEW))
    with pytest.raises(WatlowConnectionError, match="frames that no request asked for"):
        script.read()
    assert not script.transport.is_open
    assert script.transport.written == []
