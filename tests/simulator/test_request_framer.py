"""The framing of requests in the bytes that a slave receives."""

from __future__ import annotations

import pytest

from watlowlib.protocol.modbus.frames import RtuFrame
from watlowlib.simulator.slave import RequestFramer

BYTE_S = 10 / 9600
SILENCE_S = 3.5 * BYTE_S
# From the examples of the Modbus specification, with their check bytes.
READ = bytes.fromhex("01 03 00 00 00 0A C5 CD")
READ_SLAVE = bytes.fromhex("11 11 CD EC")
WRITE = RtuFrame(17, bytes.fromhex("10 0870 0002 04 0000 43C4")).raw
BROADCAST = RtuFrame(0, bytes.fromhex("06 0870 0001")).raw


@pytest.mark.parametrize("request_", [READ, READ_SLAVE, WRITE, BROADCAST])
def test_a_request_at_once_and_byte_by_byte(request_: bytes) -> None:
    assert [each.raw for each in RequestFramer(BYTE_S).feed(request_, 1.0, 1.1)] == [request_]
    framer, requests = RequestFramer(BYTE_S), []
    for n, byte in enumerate(request_):
        requests += framer.feed(bytes((byte,)), 1.0 + n * BYTE_S, 1.0 + (n + 1) * BYTE_S)
    assert [each.raw for each in requests] == [request_]


def test_a_silence_discards_a_partial_request() -> None:
    for silence_s, expected in ((0.9 * SILENCE_S, [READ]), (1.1 * SILENCE_S, [])):
        framer = RequestFramer(BYTE_S)
        assert framer.feed(READ[:5], 1.0, 2.0) == []
        requests = framer.feed(READ[5:], 2.0 + silence_s, 2.5)
        assert [each.raw for each in requests] == expected
        # The next request is found.
        assert [each.raw for each in framer.feed(READ, 9.0, 9.1)] == [READ]


def test_a_line_without_timing_accepts_a_slow_request() -> None:
    framer = RequestFramer(0.0)
    assert framer.feed(READ[:5], 1.0, 1.0) == []
    assert [each.raw for each in framer.feed(READ[5:], 1.2, 1.2)] == [READ]
    assert framer.silence_s == 0.0


@pytest.mark.parametrize(("baudrate", "silence_s"), [(9600, 0.003646), (38400, 0.00175)])
def test_the_silence_between_frames_depends_on_the_baud_rate(
    baudrate: int, silence_s: float
) -> None:
    assert RequestFramer(10 / baudrate).silence_s == pytest.approx(silence_s, rel=1e-3)


def test_noise_before_a_request_is_skipped() -> None:
    # The noise starts like a long write to slave 1, and like another request.
    for noise in (b"\x01\x10\x00\x00\x00\x7b\xf6", b"\x00\x01\x01\x03", b"\xff" * 300):
        requests = RequestFramer(BYTE_S).feed(noise + READ, 1.0, 2.0)
        assert [each.raw for each in requests] == [READ]


def test_a_wrong_checksum_is_rejected() -> None:
    for at in range(len(READ)):
        corrupted = READ[:at] + bytes((READ[at] ^ 0x04,)) + READ[at + 1 :]
        assert RequestFramer(BYTE_S).feed(corrupted, 1.0, 2.0) == []
