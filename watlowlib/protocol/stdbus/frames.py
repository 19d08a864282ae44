"""Codec for BACnet MS/TP frames: no I/O and no clock.

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
VARIED_HOST_MACS = range(0x20, 0x7F)
"""Above the controllers' MACs; MS/TP masters are 0 to 127."""
HEADER_SIZE = 8
MAX_PAYLOAD = 501
"""The longest payload of an MS/TP frame; a header with a longer length is noise."""

ADDRESSES = range(1, 17)


def mac_of(address: int) -> int:
    """Return the MAC of controller address 1..16."""
    return 0x0F + address


def address_of(mac: int) -> int:
    """Return the controller address of a MAC 0x10..0x1F."""
    return mac - 0x0F


class Frame(NamedTuple):
    """A frame with correct checksums."""

    type: int
    destination: int
    source: int
    payload: bytes

    @property
    def raw(self) -> bytes:
        """The bytes on the wire."""
        return encode_frame(self)


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes of `frame`, preamble and checksums included.

    Raises:
        WatlowFrameError: The payload is longer than `MAX_PAYLOAD`.
    """
    kind, destination, source, payload = frame
    length = len(payload)
    if length > MAX_PAYLOAD:
        raise WatlowFrameError(f"payload of {length} bytes; a frame holds at most {MAX_PAYLOAD}")
    header = bytes((kind, destination, source, length >> 8, length & 0xFF))
    check = bytes((crc8(header),))
    return PREAMBLE + header + check + (payload + crc16(payload) if payload else b"")


class FrameDecoder:
    """Finds frames in bytes that arrive in any portions, with noise between the frames.

    Bytes outside complete, undamaged frames are skipped. After a damaged frame the search
    continues right after its first byte, which finds a good frame inside a truncated one.

    Attributes:
        used: Bytes consumed so far, frames and noise together.
        skipped: The part of `used` that was noise.
        damaged: Headers or payloads with a wrong checksum.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self.used = 0
        self.skipped = 0
        self.damaged = 0

    @property
    def pending(self) -> int:
        """The number of bytes kept because they may be the beginning of a frame."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Add the next portion and return the frames that are complete now, in order."""
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
    """Return where the next preamble begins, or may begin with the buffer's last byte."""
    start = buffer.find(PREAMBLE, at)
    if start >= 0:
        return start
    return len(buffer) - 1 if at < len(buffer) and buffer[-1] == PREAMBLE[0] else len(buffer)


def _frame_size(buffer: bytes, at: int) -> int:
    """Return the size of the frame at `at`, as far as known; 0 if its header is damaged."""
    header = buffer[at + 2 : at + HEADER_SIZE]
    if len(header) < HEADER_SIZE - 2:
        return HEADER_SIZE
    length = header[3] << 8 | header[4]
    if crc8(header[:5]) != header[5] or length > MAX_PAYLOAD:
        return 0
    return HEADER_SIZE + (length + 2 if length else 0)


def _checked_payload(buffer: bytes, at: int, size: int) -> bytes | None:
    """Return the payload of the frame at `at`, or None if its checksum is wrong."""
    if size == HEADER_SIZE:
        return b""
    payload = buffer[at + HEADER_SIZE : at + size - 2]
    return payload if crc16(payload) == buffer[at + size - 2 : at + size] else None
