"""Codec for Modbus RTU frames in a stream of bytes: no I/O and no clock.

::

    slave | function | data of the function | CRC-16 lo, hi

No byte marks the beginning of a frame. On the wire a frame begins after a silence, which a USB
adapter does not pass on. So the decoder searches for a known function, a matching length and a
correct checksum. Source: Modbus over serial line 1.02; the functions an EZ-ZONE has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY = 3, 4, 6, 16
FUNCTIONS = (READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY)
EXCEPTION = 0x80
"""The bit set in the function of an exception; the exception code follows."""

SLAVES = range(1, 248)
MOST_READ, MOST_WRITTEN = 125, 123
"""The most registers that one frame can read and write."""
SHORTEST, LONGEST = 5, 256
"""The size of the shortest frame (an exception) and of the longest, in bytes."""

Sizes: TypeAlias = "Callable[[bytes, int], tuple[int, ...]]"
"""Returns the possible sizes of a frame that begins at a place in the buffer, or ()."""


def _crc_step(value: int) -> int:
    # The reflected polynomial of x^16 + x^15 + x^2 + 1.
    for _ in range(8):
        value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value


_CRC = tuple(_crc_step(value) for value in range(256))


def crc16(data: bytes) -> bytes:
    """Return the two check bytes of a frame, low byte first, as sent on the wire."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[crc & 0xFF ^ byte]
    return bytes((crc & 0xFF, crc >> 8))


class RtuFrame(NamedTuple):
    """A frame with a correct checksum."""

    source: int
    """The slave that gets the request or sends the reply."""
    payload: bytes
    """The function and its data."""

    @property
    def raw(self) -> bytes:
        """The bytes on the wire."""
        body = bytes((self.source,)) + self.payload
        return body + crc16(body)


def request_sizes(buffer: bytes, at: int) -> tuple[int, ...]:
    """Return the possible sizes of a request that begins at `at`."""
    function = buffer[at + 1]
    if function == WRITE_MANY:
        return (9 + buffer[at + 6],) if at + 6 < len(buffer) else (9,)
    return (8,) if function in FUNCTIONS else ()


def reply_sizes(buffer: bytes, at: int) -> tuple[int, ...]:
    """Return the possible sizes of a reply at `at`; requests (our echo) are found too."""
    function = buffer[at + 1]
    if function in (READ_HOLDING, READ_INPUT):
        count = buffer[at + 2] if at + 2 < len(buffer) else 2
        return (5 + count, 8) if count and count % 2 == 0 else (8,)
    if function in FUNCTIONS:
        return (8, *request_sizes(buffer, at))
    return (5,) if function & EXCEPTION and function ^ EXCEPTION in FUNCTIONS else ()


def split_frames(
    buffer: bytes, shortest: int, ends_of: Callable[[bytes, int], list[int]]
) -> tuple[list[RtuFrame], bytes]:
    """Return the complete frames in `buffer`, in order, and the bytes after them.

    A frame has `shortest` to `LONGEST` bytes; `ends_of` returns where one that begins at a place
    in the buffer may end. The time is proportional to the size of the buffer.
    """
    frames: list[RtuFrame] = []
    start = frames_end = 0
    while start <= len(buffer) - shortest:
        for end in ends_of(buffer, start):
            if end > min(len(buffer), start + LONGEST):
                continue
            if crc16(buffer[start : end - 2]) == buffer[end - 2 : end]:
                frames.append(RtuFrame(buffer[start], buffer[start + 1 : end - 2]))
                start = frames_end = end
                break
        else:
            start += 1
    return frames, buffer[max(frames_end, len(buffer) - LONGEST) :]


class RtuDecoder:
    """Finds frames in bytes that arrive in any portions, with noise between the frames.

    `sizes` is `request_sizes` or `reply_sizes`, for the kind of frames to find.
    """

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self.pending = b""

    @property
    def damaged(self) -> int:
        """1 if the bytes kept have the size of a frame, but a wrong checksum; otherwise 0."""
        starts = range(len(self.pending) - SHORTEST + 1)
        return int(any(self._frame_ends(self.pending, start) for start in starts))

    def feed(self, data: bytes) -> list[RtuFrame]:
        """Add the next portion and return the frames that are complete now, in order."""
        frames, self.pending = split_frames(self.pending + data, SHORTEST, self._frame_ends)
        return frames

    def clear(self) -> None:
        """Drop the bytes kept, because a silence ends a frame."""
        self.pending = b""

    def _frame_ends(self, buffer: bytes, start: int) -> list[int]:
        """Return where a frame that begins at `start` may end within the buffer."""
        if buffer[start] not in SLAVES:
            return []
        ends = [start + size for size in self._sizes(buffer, start)]
        return [end for end in ends if end <= len(buffer)]
