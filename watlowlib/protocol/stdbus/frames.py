"""Codec for BACnet MS/TP frames: no I/O and no clock.

::

    55 FF | type | destination | source | length hi, lo | CRC-8 | payload | CRC-16 lo, hi

Type 05 is a request, 06 a reply. Controller address 1..16 is MAC 0x10..0x1F, the host
is MAC 0x00. A payload of length 0 has no CRC-16. Source: frames captured from a PM3.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from watlowlib.errors import WatlowFrameError
from watlowlib.protocol.stdbus.crc import crc8, crc16, is_intact

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


class ReceivedFrame(NamedTuple):
    """A frame that was received, and its bytes on the wire."""

    type: int
    destination: int
    source: int
    payload: bytes
    raw: bytes


class FrameDecoder:
    """Finds frames in bytes that arrive in any portions, with noise between the frames.

    Bytes outside complete, undamaged frames are skipped. After a damaged frame the search
    continues right after its first byte, which finds a good frame inside a truncated one.

    Attributes:
        damaged: Headers or payloads with a wrong checksum.
        pending: The bytes kept because they may be the beginning of a frame.
    """

    def __init__(self) -> None:
        self.pending = b""
        self.damaged = 0

    def feed(self, data: bytes) -> list[ReceivedFrame]:
        """Add the next portion and return the frames that are complete now, in order."""
        buffer = self.pending + data if self.pending else data
        frames: list[ReceivedFrame] = []
        at = 0
        while at < len(buffer):
            if not buffer.startswith(PREAMBLE, at):
                at = _next_start(buffer, at)
            size = _frame_size(buffer[at + 2 : at + HEADER_SIZE])
            raw = buffer[at : at + size]
            if len(raw) < size:
                break
            if size and (size == HEADER_SIZE or is_intact(raw[HEADER_SIZE:])):
                frames.append(ReceivedFrame(raw[2], raw[3], raw[4], raw[HEADER_SIZE:-2], raw))
                at += size
            else:
                self.damaged += 1
                at += 1
        self.pending = buffer[at:]
        return frames


def _next_start(buffer: bytes, at: int) -> int:
    """Return where the next preamble begins, or may begin with the buffer's last byte."""
    start = buffer.find(PREAMBLE, at)
    if start >= 0:
        return start
    return len(buffer) - 1 if at < len(buffer) and buffer[-1] == PREAMBLE[0] else len(buffer)


@lru_cache(maxsize=1024)  # a controller's replies have few different headers
def _frame_size(header: bytes) -> int:
    """Return the size of a frame, as far as known; 0 if its header is damaged.

    `header` is what has been received of the bytes after the preamble.
    """
    if len(header) < HEADER_SIZE - 2:
        return HEADER_SIZE
    length = header[3] << 8 | header[4]
    if crc8(header[:5]) != header[5] or length > MAX_PAYLOAD:
        return 0
    return HEADER_SIZE + (length + 2 if length else 0)
