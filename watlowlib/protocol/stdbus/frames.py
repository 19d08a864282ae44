"""BACnet MS/TP frames, both ways: no I/O, no clock, bytes in and frozen values out.

::

    55 FF | type | destination | source | length hi, lo | CRC-8 | payload | CRC-16 lo, hi

Type 05 is a request, 06 a reply. Controller address 1..16 is MAC 0x10..0x1F, the host
is MAC 0x00. A payload of length 0 has no CRC-16. Source: frames captured from a PM3.
"""

from __future__ import annotations

from typing import NamedTuple

from watlowlib.errors import WatlowFrameError
from watlowlib.protocol.stdbus.crc import crc8, crc16

PREAMBLE = b"\x55\xff"
REQUEST = 0x05
REPLY = 0x06
HOST_MAC = 0x00
HEADER_SIZE = 8
MAX_PAYLOAD = 501
"""The longest payload of an MS/TP frame; a longer length is noise that looks like a header."""

ADDRESSES = range(1, 17)


def mac_of(address: int) -> int:
    """The MAC of controller address 1..16."""
    return 0x0F + address


def address_of(mac: int) -> int:
    """The controller address of a MAC 0x10..0x1F."""
    return mac - 0x0F


class Frame(NamedTuple):
    """One frame whose checksums were right."""

    type: int
    destination: int
    source: int
    payload: bytes

    @property
    def raw(self) -> bytes:
        """The bytes on the wire."""
        return encode_frame(self)


def encode_frame(frame: Frame) -> bytes:
    """The bytes of `frame`, preamble and checksums included.

    Raises:
        WatlowFrameError: The payload is longer than `MAX_PAYLOAD`.
    """
    kind, destination, source, payload = frame
    length = len(payload)
    if length > MAX_PAYLOAD:
        raise WatlowFrameError(f"a payload of {length} bytes; a frame holds {MAX_PAYLOAD}")
    header = bytes((kind, destination, source, length >> 8, length & 0xFF))
    check = bytes((crc8(header),))
    return PREAMBLE + header + check + (payload + crc16(payload) if payload else b"")


class FrameDecoder:
    """Finds frames in bytes that come in any portions, with anything between them.

    Bytes that belong to no whole, undamaged frame are passed over: after a damaged one
    the search goes on right behind its first byte, so that a good frame which began
    inside a cut one is found.

    Attributes:
        used: Bytes consumed so far, frames and noise together.
        skipped: The part of `used` that was noise.
        damaged: Headers or payloads whose checksum was wrong.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self.used = 0
        self.skipped = 0
        self.damaged = 0

    @property
    def pending(self) -> int:
        """Bytes kept because they may be the beginning of a frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next portion and return the frames that are whole now, in order."""
        buffer = self._buffer + data if self._buffer else data
        frames: list[Frame] = []
        at = 0
        while True:
            start = _next_start(buffer, at)
            self.skipped += start - at
            at = start
            size = _frame_size(buffer, at)
            if size > len(buffer) - at:
                break
            payload = _checked_payload(buffer, at, size) if size else None
            if payload is None:
                self.damaged += 1
                self.skipped += 1
                at += 1
                continue
            frames.append(Frame(buffer[at + 2], buffer[at + 3], buffer[at + 4], payload))
            at += size
        self.used += at
        self._buffer = buffer[at:]
        return frames


def _next_start(buffer: bytes, at: int) -> int:
    """Where the next preamble begins, or may begin with the buffer's last byte."""
    start = buffer.find(PREAMBLE, at)
    if start >= 0:
        return start
    return len(buffer) - 1 if at < len(buffer) and buffer[-1] == PREAMBLE[0] else len(buffer)


def _frame_size(buffer: bytes, at: int) -> int:
    """Bytes the frame at `at` takes, as far as can be seen; 0 when its header is damaged."""
    header = buffer[at + 2 : at + HEADER_SIZE]
    if len(header) < HEADER_SIZE - 2:
        return HEADER_SIZE
    length = header[3] << 8 | header[4]
    if crc8(header[:5]) != header[5] or length > MAX_PAYLOAD:
        return 0
    return HEADER_SIZE + (length + 2 if length else 0)


def _checked_payload(buffer: bytes, at: int, size: int) -> bytes | None:
    """The payload of the frame at `at`, or None when its checksum is wrong."""
    if size == HEADER_SIZE:
        return b""
    payload = buffer[at + HEADER_SIZE : at + size - 2]
    return payload if crc16(payload) == buffer[at + size - 2 : at + size] else None
