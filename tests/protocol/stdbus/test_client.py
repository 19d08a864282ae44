"""Promise 1: a reply is accepted only if it matches the request, whatever else arrives."""

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

NO_RETRY = RetryPolicy(timeout_s=0.5, retries=0)
ONE_RETRY = RetryPolicy(timeout_s=0.5, retries=1)
PV = ReadRequest(4, 1, 1)
SETPOINT = ReadRequest(7, 1, 1)


def reply(
    value: float,
    selector: bytes = b"\x04\x01\x01",
    *,
    source: int = 0x10,
    destination: int = 0,
) -> bytes:
    payload = b"\x02\x03\x01" + selector + b"\x08" + struct.pack(">f", value)
    return encode_frame(Frame(REPLY, destination, source, payload))


def write_reply(value: float) -> bytes:
    payload = b"\x02\x04\x07\x01\x01\x08" + struct.pack(">f", value)
    return encode_frame(Frame(REPLY, 0x00, 0x10, payload))


def error_reply(code: int, *, source: int = 0x10) -> bytes:
    return encode_frame(Frame(REPLY, 0x00, source, bytes((2, code))))


MARKER = reply(28.0, b"\x01\x01\x01")
"""The reply to a marker, which reads the hardware ID."""


def damaged(frame: bytes) -> bytes:
    return frame[:-3] + bytes((frame[-3] ^ 1,)) + frame[-2:]


def altered_reply(**fields: object) -> bytes:
    payload = b"\x02\x03\x01\x04\x01\x01\x08" + struct.pack(">f", 666.0)
    return encode_frame(Frame(REPLY, 0x00, 0x10, payload)._replace(**fields))  # type: ignore[arg-type]


PV_REQUEST = bytes.fromhex("55FF0510000006E8010301040101E399")


class Script:
    """The replies to the first, second, ... write; no reply after the last one."""

    def __init__(self, *replies: list[bytes]) -> None:
        self._replies = list(replies)
        self.transport = ScriptedTransport(self._next_reply)
        self.transport.open()
        self.client = StdBusClient(Port(self.transport))

    def _next_reply(self, data: bytes) -> list[bytes]:
        return self._replies.pop(0) if self._replies else []

    def read(self, policy: RetryPolicy = NO_RETRY, request: ReadRequest = PV) -> float:
        return self._float(self.client.read(1, request, policy).content[1:])

    def write(
        self, value: float, policy: RetryPolicy = NO_RETRY, *, readable: bool = True
    ) -> float:
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
        """The requests in order: "read" or "write"."""
        return ["read" if data[9] == 3 else "write" for data in self.transport.written]


def test_request_equals_the_captured_one() -> None:
    script = Script([reply(75.0)])
    result = script.client.read(1, PV, NO_RETRY)
    assert script.transport.written == [PV_REQUEST]
    assert result.raw == reply(75.0)
    assert 0 <= result.latency_s < 5


@pytest.mark.parametrize(
    "before",
    [
        [],
        [b"\x00\xff\x55"],
        [b"\x55\xff\x06\x00"],
        [PV_REQUEST],
        [PV_REQUEST[:5], PV_REQUEST[5:]],
        [damaged(reply(666.0))],
        [reply(666.0)[:9]],
        [reply(666.0, b"\x07\x01\x01")],
        [reply(666.0, b"\x04\x02\x01")],
        [reply(666.0, b"\x04\x01\x02")],
        [reply(666.0, source=0x11)],
        [error_reply(0x84, source=0x11)],
        [altered_reply(destination=0x03)],
        [altered_reply(type=REQUEST)],
        [altered_reply(type=0x01)],
        [altered_reply(payload=b"\x02\x04\x04\x01\x01\x08" + struct.pack(">f", 666.0))],
        [altered_reply(payload=b"\x02\x03\x02\x04\x01\x01\x08" + struct.pack(">f", 666.0))],
        [altered_reply(payload=b"\x02\x03\x01\x04\x01\x01")],
        [altered_reply(payload=b"\x02")],
        [altered_reply(payload=b"")],
        [write_reply(666.0)],
    ],
    ids=lambda before: " ".join(portion.hex() for portion in before) or "nothing",
)
def test_frames_that_do_not_match_are_skipped(before: list[bytes]) -> None:
    together = b"".join([*before, reply(75.0)])
    assert Script([*before, reply(75.0)]).read() == 75.0
    assert Script([together]).read() == 75.0
    assert Script([together[at : at + 1] for at in range(len(together))]).read() == 75.0
    only_before = Script(before)
    with pytest.raises((WatlowTimeoutError, WatlowCRCError)):
        only_before.read()


def test_bytes_received_before_the_request_are_discarded() -> None:
    script = Script([reply(75.0)])
    script.transport.feed(reply(666.0))
    assert script.read() == 75.0
    assert script.client.port.stats.stale_bytes == len(reply(666.0))


def test_counters() -> None:
    script = Script([PV_REQUEST, reply(1.0, b"\x04\x02\x01"), reply(75.0)], [damaged(reply(1.0))])
    script.read()
    with pytest.raises(WatlowCRCError):
        script.read()
    with pytest.raises(WatlowTimeoutError):
        script.read()
    stats = script.client.port.stats
    assert (stats.exchanges, stats.echoes_skipped, stats.frames_skipped) == (1, 1, 1)
    assert (stats.crc_errors, stats.timeouts) == (1, 1)


def test_late_replies_are_counted() -> None:
    # Before the next request, after another request, and after a marker.
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
    delayed = Script([], [reply(666.0), MARKER], [reply(75.0)])
    with pytest.raises(WatlowTimeoutError):
        delayed.read()
    delayed.read()
    for counters in (delayed.client.stats_of(mac_of(1)), delayed.client.port.stats):
        assert (counters.late_replies, counters.frames_skipped) == (1, 0)


def test_read_is_retried_once() -> None:
    script = Script([], [reply(75.0)])
    assert script.read(ONE_RETRY) == 75.0
    assert script.sent == ["read", "read"]


def test_failed_read_raises_with_full_context() -> None:
    script = Script([], [b"\x01\x02"])
    with pytest.raises(
        WatlowTimeoutError, match="2 bytes were received, but no valid reply"
    ) as caught:
        script.read(ONE_RETRY)
    assert script.sent == ["read", "read"]
    context = caught.value.context
    assert (context.port, context.address) == ("scripted", 1)
    assert (context.request, context.reply) == (PV_REQUEST, b"\x01\x02")
    assert context.elapsed_s is not None


def test_reply_after_the_timeout_is_discarded() -> None:
    script = Script([], [reply(75.0)])
    with pytest.raises(WatlowTimeoutError):
        script.read()
    script.transport.feed(reply(666.0))
    assert script.read() == 75.0


def test_late_reply_after_the_next_request_is_not_accepted() -> None:
    # The late reply comes after the marker, so the reply to the marker need not be awaited.
    script = Script([], [reply(666.0)], [MARKER, reply(75.0)], [reply(76.0)])
    with pytest.raises(WatlowTimeoutError):
        script.read()
    assert script.read() == 75.0
    assert script.read() == 76.0
    assert len(script.transport.written) == 4


def test_late_error_reply_is_not_taken_for_the_next_reply() -> None:
    script = Script([], [error_reply(0x84), reply(75.0)])
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
def test_error_reply_raises_a_typed_error_without_retry(
    code: int, kind: type[WatlowDeviceError]
) -> None:
    script = Script([error_reply(code)], [reply(75.0)])
    with pytest.raises(kind, match=f"{code:02X}") as caught:
        script.read(ONE_RETRY)
    assert type(caught.value) is kind
    assert caught.value.code == code
    assert caught.value.context.reply == error_reply(code)
    assert script.sent == ["read"]


def test_confirmed_write_is_sent_once() -> None:
    script = Script([write_reply(75.0)])
    assert script.write(75.0, ONE_RETRY) == 75.0
    assert script.sent == ["write"]


def test_write_equals_the_captured_one() -> None:
    script = Script([bytes.fromhex("55FF060010000A7602040701010843C400008203")])
    assert script.write(392.0) == 392.0
    assert script.transport.written == [bytes.fromhex("55FF051000000AEC01040701010843C40000EB77")]


def test_write_without_echo_that_arrived_is_not_sent_again() -> None:
    script = Script([], [reply(75.0, b"\x07\x01\x01")])
    assert script.write(75.0, ONE_RETRY) == 75.0
    assert script.sent == ["write", "read"]


def test_write_that_did_not_arrive_is_sent_again() -> None:
    script = Script([], [reply(60.0, b"\x07\x01\x01")], [write_reply(75.0)])
    assert script.write(75.0, ONE_RETRY) == 75.0
    assert script.sent == ["write", "read", "write"]


def test_write_error_reports_the_held_value() -> None:
    held = [reply(60.0, b"\x07\x01\x01")]
    script = Script([], held, [], held)
    with pytest.raises(WatlowWriteError, match="holds 60"):
        script.write(75.0, ONE_RETRY)
    assert script.sent == ["write", "read", "write", "read"]


def test_echo_of_another_value_does_not_confirm_a_write() -> None:
    script = Script([write_reply(60.0)], [reply(60.0, b"\x07\x01\x01")])
    with pytest.raises(WatlowWriteError, match="holds 60"):
        script.write(75.0, NO_RETRY)


def test_write_that_cannot_be_read_back_is_not_repeated() -> None:
    script = Script()
    with pytest.raises(WatlowTimeoutError):
        script.write(75.0, ONE_RETRY, readable=False)
    assert script.sent == ["write"]


def test_write_is_not_repeated_if_reading_back_fails() -> None:
    script = Script()
    with pytest.raises(WatlowTimeoutError):
        script.write(75.0, ONE_RETRY)
    assert script.sent == ["write", "read", "read"]


def test_error_reply_to_a_write_is_not_retried() -> None:
    script = Script([error_reply(0x80)])
    with pytest.raises(WatlowAccessDeniedError):
        script.write(75.0, ONE_RETRY)
    assert script.sent == ["write"]


def test_closed_port_raises() -> None:
    script = Script([reply(75.0)])
    script.client.port.close()
    with pytest.raises(WatlowClosedError, match="open it again"):
        script.read()


def test_lost_port_is_opened_again_by_the_next_request() -> None:
    script = Script([reply(75.0)])
    script.transport.close()
    assert script.read() == 75.0
    assert script.client.port.stats.reconnects == 1


class NotingTransport(ScriptedTransport):
    """Notes the timeout of each read, and each write."""

    def __init__(self, *replies: list[bytes]) -> None:
        left = list(replies)
        super().__init__(lambda data: left.pop(0) if left else [])
        self.events: list[str | float] = []

    def write(self, data: bytes) -> None:
        self.events.append("write")
        super().write(data)

    def read(self, deadline: Deadline) -> bytes:
        self.events.append(round(deadline.left_s(), 1))
        return super().read(deadline)


def noting_client(*replies: list[bytes]) -> tuple[NotingTransport, StdBusClient]:
    transport = NotingTransport(*replies)
    transport.open()
    return transport, StdBusClient(Port(transport, quiet_s=2.0))


EXCHANGE = (0.0, "write", 5.0)
"""The events of one exchange: read stale bytes, send the request, wait for the reply."""


def test_line_must_be_quiet_after_a_timeout() -> None:
    transport, client = noting_client([], [reply(75.0)])
    client.read(1, PV, RetryPolicy(5.0, 1))
    assert transport.events == [*EXCHANGE, 0.0, 2.0, "write", 5.0]


class FailingTransport(NotingTransport):
    """A transport whose first write or read raises `error`."""

    def __init__(self, fails: str, error: BaseException) -> None:
        super().__init__([], [reply(75.0)], [reply(75.0)])
        self.fails, self.error = fails, error

    def _fail_at(self, operation: str) -> None:
        if operation == self.fails:
            self.fails = ""
            raise self.error

    def write(self, data: bytes) -> None:
        super().write(data)
        self._fail_at("write")

    def read(self, deadline: Deadline) -> bytes:
        data = super().read(deadline)
        if "write" in self.events:
            self._fail_at("read")
        return data


@pytest.mark.parametrize(
    ("fails", "error"),
    [
        ("write", WatlowTimeoutError("not accepted")),
        ("write", KeyboardInterrupt()),
        ("read", KeyboardInterrupt()),
    ],
)
def test_line_must_be_quiet_after_a_failed_or_interrupted_request(
    fails: str, error: BaseException
) -> None:
    transport = FailingTransport(fails, error)
    transport.open()
    client = StdBusClient(Port(transport, quiet_s=2.0))
    with pytest.raises(type(error)):
        client.read(1, PV, RetryPolicy(5.0, 0))
    del transport.events[:]
    client.read(1, PV, RetryPolicy(5.0, 0))
    assert 2.0 in transport.events[: transport.events.index("write")]


def test_line_must_be_quiet_after_a_reply_that_another_frame_follows() -> None:
    transport, client = noting_client([reply(75.0) + reply(666.0)[:9]], [reply(76.0)])
    for _ in range(2):
        client.read(1, PV, RetryPolicy(5.0, 0))
    assert transport.events == [*EXCHANGE, 0.0, 2.0, "write", 5.0]


def test_line_need_not_be_quiet_after_a_reply() -> None:
    transport, client = noting_client([reply(75.0)], [reply(76.0)])
    for _ in range(2):
        client.read(1, PV, RetryPolicy(5.0, 0))
    assert transport.events == [*EXCHANGE, *EXCHANGE]


def test_retry_leaves_a_reply_pending_that_a_marker_settles() -> None:
    transport, client = noting_client([], [reply(75.0)], [MARKER], [reply(76.0)], [reply(77.0)])
    client.read(1, PV, RetryPolicy(5.0, 1))
    # One reply has come for two requests: the next one may be the late reply.
    assert Script._float(client.read(1, PV, RetryPolicy(5.0, 0)).content[1:]) == 76.0
    assert transport.events[-6:] == [*EXCHANGE, *EXCHANGE]
    assert Script._float(client.read(1, PV, RetryPolicy(5.0, 0)).content[1:]) == 77.0
    assert len(transport.written) == 5


def test_no_marker_is_sent_where_the_replies_differ() -> None:
    script = Script([], [reply(60.0, b"\x07\x01\x01")], [reply(75.0)])
    with pytest.raises(WatlowTimeoutError):
        script.read()
    assert script.read(request=SETPOINT) == 60.0
    # That reply shows that the first one will never come.
    assert script.read() == 75.0
    assert len(script.transport.written) == 3


def test_no_marker_is_sent_after_the_pending_reply_has_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("watlowlib.protocol.late_replies.LATE_REPLY_S", -5.0)
    transport, client = noting_client([], [reply(75.0)], [reply(76.0)])
    client.read(1, PV, RetryPolicy(5.0, 1))
    assert Script._float(client.read(1, PV, RetryPolicy(5.0, 0)).content[1:]) == 76.0
    assert transport.events[-3:] == [*EXCHANGE]


def test_marker_differs_from_the_request_and_from_a_lost_marker() -> None:
    script = Script([], [], [MARKER], [], [], [MARKER, reply(3.0, b"\x01\x02\x01")], [MARKER])
    with pytest.raises(WatlowTimeoutError):
        script.read()  # lost
    with pytest.raises(WatlowTimeoutError):
        script.read()  # its marker is late
    with pytest.raises(WatlowTimeoutError):
        script.read()  # settled by the reply to either marker; the request itself is lost
    hardware_id = ReadRequest(1, 1, 1)
    with pytest.raises(WatlowTimeoutError):
        script.read(request=hardware_id)
    # The reply to the second marker may come now: the third one reads another parameter.
    assert script.read(request=hardware_id) == 28.0
    assert [frame[11:13] for frame in script.transport.written] == [
        *(b"\4\1", b"\1\1", b"\1\1", b"\4\1", b"\1\2", b"\1\2", b"\1\1")
    ]


class RepeatingPeer:
    """A controller that counts its replies; each reply follows a copy of the one before."""

    def __init__(self) -> None:
        self.replies = [b""]
        self.hosts: list[int] = []

    def respond(self, data: bytes) -> list[bytes]:
        self.hosts.append(data[4])
        number = float(len(self.replies))
        self.replies.append(reply(number, data[11:14], destination=data[4]))
        return [b"".join(self.replies[-2:])]


@pytest.mark.parametrize("vary_source", [False, True])
def test_varied_source_tells_a_repeated_reply_from_the_next_one(vary_source: bool) -> None:
    peer = RepeatingPeer()
    transport = ScriptedTransport(peer.respond)
    transport.open()
    client = StdBusClient(Port(transport), vary_source=vary_source)
    values = [Script._float(client.read(1, PV, NO_RETRY).content[1:]) for _ in range(100)]
    if vary_source:
        assert values == [float(number) for number in range(1, 101)]
        assert peer.hosts == [*range(0x20, 0x7F), *range(0x20, 0x25)]
    else:
        # The protocol cannot tell them apart.
        assert values == [1.0, *map(float, range(1, 100))]
        assert set(peer.hosts) == {0}


def test_write_with_a_varied_source_is_verified() -> None:
    peer = RepeatingPeer()
    transport = ScriptedTransport(peer.respond)
    transport.open()
    client = StdBusClient(Port(transport), vary_source=True)
    request = WriteRequest(7, 1, 1, 8, struct.pack(">f", 20.0))
    with pytest.raises(WatlowWriteError, match="holds 2"):
        client.write(1, request, NO_RETRY)
    assert peer.hosts == [0x20, 0x21]


def test_late_error_reply_settles_the_pending_reply() -> None:
    script = Script([], [error_reply(0x84)], [MARKER, reply(75.0)])
    with pytest.raises(WatlowTimeoutError):
        script.read()
    assert script.read() == 75.0


def test_discarded_late_reply_is_not_pending_any_more() -> None:
    transport, client = noting_client([], [reply(75.0)])
    with pytest.raises(WatlowTimeoutError):
        client.read(1, PV, RetryPolicy(5.0, 0))
    transport.feed(reply(666.0))
    assert Script._float(client.read(1, PV, RetryPolicy(5.0, 0)).content[1:]) == 75.0
    assert transport.events[-2:] == ["write", 5.0]


def test_pending_reply_of_another_controller_does_not_matter() -> None:
    transport, client = noting_client([], [reply(75.0)])
    with pytest.raises(WatlowTimeoutError):
        client.read(2, PV, RetryPolicy(5.0, 0))
    client.read(1, PV, RetryPolicy(5.0, 0))
    assert transport.events[-2:] == ["write", 5.0]


def test_two_late_replies_are_both_skipped() -> None:
    script = Script([], [], [reply(1.0), reply(2.0), MARKER], [reply(75.0)], [reply(76.0)])
    with pytest.raises(WatlowTimeoutError):
        script.read(ONE_RETRY)
    assert script.read() == 75.0
    assert script.read() == 76.0


def test_replies_that_are_always_late_are_never_mixed_up() -> None:
    # Two requests time out; then each reply belongs to a request before.
    script = Script([], [], [reply(1.0)], [reply(2.0), MARKER], [MARKER], [reply(3.0)])
    with pytest.raises(WatlowTimeoutError):
        script.read(ONE_RETRY)
    # Two markers settle the two late replies; 3.0 is the reply to the first request after them.
    assert script.read(RetryPolicy(0.5, retries=2)) == 3.0
    assert script.transport.written[-2:] == [PV_REQUEST, PV_REQUEST]


def test_late_error_reply_is_not_taken_for_the_reply_to_a_write() -> None:
    late = [error_reply(0x84)]
    script = Script([], late, [reply(20.0, b"\x07\x01\x01")])
    with pytest.raises(WatlowTimeoutError):
        script.read(request=ReadRequest(7, 1, 2))
    assert script.write(20.0) == 20.0
    assert script.sent == ["read", "write", "read"]


def test_late_write_reply_does_not_confirm_a_later_write() -> None:
    script = Script([], [], [], [write_reply(20.0)], [reply(20.0, b"\x07\x01\x01")])
    with pytest.raises(WatlowTimeoutError):
        script.write(20.0, NO_RETRY)
    assert script.sent == ["write", "read"]
    with pytest.raises(WatlowTimeoutError):
        script.write(30.0, NO_RETRY)


def test_waiting_call_does_not_take_the_late_reply_of_the_previous_call() -> None:
    script = Script([], [reply(75.0)], [MARKER, reply(100.0)])
    started = threading.Event()
    values: list[float] = []
    port = script.client.port
    port.acquire(urgent=False)

    def read() -> None:
        started.set()
        values.append(script.read(NO_RETRY))

    # The second call starts while the first holds the port, and gets the port after its timeout.
    thread = threading.Thread(target=read)
    thread.start()
    assert started.wait(10)
    while not port._lock._normal:
        pass
    with pytest.raises(WatlowTimeoutError):
        first = frame_read_request(1, PV)
        script.client._exchange(Call(NO_RETRY), first)
    port.release()
    thread.join(10)
    assert values == [100.0]


def test_pending_replies_of_a_dead_controller_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watlowlib.protocol.late_replies.LATE_REPLY_S", -0.5)
    script = Script()
    for _ in range(50):
        with pytest.raises(WatlowTimeoutError):
            script.read()
    assert len(script.client.pending_replies._pending[0x10]) <= 1


class InterruptedTransport(ScriptedTransport):
    """Ctrl-C comes during the wait for the first reply."""

    def read(self, deadline: Deadline) -> bytes:
        if len(self.written) == 1 and deadline.left_s() > 0:
            self.written.append(b"interrupted")
            raise KeyboardInterrupt
        return super().read(deadline)


def test_reply_to_an_interrupted_request_is_not_taken_for_the_next() -> None:
    replies = [[], [reply(666.0), MARKER], [reply(75.0)]]
    transport = InterruptedTransport(lambda data: replies.pop(0))
    transport.open()
    client = StdBusClient(Port(transport))
    with pytest.raises(KeyboardInterrupt):
        client.read(1, PV, ONE_RETRY)
    assert Script._float(client.read(1, PV, ONE_RETRY).content[1:]) == 75.0


def test_reply_after_a_transport_write_timeout_is_pending() -> None:
    script = Script([reply(666.0), MARKER], [reply(72.0)])
    respond, slow = script.transport._respond, [True]

    def respond_slowly(data: bytes) -> list[bytes]:
        # Like pyserial if all bytes were accepted, but the buffer is full.
        if slow.pop() if slow else False:
            raise WatlowTimeoutError("the port did not accept 16 bytes")
        return list(respond(data))

    script.transport._respond = respond_slowly
    with pytest.raises(WatlowTimeoutError, match="did not accept"):
        script.read()
    stats = script.client.stats_of(0x10)
    assert (stats.timeouts, stats.unanswered) == (1, 1)
    assert script.read() == 72.0
    assert (stats.late_replies, stats.exchanges) == (1, 2)


def test_clamped_write_raises_and_is_not_repeated() -> None:
    script = Script([write_reply(60.0)], [reply(60.0, b"\x07\x01\x01")], [write_reply(75.0)])
    with pytest.raises(WatlowWriteError, match="holds 60"):
        script.write(75.0, ONE_RETRY)
    assert script.sent == ["write", "read"]


class NoisyTransport(ScriptedTransport):
    """A line on which bytes never stop arriving."""

    def read(self, deadline: object) -> bytes:
        return b"\x00"


@pytest.mark.parametrize("quiet", [True, False])
def test_line_that_is_never_quiet_raises(quiet: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("watlowlib.protocol.line.SETTLE_LIMIT_S", 0.01)
    transport = NoisyTransport(lambda data: [])
    transport.open()
    client = StdBusClient(Port(transport))
    if quiet:
        client.port.line._wait_until_quiet = lambda stale: None  # type: ignore[method-assign]
    kind: type[Exception] = WatlowTimeoutError if quiet else WatlowLineNotQuietError
    with pytest.raises(kind):
        client.read(1, PV, RetryPolicy(0.01, 0))
    assert len(transport.written) == quiet


class BreakingTransport(ScriptedTransport):
    """A port that is lost at the first read."""

    def read(self, deadline: object) -> bytes:
        self.close()
        raise WatlowConnectionError("lost")


def test_lost_port_is_not_retried_in_the_same_call() -> None:
    transport = BreakingTransport(lambda data: [])
    transport.open()
    with pytest.raises(WatlowConnectionError, match="lost"):
        StdBusClient(Port(transport)).read(1, PV, ONE_RETRY)
