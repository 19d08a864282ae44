"""The Modbus slave of a simulated controller, and the framing of the requests to it.

A slave has functions 03, 04 (same reply as 03), 06 and 16; the reply to others is exception 01.
A real slave recognizes the start of a request by the silence before it. A `RequestFramer` drops
a partial request after a silence, and otherwise searches the received bytes for a valid checksum,
because a pty keeps the order of bytes but not their timing.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from watlowlib._internal.validation import as_int
from watlowlib.protocol.modbus.frames import (
    EXCEPTION,
    FUNCTIONS,
    MOST_READ,
    MOST_WRITTEN,
    SLAVES,
    WRITE_MANY,
    WRITE_ONE,
    RtuFrame,
    request_sizes,
    split_frames,
)
from watlowlib.simulator.registers import (
    DEVICE_FAILURE,
    ILLEGAL_VALUE,
    NO_SUCH_REGISTER,
    ModbusExceptionError,
    RegisterBank,
)

BROADCAST = 0
ILLEGAL_FUNCTION = 1
MIN_FRAME_SIZE = 4
SILENCE_BYTES, MIN_SILENCE_S = 3.5, 0.00175
UNTIMED_SILENCE_S = 0.5
"""The silence on a line without timing: a program may write a request in several pieces."""


class RegisterWrite(NamedTuple):
    """A write request to a slave, accepted or rejected."""

    register: int
    words: tuple[int, ...]


class ModbusSlave:
    """A Modbus slave with the registers of `bank`.

    The reply to a read of more than `registers_per_read` registers is exception 02. The limit of
    an EZ-ZONE is not published.

    Attributes:
        register_writes: Every write request, also the rejected ones.
        failing: While true, the reply to every read and write is exception 04.
    """

    def __init__(self, bank: RegisterBank, registers_per_read: int | None = None) -> None:
        self._bank = bank
        self._max_registers = as_int(
            "registers_per_read",
            MOST_READ if registers_per_read is None else registers_per_read,
            1,
            MOST_READ,
            f"give 1 to {MOST_READ}, or None",
        )
        self.register_writes: list[RegisterWrite] = []
        self.failing = False

    def reply_to(self, payload: bytes) -> bytes:
        """Return the reply payload; a payload is a function code and its data."""
        function = payload[0]
        try:
            return bytes((function,)) + self._execute(function, payload[1:])
        except ModbusExceptionError as error:
            return bytes((function | EXCEPTION, error.code))

    def _execute(self, function: int, body: bytes) -> bytes:
        if function not in FUNCTIONS:
            raise ModbusExceptionError(ILLEGAL_FUNCTION)
        if function == WRITE_ONE:
            self._write(body[:2], body[2:])
            return body
        return self._write_many(body) if function == WRITE_MANY else self._read(body)

    @property
    def _checked_bank(self) -> RegisterBank:
        if self.failing:
            raise ModbusExceptionError(DEVICE_FAILURE)
        return self._bank

    def _read(self, body: bytes) -> bytes:
        start, count = struct.unpack(">HH", body)
        if not 1 <= count <= MOST_READ:
            raise ModbusExceptionError(ILLEGAL_VALUE)
        if count > self._max_registers:
            raise ModbusExceptionError(NO_SUCH_REGISTER)
        words = self._checked_bank.read(start, count)
        return struct.pack(f">B{count}H", 2 * count, *words)

    def _write_many(self, body: bytes) -> bytes:
        count, size = struct.unpack(">HB", body[2:5])
        if not 1 <= count <= MOST_WRITTEN or size != 2 * count:
            raise ModbusExceptionError(ILLEGAL_VALUE)
        self._write(body[:2], body[5:])
        return body[:4]

    def _write(self, register: bytes, data: bytes) -> None:
        (start,) = struct.unpack(">H", register)
        words = struct.unpack(f">{len(data) // 2}H", data)
        self.register_writes.append(RegisterWrite(start, words))
        self._checked_bank.write(start, words)


class RequestFramer:
    """Finds the requests in the bytes that a slave receives; see `TimedLine` for the byte time."""

    def __init__(self, byte_time_s: float) -> None:
        timed = byte_time_s > 0
        self.silence_s = max(SILENCE_BYTES * byte_time_s, MIN_SILENCE_S) if timed else 0.0
        """The silence between two frames and before a reply; 0 on a line without timing."""
        self._max_pause_s = self.silence_s or UNTIMED_SILENCE_S
        self._buffer = b""
        self._end_s = 0.0

    def feed(self, data: bytes, start_s: float, end_s: float) -> list[RtuFrame]:
        """Return the requests completed by `data`, which was sent from `start_s` to `end_s`."""
        if start_s - self._end_s > self._max_pause_s:
            self._buffer = b""
        self._end_s = end_s
        requests, self._buffer = split_frames(self._buffer + data, MIN_FRAME_SIZE, _request_ends)
        return requests


def _request_ends(buffer: bytes, start: int) -> list[int]:
    """Return where the request at `start` may end; with an unknown function, the buffer's end."""
    if buffer[start] not in SLAVES and buffer[start] != BROADCAST:
        return []
    if buffer[start + 1] in FUNCTIONS:
        return [start + size for size in request_sizes(buffer, start)]
    return [len(buffer)] if 0 < buffer[start + 1] < EXCEPTION else []
