"""How a slave finds requests in what it hears."""

from __future__ import annotations

import pytest

from watlowlib.protocol.modbus.frames import RtuFrame
from watlowlib.simulator.slave import RequestEar

BYTE_S = 10 / 9600
SILENCE_S = 3.5 * BYTE_S
# From the examples of the Modbus specification, with their check bytes.
READ = bytes.fromhex("01 03 00 00 00 0A C5 CD")
READ_SLAVE = bytes.fromhex("11 11 CD EC")
WRITE = RtuFrame(17, bytes.fromhex("10 0870 0002 04 0000 43C4")).raw
BROADCAST = RtuFrame(0, bytes.fromhex("06 0870 0001")).raw


@pytest.mark.parametrize("request_", [READ, READ_SLAVE, WRITE, BROADCAST])
def test_whole_and_byte_by_byte(request_: bytes) -> None:
    assert [each.raw for each in RequestEar(BYTE_S).hear(request_, 1.0, 1.1)] == [request_]
    ear, heard = RequestEar(BYTE_S), []
    for n, byte in enumerate(request_):
        heard += ear.hear(bytes((byte,)), 1.0 + n * BYTE_S, 1.0 + (n + 1) * BYTE_S)
    assert [each.raw for each in heard] == [request_]


def test_a_silence_breaks_a_request_off() -> None:
    for silence_s, found in ((0.9 * SILENCE_S, [READ]), (1.1 * SILENCE_S, [])):
        ear = RequestEar(BYTE_S)
        assert ear.hear(READ[:5], 1.0, 2.0) == []
        heard = ear.hear(READ[5:], 2.0 + silence_s, 2.5)
        assert [each.raw for each in heard] == found
        # What comes next is heard again.
        assert [each.raw for each in ear.hear(READ, 9.0, 9.1)] == [READ]


def test_who_writes_slowly_on_a_wire_without_time_is_heard() -> None:
    ear = RequestEar(0.0)
    assert ear.hear(READ[:5], 1.0, 1.0) == []
    assert [each.raw for each in ear.hear(READ[5:], 1.2, 1.2)] == [READ]
    assert ear.silence_s == 0.0


@pytest.mark.parametrize(("baudrate", "silence_s"), [(9600, 0.003646), (38400, 0.00175)])
def test_the_silence_between_frames(baudrate: int, silence_s: float) -> None:
    assert RequestEar(10 / baudrate).silence_s == pytest.approx(silence_s, rel=1e-3)


def test_noise_before_a_request_is_passed_over() -> None:
    # The noise begins a long write to slave 1, and another.
    for noise in (b"\x01\x10\x00\x00\x00\x7b\xf6", b"\x00\x01\x01\x03", b"\xff" * 300):
        heard = RequestEar(BYTE_S).hear(noise + READ, 1.0, 2.0)
        assert [each.raw for each in heard] == [READ]


def test_a_wrong_checksum_is_no_request() -> None:
    for at in range(len(READ)):
        spoilt = READ[:at] + bytes((READ[at] ^ 0x04,)) + READ[at + 1 :]
        assert RequestEar(BYTE_S).hear(spoilt, 1.0, 2.0) == []
