"""The Modbus side of a simulated controller: requests and replies, and how a request is heard.

A slave has functions 03, 04 (which answers the same), 06 and 16, and answers the others by
exception 01. A real one knows by silence where a request begins; a `RequestEar` forgets what
a silence has broken off, and looks for a right checksum in what came together, as through a
pty bytes keep their order but not their pace.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from watlowlib._internal.validation import as_int
from watlowlib.protocol.modbus.frames import (
    EXCEPTION,
    FUNCTIONS,
    LONGEST,
    MOST_READ,
    MOST_WRITTEN,
    SLAVES,
    WRITE_MANY,
    WRITE_ONE,
    RtuFrame,
    crc16,
    request_sizes,
)
from watlowlib.simulator.registers import (
    DEVICE_FAILURE,
    NO_SUCH_REGISTER,
    REFUSED_VALUE,
    Refused,
    RegisterBank,
)

BROADCAST = 0
ILLEGAL_FUNCTION = 1
SHORTEST = 4
SILENCE_BYTES, LEAST_SILENCE_S = 3.5, 0.00175
UNHURRIED_S = 0.5
"""The silence on a wire that takes no time: a program may write a request piece by piece."""


class RegisterWrite(NamedTuple):
    """A write that a slave was asked for, whether it took it or not."""

    register: int
    words: tuple[int, ...]


class ModbusSlave:
    """Answers requests from a register bank.

    Args:
        bank: The registers.
        registers_per_read: The most that one read may ask for, 1 to 125; more is answered by
            exception 02. What an EZ-ZONE takes is not published.

    Attributes:
        register_writes: Every write it was asked for, also the refused ones.
        failing: While true, every read and write is answered by exception 04.
    """

    def __init__(self, bank: RegisterBank, registers_per_read: int | None = None) -> None:
        self._bank = bank
        self._most = as_int(
            "registers_per_read",
            MOST_READ if registers_per_read is None else registers_per_read,
            1,
            MOST_READ,
            f"give 1 to {MOST_READ}, or None",
        )
        self.register_writes: list[RegisterWrite] = []
        self.failing = False

    def answer(self, payload: bytes) -> bytes:
        """The reply to `payload`, a function and what goes with it."""
        function = payload[0]
        try:
            return bytes((function,)) + self._carry_out(function, payload[1:])
        except Refused as refused:
            return bytes((function | EXCEPTION, refused.code))

    def _carry_out(self, function: int, body: bytes) -> bytes:
        if function not in FUNCTIONS:
            raise Refused(ILLEGAL_FUNCTION)
        if function == WRITE_ONE:
            self._write(body[:2], body[2:])
            return body
        return self._write_many(body) if function == WRITE_MANY else self._read(body)

    @property
    def _working(self) -> RegisterBank:
        if self.failing:
            raise Refused(DEVICE_FAILURE)
        return self._bank

    def _read(self, body: bytes) -> bytes:
        start, count = struct.unpack(">HH", body)
        if not 1 <= count <= MOST_READ:
            raise Refused(REFUSED_VALUE)
        if count > self._most:
            raise Refused(NO_SUCH_REGISTER)
        words = self._working.read(start, count)
        return struct.pack(f">B{count}H", 2 * count, *words)

    def _write_many(self, body: bytes) -> bytes:
        count, size = struct.unpack(">HB", body[2:5])
        if not 1 <= count <= MOST_WRITTEN or size != 2 * count:
            raise Refused(REFUSED_VALUE)
        self._write(body[:2], body[5:])
        return body[:4]

    def _write(self, register: bytes, data: bytes) -> None:
        (start,) = struct.unpack(">H", register)
        words = struct.unpack(f">{len(data) // 2}H", data)
        self.register_writes.append(RegisterWrite(start, words))
        self._working.write(start, words)


class RequestEar:
    """Finds the requests in what a slave hears.

    Args:
        byte_time_s: Seconds a byte takes on the wire; 0 for a wire that takes no time.
    """

    def __init__(self, byte_time_s: float) -> None:
        paced = byte_time_s > 0
        self.silence_s = max(SILENCE_BYTES * byte_time_s, LEAST_SILENCE_S) if paced else 0.0
        """What parts two frames, and goes before a reply; 0 on a wire that takes no time."""
        self._patience_s = self.silence_s or UNHURRIED_S
        self._buffer = b""
        self._end_s = 0.0

    def hear(self, data: bytes, start_s: float, end_s: float) -> list[RtuFrame]:
        """The requests that are whole with `data`, sent from `start_s` to `end_s`."""
        if start_s - self._end_s > self._patience_s:
            self._buffer = b""
        self._end_s = end_s
        buffer, found = self._buffer + data, []
        while (span := _first(buffer)) is not None:
            start, end = span
            found.append(RtuFrame(buffer[start], buffer[start + 1 : end - 2]))
            buffer = buffer[end:]
        self._buffer = buffer[-LONGEST:]
        return found


def _first(buffer: bytes) -> tuple[int, int] | None:
    """Where the first whole request begins and ends."""
    for start in range(len(buffer) - SHORTEST + 1):
        if buffer[start] in SLAVES or buffer[start] == BROADCAST:
            for end in _ends(buffer, start):
                if end <= len(buffer) and crc16(buffer[start : end - 2]) == buffer[end - 2 : end]:
                    return start, end
    return None


def _ends(buffer: bytes, start: int) -> list[int]:
    """Where the request at `start` may end; with a function that is not known, only at the end."""
    if buffer[start + 1] in FUNCTIONS:
        return [start + size for size in request_sizes(buffer, start)]
    return [len(buffer)] if 0 < buffer[start + 1] < EXCEPTION else []
