"""Modbus RTU frames in a stream of bytes: no I/O, no clock, bytes in and frozen values out.

::

    slave | function | what the function has to say | CRC-16 lo, hi

Nothing marks where a frame begins; on the wire that is silence, which a USB adapter does not
hand on. So a frame is looked for: a known function, the length that goes with it, and a
checksum that is right. Source: Modbus over serial line 1.02; the functions an EZ-ZONE has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 3, 4, 6, 16
FUNCTIONS = (READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY)
EXCEPTION = 0x80
"""Set in the function of a reply that is an exception; its code follows."""

SLAVES = range(1, 248)
MOST_READ, MOST_WRITTEN = 125, 123
"""Registers that one frame can read and write."""
SHORTEST, LONGEST = 5, 256
"""Bytes of a frame: an exception's, and the most there may be."""

Sizes: TypeAlias = "Callable[[bytes, int], tuple[int, ...]]"
"""How long the frame that begins at a place in the buffer may be; empty for none."""


def _crc_step(value: int) -> int:
    # The reflected polynomial of x^16 + x^15 + x^2 + 1.
    for _ in range(8):
        value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value


_CRC = tuple(_crc_step(value) for value in range(256))


def crc16(data: bytes) -> bytes:
    """The two check bytes of a frame, low byte first, as they are sent."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[crc & 0xFF ^ byte]
    return bytes((crc & 0xFF, crc >> 8))


class RtuFrame(NamedTuple):
    """One frame whose checksum was right."""

    source: int
    """The slave that is asked, or that answers."""
    payload: bytes
    """The function, and what it has to say."""

    @property
    def raw(self) -> bytes:
        """The bytes on the wire."""
        body = bytes((self.source,)) + self.payload
        return body + crc16(body)


def request_sizes(buffer: bytes, at: int) -> tuple[int, ...]:
    """How long the request that begins at `at` is."""
    function = buffer[at + 1]
    if function == WRITE_MANY:
        return (9 + buffer[at + 6],) if at + 6 < len(buffer) else (9,)
    return (8,) if function in FUNCTIONS else ()


def reply_sizes(buffer: bytes, at: int) -> tuple[int, ...]:
    """How long the reply that begins at `at` is; a request, such as our echo, is found too."""
    function = buffer[at + 1]
    if function in (READ_HOLDING, READ_INPUT):
        count = buffer[at + 2] if at + 2 < len(buffer) else 2
        return (5 + count, 8) if count and count % 2 == 0 else (8,)
    if function in FUNCTIONS:
        return (8, *request_sizes(buffer, at))
    return (5,) if function & EXCEPTION and function ^ EXCEPTION in FUNCTIONS else ()


class RtuDecoder:
    """Finds frames in bytes that come in any portions, with anything between them.

    Args:
        sizes: `request_sizes` or `reply_sizes`: what is listened for.
    """

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._buffer = b""

    @property
    def pending(self) -> int:
        """Bytes kept that belong to no frame yet."""
        return len(self._buffer)

    @property
    def damaged(self) -> int:
        """1 when what is left would make a frame, but its checksum is wrong."""
        starts = range(len(self._buffer) - SHORTEST + 1)
        return int(any(self._made(self._buffer, start) for start in starts))

    def feed(self, data: bytes) -> list[RtuFrame]:
        """Take the next portion and return the frames that are whole now, in order."""
        buffer = self._buffer + data
        frames: list[RtuFrame] = []
        while (found := self._first(buffer)) is not None:
            start, end = found
            frames.append(RtuFrame(buffer[start], buffer[start + 1 : end - 2]))
            buffer = buffer[end:]
        self._buffer = buffer[-LONGEST:]
        return frames

    def clear(self) -> None:
        """Forget what has come: a silence has ended it."""
        self._buffer = b""

    def _made(self, buffer: bytes, start: int) -> list[int]:
        """Where a frame that begins at `start` would end, of those that are whole."""
        if buffer[start] not in SLAVES:
            return []
        ends = [start + size for size in self._sizes(buffer, start)]
        return [end for end in ends if end <= len(buffer)]

    def _first(self, buffer: bytes) -> tuple[int, int] | None:
        """Where the first whole frame begins and ends."""
        for start in range(len(buffer) - SHORTEST + 1):
            for end in self._made(buffer, start):
                if crc16(buffer[start : end - 2]) == buffer[end - 2 : end]:
                    return start, end
        return None
