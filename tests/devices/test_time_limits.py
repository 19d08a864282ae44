"""The formulas of docs/times.md, against the worst line, in simulated time."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from watlowlib._internal.clock import Deadline, ManualClock
from watlowlib.devices import discovery
from watlowlib.devices.controller import Controller
from watlowlib.devices.discovery import find_devices
from watlowlib.devices.factory import open_device
from watlowlib.errors import WatlowError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import ProtocolKind
from watlowlib.protocol import line, port, port_pool
from watlowlib.protocol.modbus.frames import (
    MOST_READ,
    WRITE_MANY,
    RtuDecoder,
    RtuFrame,
    request_sizes,
)
from watlowlib.protocol.modbus.requests import RtuRequest
from watlowlib.protocol.stdbus.frames import (
    HOST_MAC,
    REPLY,
    Frame,
    FrameDecoder,
    encode_frame,
    mac_of,
)
from watlowlib.protocol.stdbus.payloads import decode_payload, encode_payload
from watlowlib.simulator import SimulatedController
from watlowlib.transport import serial_port
from watlowlib.transport.settings import SerialSettings

PAGE = (Path(__file__).parents[2] / "docs" / "times.md").read_text("utf-8")
TIMES = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", PAGE, re.MULTILINE))
CALLS = {
    label.replace("`", ""): {ProtocolKind.STDBUS: stdbus, ProtocolKind.MODBUS_RTU: modbus}
    for label, stdbus, modbus in re.findall(
        r"^\| (`\w+`[^|]*) \| `([^`]+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE
    )
}
TIMEOUT_S = 0.5
PROTOCOLS = (ProtocolKind.STDBUS, ProtocolKind.MODBUS_RTU)
BEHAVIOURS = ("silent", "flood", "damaged", "last moment", "last try", "layout only")
REACHED = 0.4
"""The least share of each documented time, without markers, that the worst line reaches."""
PARAMETERS = ["process_value", "setpoint", "heat_power", "cool_power", "alarm_state"]


def limit_s(
    call: str, protocol: ProtocolKind, retries: int, n: int = 1, *, markers: bool = True
) -> float:
    """Return the page's time of a call or formula; nothing waits for the port's lock here."""
    known: dict[str, float] = {"timeout_s": TIMEOUT_S, "retries": retries, "n": n}
    for name, formula in {**TIMES, "lock": "0"}.items():
        one_request = name == "exchange" and not markers
        known[name] = eval("request" if one_request else formula, {}, known)
    return float(eval(CALLS[call][protocol] if call in CALLS else call, {}, known))


def test_page_has_the_constants_of_the_code() -> None:
    assert float(TIMES["lock"]) == port.ACQUIRE_S
    assert float(TIMES["settle"]) == line.SETTLE_LIMIT_S + max(line.QUIET_S, line.GAP_S)
    assert float(TIMES["write"]) == serial_port.WRITE_TIMEOUT_S
    assert f"up to {port_pool.CLOSING_S:g} s" in PAGE
    assert f"to {discovery.MOST_PORTS} ports" in PAGE
    longest = RtuRequest(1, 0, MOST_READ, None, SerialSettings(baudrate=9600).byte_time_s, bytes(8))
    assert 0.9 * float(TIMES["wire"]) <= longest.wire_s <= float(TIMES["wire"])


class WorstTransport:
    """A line on which each request takes as long as it can.

    It is noisy before each request for almost as long as allowed, and the port accepts the request
    after almost as long as allowed. Then:

    - "silent": No reply.
    - "flood": The bytes never end.
    - "damaged": A damaged reply just before the deadline.
    - "last moment": A reply just before the deadline.
    - "last try": The same, to the last retry of a read only; nothing is written.
    - "layout only": The same, but over Modbus only to reads of one register and of the hardware ID.
    """

    def __init__(
        self, clock: ManualClock, unit: SimulatedController, behaviour: str, tries: int
    ) -> None:
        self.port = self.device = "worst"
        self.is_open = False
        self._clock = clock
        self._unit = unit
        self._behaviour = behaviour
        self._tries = tries
        self._attempts: Counter[bytes] = Counter()
        self._reply = b""
        self._noise_until_s = 0.0

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def write(self, data: bytes) -> None:
        self._clock.advance(serial_port.WRITE_TIMEOUT_S)
        self._noise_until_s = 0.0
        self._attempts[data] += 1
        self._reply = self._reply_to(data)

    def read(self, deadline: Deadline) -> bytes:
        now_s = time.monotonic()
        if deadline.at_s == 0.0:  # before a request
            self._noise_until_s = now_s + line.SETTLE_LIMIT_S - line.GAP_S / 2
        if self._behaviour == "flood" or now_s < self._noise_until_s:
            self._clock.advance(line.GAP_S / 2)
            return b"\x55\xff"
        if self._noise_until_s:
            self._clock.advance(deadline.left_s())
            return b""
        self._clock.advance(0.999 * deadline.left_s())
        reply, self._reply = self._reply, b""
        if not reply:
            self._clock.advance(deadline.left_s() + 1e-6)
        return reply

    def _reply_to(self, data: bytes) -> bytes:
        if self._behaviour == "silent" or not self._is_answered(data):
            return b""
        reply = reply_of(self._unit, data)
        if self._behaviour == "damaged" and reply:
            return reply[:-1] + bytes((reply[-1] ^ 1,))
        return reply

    def _is_answered(self, data: bytes) -> bool:
        if self._behaviour in ("damaged", "last moment"):
            return True
        is_write = data[1] == WRITE_MANY or data[8:10] == b"\1\4"
        several_registers = data[2:4] != b"\0\0" and data[4:6] != b"\0\1"
        if self._behaviour == "layout only" and several_registers:
            return False
        return not is_write and self._attempts[data] % self._tries == 0


def reply_of(unit: SimulatedController, data: bytes) -> bytes:
    """Return the reply of controller 1; `b""` to another address or in another protocol."""
    if frames := FrameDecoder().feed(data):
        if unit.protocol is ProtocolKind.STDBUS and frames[0].destination == mac_of(1):
            content = unit.reply_to(decode_payload(frames[0].payload))
            if content is not None:
                return encode_frame(Frame(REPLY, HOST_MAC, mac_of(1), encode_payload(content)))
        return b""
    (request,) = RtuDecoder(request_sizes).feed(data)
    if unit.protocol is ProtocolKind.MODBUS_RTU and request.source == 1:
        return RtuFrame(1, unit.modbus.reply_to(request.payload)).raw
    return b""


def make_line(
    clock: ManualClock, protocol: ProtocolKind, behaviour: str, retries: int
) -> WorstTransport:
    unit = SimulatedController(1, protocol=protocol, modbus_address=1, cooling=True)
    unit.set_clock(clock)
    return WorstTransport(clock, unit, behaviour, retries + 1)


def took_s(call: Callable[[], object]) -> float:
    began_s = time.monotonic()
    with suppress(WatlowError):
        call()
    return time.monotonic() - began_s


ONE_CALL: dict[str, Callable[[Controller], object]] = {
    "read_parameter": lambda ctl: ctl.read_parameter("cool_power"),
    "write_parameter": lambda ctl: ctl.write_parameter("setpoint", 80.0, confirm=True),
    "set_setpoint": lambda ctl: ctl.set_setpoint(80.0, confirm=True, verify=True),
    "poll": lambda ctl: ctl.poll(PARAMETERS),
    "identify": lambda ctl: ctl.identify(),
    "close": lambda ctl: ctl.close(),
}


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("name", ONE_CALL)
def test_call_ends_in_the_documented_time(
    clock: ManualClock, name: str, protocol: ProtocolKind, retries: int
) -> None:
    limit = limit_s(name, protocol, retries, len(PARAMETERS))
    longest_s = 0.0
    for behaviour in BEHAVIOURS:
        transport = make_line(clock, protocol, behaviour, retries)
        with open_device(transport, protocol=protocol, timeout_s=TIMEOUT_S, retries=retries) as ctl:
            for _ in range(2):  # the replies to the first call may still come in the second
                longest_s = max(longest_s, took_s(partial(ONE_CALL[name], ctl)))
    assert longest_s <= limit
    if not retries:
        assert longest_s >= REACHED * limit_s(name, protocol, 0, len(PARAMETERS), markers=False)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_poll_of_a_fleet_ends_in_the_documented_time(
    clock: ManualClock, protocol: ProtocolKind, behaviour: str
) -> None:
    transport = make_line(clock, protocol, behaviour, retries=1)
    limit = limit_s("poll", protocol, 1, len(PARAMETERS)) + limit_s("exchange", protocol, 1)
    with WatlowManager(error_policy="return") as mgr:
        for address in (1, 2):  # the second one never replies
            mgr.add(str(address), transport, protocol=protocol, address=address)
        for _ in range(10):
            assert took_s(lambda: mgr.poll(PARAMETERS)) <= 2 * limit
            clock.advance(1.0)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_protocol_is_detected_in_the_documented_time(
    clock: ManualClock, protocol: ProtocolKind, behaviour: str
) -> None:
    transport = make_line(clock, protocol, behaviour, retries=1)

    def open_and_close() -> None:
        open_device(transport, protocol="auto", timeout_s=TIMEOUT_S).close()

    assert took_s(open_and_close) <= limit_s("open_device, AUTO", protocol, 1)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=str)
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_search_ends_in_the_documented_time(
    clock: ManualClock, protocol: ProtocolKind, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = make_line(clock, protocol, behaviour, retries=0)

    class SameTransport(WorstTransport):
        """Stands for `SerialTransport`, because a search takes the names of ports only."""

        def __new__(cls, port: str, settings: SerialSettings) -> WorstTransport:  # type: ignore[misc]
            return transport

    monkeypatch.setattr(port_pool, "SerialTransport", SameTransport)
    elapsed_s = took_s(
        lambda: find_devices(
            "worst", baudrates=9600, protocols=protocol, addresses=[1, 2], timeout_s=TIMEOUT_S
        )
    )
    found, silent = "find_devices, a controller", "find_devices, a silent address"
    assert elapsed_s <= limit_s(found, protocol, 0) + limit_s(silent, protocol, 0)
