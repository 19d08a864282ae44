"""Promise 1: a reply is accepted only if it fits the question, whatever else is on the line."""

from __future__ import annotations

import struct
import threading

import pytest

from watlowlib._internal.clock import Deadline
from watlowlib.errors import (
    WatlowAccessDeniedError,
    WatlowClosedError,
    WatlowConnectionError,
    WatlowCRCError,
    WatlowDeviceError,
    WatlowLineNotQuietError,
    WatlowNoSuchAttributeError,
    WatlowNoSuchInstanceError,
    WatlowNoSuchObjectError,
    WatlowTimeoutError,
    WatlowWriteError,
)
from watlowlib.protocol.exchange import Call, RetryPolicy, WriteOptions
from watlowlib.protocol.port import Port
from watlowlib.protocol.stdbus.client import StdBusClient
from watlowlib.protocol.stdbus.frames import REPLY, REQUEST, Frame, encode_frame, mac_of
from watlowlib.protocol.stdbus.payloads import ReadRequest, WriteRequest
from watlowlib.protocol.stdbus.requests import frame_read_request
from watlowlib.transport.scripted import ScriptedTransport

ONCE = RetryPolicy(timeout_s=0.5, retries=0)
TWICE = RetryPolicy(timeout_s=0.5, retries=1)
PV = ReadRequest(4, 1, 1)
SETPOINT = ReadRequest(7, 1, 1)


def reply(value: float, selector: bytes = b"\x04\x01\x01", *, source: int = 0x10) -> bytes:
    payload = b"\x02\x03\x01" + selector + b"\x08" + struct.pack(">f", value)
    return encode_frame(Frame(REPLY, 0x00, source, payload))


def stored(value: float) -> bytes:
    payload = b"\x02\x04\x07\x01\x01\x08" + struct.pack(">f", value)
    return encode_frame(Frame(REPLY, 0x00, 0x10, payload))


def refused(code: int, *, source: int = 0x10) -> bytes:
    return encode_frame(Frame(REPLY, 0x00, source, bytes((2, code))))


def damaged(frame: bytes) -> bytes:
    return frame[:-3] + bytes((frame[-3] ^ 1,)) + frame[-2:]


def changed(**fields: object) -> bytes:
    payload = b"\x02\x03\x01\x04\x01\x01\x08" + struct.pack(">f", 666.0)
    return encode_frame(Frame(REPLY, 0x00, 0x10, payload)._replace(**fields))  # type: ignore[arg-type]


ECHO = bytes.fromhex("55FF0510000006E8010301040101E399")


class Script:
    """The answers to the first, second, ... write; nothing after the last one."""

    def __init__(self, *answers: list[bytes]) -> None:
        self._answers = list(answers)
        self.transport = ScriptedTransport(self._answer)
        self.transport.open()
        self.client = StdBusClient(Port(self.transport))

    def _answer(self, data: bytes) -> list[bytes]:
        return self._answers.pop(0) if self._answers else []

    def read(self, policy: RetryPolicy = ONCE, request: ReadRequest = PV) -> float:
        return self._float(self.client.read(1, request, policy).content[1:])

    def write(self, value: float, policy: RetryPolicy = ONCE, *, readable: bool = True) -> float:
        request = WriteRequest(7, 1, 1, 8, struct.pack(">f", value))
        return self._float(
            self.client.write(1, request, policy, WriteOptions(readable)).content[1:]
        )

    @staticmethod
    def _float(data: bytes) -> float:
        number: float = struct.unpack(">f", data)[0]
        return number

    @property
    def sent(self) -> list[str]:
        """What was asked, in order: "read" or "write"."""
        return ["read" if data[9] == 3 else "write" for data in self.transport.written]


def test_the_question_is_the_captured_one() -> None:
    script = Script([reply(75.0)])
    answer = script.client.read(1, PV, ONCE)
    assert script.transport.written == [ECHO]
    assert answer.raw == reply(75.0)
    assert 0 <= answer.latency_s < 5


@pytest.mark.parametrize(
    "before",
    [
        [],
        [b"\x00\xff\x55"],
        [b"\x55\xff\x06\x00"],
        [ECHO],
        [ECHO[:5], ECHO[5:]],
        [damaged(reply(666.0))],
        [reply(666.0)[:9]],
        [reply(666.0, b"\x07\x01\x01")],
        [reply(666.0, b"\x04\x02\x01")],
        [reply(666.0, b"\x04\x01\x02")],
        [reply(666.0, source=0x11)],
        [refused(0x84, source=0x11)],
        [changed(destination=0x03)],
        [changed(type=REQUEST)],
        [changed(type=0x01)],
        [changed(payload=b"\x02\x04\x04\x01\x01\x08" + struct.pack(">f", 666.0))],
        [changed(payload=b"\x02\x03\x02\x04\x01\x01\x08" + struct.pack(">f", 666.0))],
        [changed(payload=b"\x02\x03\x01\x04\x01\x01")],
        [changed(payload=b"\x02")],
        [changed(payload=b"")],
        [stored(666.0)],
    ],
    ids=lambda before: " ".join(each.hex() for each in before) or "nothing",
)
def test_what_does_not_fit_is_passed_over(before: list[bytes]) -> None:
    together = b"".join([*before, reply(75.0)])
    assert Script([*before, reply(75.0)]).read() == 75.0
    assert Script([together]).read() == 75.0
    assert Script([together[at : at + 1] for at in range(len(together))]).read() == 75.0
    alone = Script(before)
    with pytest.raises((WatlowTimeoutError, WatlowCRCError)):
        alone.read()


def test_what_was_there_before_the_question_is_no_answer() -> None:
    script = Script([reply(75.0)])
    script.transport.feed(reply(666.0))
    assert script.read() == 75.0
    assert script.client.port.stats.stale_bytes == len(reply(666.0))


def test_the_counters_say_what_happened() -> None:
    script = Script([ECHO, reply(1.0, b"\x04\x02\x01"), reply(75.0)], [damaged(reply(1.0))])
    script.read()
    with pytest.raises(WatlowCRCError):
        script.read()
    with pytest.raises(WatlowTimeoutError):
        script.read()
    stats = script.client.port.stats
    assert (stats.exchanges, stats.echoes_skipped, stats.frames_skipped) == (1, 1, 1)
    assert (stats.crc_errors, stats.timeouts) == (1, 1)


def test_late_replies_are_counted_however_they_come() -> None:
    # Before the next question, as an answer to another one, and as one to the same.
    script = Script([], [reply(75.0)], [], [reply(2.0), reply(1.0, b"\x08\x01\x01")])
    stats = script.client.stats_of(mac_of(1))
    with pytest.raises(WatlowTimeoutError):
        script.read()
    script.transport.feed(reply(666.0))
    script.read()
    assert stats.late_replies == 1
    with pytest.raises(WatlowTimeoutError):
        script.read()
    script.read(request=ReadRequest(8, 1, 1))
    assert stats.late_replies == 2
    held_back = Script([], [reply(666.0), reply(75.0)])
    with pytest.raises(WatlowTimeoutError):
        held_back.read()
    held_back.read()
    for each in (held_back.client.stats_of(mac_of(1)), held_back.client.port.stats):
        assert (each.late_replies, each.frames_skipped) == (1, 0)


def test_a_read_is_asked_again_once() -> None:
    script = Script([], [reply(75.0)])
    assert script.read(TWICE) == 75.0
    assert script.sent == ["read", "read"]


def test_and_then_fails_with_all_that_is_known() -> None:
    script = Script([], [b"\x01\x02"])
    with pytest.raises(WatlowTimeoutError, match="2 bytes came, but no answer") as caught:
        script.read(TWICE)
    assert script.sent == ["read", "read"]
    context = caught.value.context
    assert (context.port, context.address) == ("scripted", 1)
    assert (context.request, context.reply) == (ECHO, b"\x01\x02")
    assert context.elapsed_s is not None


def test_an_answer_that_comes_after_the_timeout_is_thrown_away() -> None:
    script = Script([], [reply(75.0)])
    with pytest.raises(WatlowTimeoutError):
        script.read()
    script.transport.feed(reply(666.0))
    assert script.read() == 75.0


def test_an_answer_held_back_until_the_next_question_is_not_believed() -> None:
    # The same question twice: only that something newer follows tells the old answer.
    script = Script([], [reply(666.0), reply(75.0)], [reply(76.0)])
    with pytest.raises(WatlowTimeoutError):
        script.read()
    assert script.read() == 75.0
    assert script.read() == 76.0


def test_a_refusal_held_back_is_not_taken_for_the_next_answer() -> None:
    script = Script([], [refused(0x84), reply(75.0)])
    with pytest.raises(WatlowTimeoutError):
        script.read(request=ReadRequest(4, 1, 9))
    assert script.read() == 75.0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (0x80, WatlowAccessDeniedError),
        (0x81, WatlowNoSuchObjectError),
        (0x83, WatlowNoSuchAttributeError),
        (0x84, WatlowNoSuchInstanceError),
        (0x85, WatlowDeviceError),
        (0x86, WatlowDeviceError),
        (0x05, WatlowDeviceError),
    ],
)
def test_a_refusal_is_a_typed_error_and_is_final(code: int, kind: type[WatlowDeviceError]) -> None:
    script = Script([refused(code)], [reply(75.0)])
    with pytest.raises(kind, match=f"{code:02X}") as caught:
        script.read(TWICE)
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert caught.value.context.reply == refused(code)
    assert script.sent == ["read"]


def test_a_write_is_sent_once() -> None:
    script = Script([stored(75.0)])
    assert script.write(75.0, TWICE) == 75.0
    assert script.sent == ["write"]


def test_the_captured_write() -> None:
    script = Script([bytes.fromhex("55FF060010000A7602040701010843C400008203")])
    assert script.write(392.0) == 392.0
    assert script.transport.written == [bytes.fromhex("55FF051000000AEC01040701010843C40000EB77")]


def test_a_write_without_echo_that_arrived_is_not_sent_again() -> None:
    script = Script([], [reply(75.0, b"\x07\x01\x01")])
    assert script.write(75.0, TWICE) == 75.0
    assert script.sent == ["write", "read"]


def test_a_write_that_did_not_arrive_is_sent_again() -> None:
    script = Script([], [reply(60.0, b"\x07\x01\x01")], [stored(75.0)])
    assert script.write(75.0, TWICE) == 75.0
    assert script.sent == ["write", "read", "write"]


def test_a_write_that_is_never_taken_says_what_is_held() -> None:
    held = [reply(60.0, b"\x07\x01\x01")]
    script = Script([], held, [], held)
    with pytest.raises(WatlowWriteError, match="holds 60"):
        script.write(75.0, TWICE)
    assert script.sent == ["write", "read", "write", "read"]


def test_the_echo_of_another_write_confirms_nothing() -> None:
    script = Script([stored(60.0)], [reply(60.0, b"\x07\x01\x01")])
    with pytest.raises(WatlowWriteError, match="holds 60"):
        script.write(75.0, ONCE)


def test_a_write_that_cannot_be_read_back_is_not_repeated() -> None:
    script = Script()
    with pytest.raises(WatlowTimeoutError):
        script.write(75.0, TWICE, readable=False)
    assert script.sent == ["write"]


def test_a_write_of_which_nothing_is_known_is_not_repeated() -> None:
    script = Script()
    with pytest.raises(WatlowTimeoutError):
        script.write(75.0, TWICE)
    assert script.sent == ["write", "read", "read"]


def test_a_refused_write_is_final() -> None:
    script = Script([refused(0x80)])
    with pytest.raises(WatlowAccessDeniedError):
        script.write(75.0, TWICE)
    assert script.sent == ["write"]


def test_a_closed_port_is_said() -> None:
    script = Script([reply(75.0)])
    script.client.port.close()
    with pytest.raises(WatlowClosedError, match="open it again"):
        script.read()


def test_a_lost_port_is_opened_again_for_the_next_question() -> None:
    script = Script([reply(75.0)])
    script.transport.close()
    assert script.read() == 75.0
    assert script.client.port.stats.reconnects == 1


class Waiting(ScriptedTransport):
    """Notes for how long each read would have waited, and when something was written."""

    def __init__(self, *answers: list[bytes]) -> None:
        left = list(answers)
        super().__init__(lambda data: left.pop(0) if left else [])
        self.events: list[str | float] = []

    def write(self, data: bytes, deadline: Deadline) -> None:
        self.events.append("write")
        super().write(data, deadline)

    def read(self, deadline: Deadline) -> bytes:
        self.events.append(round(deadline.left_s(), 1))
        return super().read(deadline)


def waiting(*answers: list[bytes]) -> tuple[Waiting, StdBusClient]:
    transport = Waiting(*answers)
    transport.open()
    return transport, StdBusClient(Port(transport, quiet_s=2.0))


ASKED = (0.0, "write", 5.0)
"""Nothing stale is there, the question, waiting for the answer."""


def test_after_a_timeout_the_line_is_listened_to_before_anything_is_sent() -> None:
    transport, client = waiting([], [reply(75.0)])
    client.read(1, PV, RetryPolicy(5.0, 1))
    assert transport.events == [*ASKED, 0.0, 2.0, "write", 5.0]


def test_what_may_be_owed_from_before_is_not_believed_but_asked_once_more() -> None:
    transport, client = waiting([], [reply(75.0)], [reply(75.0)], [reply(76.0)])
    client.read(1, PV, RetryPolicy(5.0, 1))
    # One answer has come for two questions: the next may be the other one.
    assert Script._float(client.read(1, PV, RetryPolicy(5.0, 0)).content[1:]) == 76.0
    assert transport.events[-7:] == [*ASKED, 2.0, *ASKED]


def test_but_only_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watlowlib.protocol.client.LATE_REPLY_S", 0.0)
    transport, client = waiting([], [reply(75.0)], [reply(76.0)])
    client.read(1, PV, RetryPolicy(5.0, 1))
    assert Script._float(client.read(1, PV, RetryPolicy(5.0, 0)).content[1:]) == 76.0
    assert transport.events[-3:] == [*ASKED]


def test_what_was_owed_and_thrown_away_is_owed_no_more() -> None:
    transport, client = waiting([], [reply(75.0)])
    with pytest.raises(WatlowTimeoutError):
        client.read(1, PV, RetryPolicy(5.0, 0))
    transport.feed(reply(666.0))
    assert Script._float(client.read(1, PV, RetryPolicy(5.0, 0)).content[1:]) == 75.0
    assert transport.events[-2:] == ["write", 5.0]


def test_what_another_controller_owes_holds_up_nobody() -> None:
    transport, client = waiting([], [reply(75.0)])
    with pytest.raises(WatlowTimeoutError):
        client.read(2, PV, RetryPolicy(5.0, 0))
    client.read(1, PV, RetryPolicy(5.0, 0))
    assert transport.events[-2:] == ["write", 5.0]


def test_two_answers_that_are_owed_are_both_told_from_the_right_one() -> None:
    script = Script([], [], [reply(1.0), reply(2.0), reply(75.0)], [reply(76.0)])
    with pytest.raises(WatlowTimeoutError):
        script.read(TWICE)
    assert script.read() == 75.0
    assert script.read() == 76.0


def test_a_line_that_is_always_late_is_never_believed_too_early() -> None:
    # Two questions time out; then each answer belongs to the question two before.
    script = Script([], [], [reply(1.0)], [reply(2.0), reply(3.0)])
    with pytest.raises(WatlowTimeoutError):
        script.read(TWICE)
    # 3.0 answers the first question of this call: the first that was asked after it began.
    assert script.read() == 3.0
    assert len(script.transport.written) == 4


def test_a_late_refusal_is_not_taken_for_a_writes_answer() -> None:
    held_back = [refused(0x84)]
    script = Script([], held_back, [reply(20.0, b"\x07\x01\x01")])
    with pytest.raises(WatlowTimeoutError):
        script.read(request=ReadRequest(7, 1, 2))
    assert script.write(20.0) == 20.0
    assert script.sent == ["read", "write", "read"]


def test_a_late_echo_is_not_taken_for_a_later_writes_answer() -> None:
    script = Script([], [], [], [stored(20.0)], [reply(20.0, b"\x07\x01\x01")])
    with pytest.raises(WatlowTimeoutError):
        script.write(20.0, ONCE)
    assert script.sent == ["write", "read"]
    with pytest.raises(WatlowTimeoutError):
        script.write(30.0, ONCE)


def test_a_call_that_waited_its_turn_does_not_take_the_answer_owed_to_the_one_before() -> None:
    script = Script([], [reply(75.0)], [reply(100.0)])
    waiting_call = threading.Event()
    values: list[float] = []
    port = script.client.port
    port.take(urgent=False)

    def ask() -> None:
        waiting_call.set()
        values.append(script.read(ONCE))

    # The second call begins while the first one has the line, and asks when that has failed.
    thread = threading.Thread(target=ask)
    thread.start()
    assert waiting_call.wait(10)
    while not port._lock._patient:
        pass
    with pytest.raises(WatlowTimeoutError):
        first = frame_read_request(1, PV)
        script.client._exchange(Call(ONCE, urgent=False), first)
    port.give()
    thread.join(10)
    assert values == [100.0]


def test_what_a_dead_controller_owes_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watlowlib.protocol.client.LATE_REPLY_S", 0.0)
    script = Script()
    for _ in range(50):
        with pytest.raises(WatlowTimeoutError):
            script.read()
    assert len(script.client._pending_replies._pending[0x10]) <= 1


class Interrupted(ScriptedTransport):
    """Ctrl-C comes while the first answer is waited for."""

    def read(self, deadline: Deadline) -> bytes:
        if len(self.written) == 1 and deadline.left_s() > 0:
            self.written.append(b"interrupted")
            raise KeyboardInterrupt
        return super().read(deadline)


def test_the_answer_to_an_interrupted_question_is_not_taken_for_the_next() -> None:
    answers = [[], [reply(666.0), reply(75.0)]]
    transport = Interrupted(lambda data: answers.pop(0))
    transport.open()
    client = StdBusClient(Port(transport))
    with pytest.raises(KeyboardInterrupt):
        client.read(1, PV, TWICE)
    assert Script._float(client.read(1, PV, TWICE).content[1:]) == 75.0


def test_a_question_that_a_port_takes_too_slowly_may_be_answered_all_the_same() -> None:
    script = Script([reply(666.0), reply(72.0)])
    answer, slow = script.transport._answer, [True]

    def taken(data: bytes) -> list[bytes]:
        # As pyserial does when all bytes were taken, but there is no room for more.
        if slow.pop() if slow else False:
            raise WatlowTimeoutError("the port has not taken 16 bytes")
        return list(answer(data))

    script.transport._answer = taken
    with pytest.raises(WatlowTimeoutError, match="has not taken"):
        script.read()
    stats = script.client.stats_of(0x10)
    assert (stats.timeouts, stats.unanswered) == (1, 1)
    assert script.read() == 72.0
    assert (stats.late_replies, stats.exchanges) == (1, 1)


def test_a_clamped_write_is_said_at_once_and_not_repeated() -> None:
    script = Script([stored(60.0)], [reply(60.0, b"\x07\x01\x01")], [stored(75.0)])
    with pytest.raises(WatlowWriteError, match="holds 60"):
        script.write(75.0, TWICE)
    assert script.sent == ["write", "read"]


class Chattering(ScriptedTransport):
    """A line on which bytes never stop coming."""

    def read(self, deadline: object) -> bytes:
        return b"\x00"


@pytest.mark.parametrize("settled", [True, False])
def test_a_line_that_is_never_quiet_ends_in_an_error(
    settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watlowlib.protocol.line.SETTLE_LIMIT_S", 0.01)
    transport = Chattering(lambda data: [])
    transport.open()
    client = StdBusClient(Port(transport))
    if settled:
        client.port.line._settle = lambda: None  # type: ignore[method-assign]
    kind: type[Exception] = WatlowTimeoutError if settled else WatlowLineNotQuietError
    with pytest.raises(kind):
        client.read(1, PV, RetryPolicy(0.01, 0))
    assert len(transport.written) == settled


class Breaking(ScriptedTransport):
    """A port that is gone as soon as something is read."""

    def read(self, deadline: object) -> bytes:
        self.close()
        raise WatlowConnectionError("gone")


def test_a_lost_port_is_not_asked_again_in_the_same_call() -> None:
    transport = Breaking(lambda data: [])
    transport.open()
    with pytest.raises(WatlowConnectionError, match="gone"):
        StdBusClient(Port(transport)).read(1, PV, TWICE)
