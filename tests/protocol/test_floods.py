"""A line that never stops sending: no call takes longer, and no bytes pile up."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from watlowlib._internal.clock import Deadline
from watlowlib.errors import WatlowError
from watlowlib.protocol.exchange import MOST_RECEIVED, SLICE, RetryPolicy, decode_until
from watlowlib.protocol.modbus.client import ModbusClient
from watlowlib.protocol.modbus.frames import RtuDecoder, RtuFrame, reply_sizes
from watlowlib.protocol.port import Port
from watlowlib.protocol.stdbus.client import StdBusClient
from watlowlib.protocol.stdbus.crc import crc8
from watlowlib.protocol.stdbus.frames import REPLY, Frame, encode_frame
from watlowlib.protocol.stdbus.payloads import ReadRequest
from watlowlib.simulator.slave import RequestFramer
from watlowlib.transport.scripted import ScriptedTransport
from watlowlib.transport.settings import SerialSettings

ONE_RETRY = RetryPolicy(timeout_s=0.5, retries=1)
LIMIT_S = 3.0
"""Twice the timeout, the silence before the retry, and a slow machine."""

NO_REGISTER = RtuFrame(2, b"\x83\x02")
"""An exception from another slave."""


def header(*fields: int) -> bytes:
    return b"\x55\xff" + bytes(fields) + bytes((crc8(bytes(fields)),))


def overlapping_headers() -> bytes:
    """Two correct headers of long frames, the second in the first: the most CRCs per byte."""
    first = next(
        each
        for source in range(256)
        if (each := header(0x55, 0xFF, source, 0x01, 0xF5))[-1] <= 1  # the second one's length
    )
    return first + header(*first[4:], 0xF5)[6:]


MODBUS_FLOODS = {
    "a third of the bytes begins a long frame": b"\x01\x03\xf8",
    "half of the bytes begins a long frame": b"\x10" * 5 + b"\xf7" * 5,
    "short frames": NO_REGISTER.raw,
}
STDBUS_FLOODS = {
    "preambles": b"\x55\xff",
    "headers of long frames": header(REPLY, 0x00, 0x10, 0x01, 0xF5),
    "overlapping headers": overlapping_headers(),
    "short frames": encode_frame(Frame(REPLY, 0x00, 0x11, b"")),
}


def read_modbus(transport: ScriptedTransport) -> bytes:
    client = ModbusClient(Port(transport), SerialSettings(baudrate=9600))
    return client.read(1, 360, 2, ONE_RETRY).content


def read_stdbus(transport: ScriptedTransport) -> bytes:
    return StdBusClient(Port(transport)).read(1, ReadRequest(4, 1, 1), ONE_RETRY).content


FLOODS = [
    pytest.param(read, pattern * (size // len(pattern)), id=f"{read.__name__}, {name}")
    for read, size, floods in (
        (read_modbus, 2_000_000, MODBUS_FLOODS),
        (read_stdbus, 8_000_000, STDBUS_FLOODS),
    )
    for name, pattern in floods.items()
]


@pytest.mark.parametrize(("read", "flood"), FLOODS)
def test_read_ends_at_its_deadline_in_a_flood(
    read: Callable[[ScriptedTransport], bytes], flood: bytes
) -> None:
    transport = ScriptedTransport(lambda request: [flood])
    transport.open()
    started_s = time.monotonic()
    with pytest.raises(WatlowError) as caught:
        read(transport)
    assert time.monotonic() - started_s < LIMIT_S
    assert len(transport.written) == 2
    assert len(caught.value.context.reply) == MOST_RECEIVED


@pytest.mark.parametrize("pattern", MODBUS_FLOODS.values(), ids=MODBUS_FLOODS)
def test_bytes_before_a_request_are_decoded_in_limited_time(pattern: bytes) -> None:
    reply = RtuFrame(1, bytes.fromhex("03 04 0000 4296")).raw
    transport = ScriptedTransport(lambda request: [reply])
    transport.open()
    transport.feed(pattern * (2_000_000 // len(pattern)))
    started_s = time.monotonic()
    assert read_modbus(transport) == bytes.fromhex("0000 4296")
    assert time.monotonic() - started_s < LIMIT_S


def test_time_to_decode_is_proportional_to_the_size() -> None:
    frames = NO_REGISTER.raw * 400_000
    started_s = time.monotonic()
    assert len(RtuDecoder(reply_sizes).feed(frames)) == 400_000
    assert time.monotonic() - started_s < 20.0


def test_simulated_slave_frames_noise_in_limited_time() -> None:
    framer = RequestFramer(0.0)
    started_s = time.monotonic()
    # Function 5 is not known to the slave, so any size is possible.
    framer.feed(b"\x01\x05" * 16_000, 0.0, 0.0)
    assert time.monotonic() - started_s < LIMIT_S


def test_frames_in_the_first_slice_are_decoded_after_the_deadline() -> None:
    first = NO_REGISTER.raw + bytes(SLICE - len(NO_REGISTER.raw))
    data = first + NO_REGISTER.raw
    passed, future = Deadline(0.0), Deadline.after(60.0)
    assert [*decode_until(passed, RtuDecoder(reply_sizes), data)] == [NO_REGISTER]
    assert [*decode_until(future, RtuDecoder(reply_sizes), data)] == [NO_REGISTER] * 2
