"""Codec for Modbus TCP: frames in the bytes of a connection, no I/O and no clock.

::

    transaction id hi, lo | 00 00 | length hi, lo | unit id | function | data of the function

A server returns the transaction id of the request. The length counts the bytes after it. There is
no checksum and no mark at the beginning of a frame: after a wrong length the frames of a connection
cannot be found any more. Source: Modbus messaging on TCP/IP implementation guide 1.0b.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from watlowlib.errors import WatlowFrameError

HEADER = struct.Struct(">HHHB")
LENGTH_END = 6
"""The bytes up to and including the length."""
LENGTHS = range(3, 255)
"""What the length of a request or reply can be: unit id, function and at least one more byte."""
UNITS = range(256)
TRANSACTION_BYTES = 2
TRANSACTIONS = 0x10000


class TcpFrame(NamedTuple):
    """A frame of Modbus TCP that was received."""

    transaction: int
    source: int
    """The unit id, which a reply has from its request."""
    payload: bytes
    """The function and its data."""
    raw: bytes
    """The bytes on the wire."""


def encode_frame(transaction: int, unit: int, payload: bytes) -> bytes:
    """Return the bytes of a frame."""
    return HEADER.pack(transaction, 0, len(payload) + 1, unit) + payload


def size_at(data: bytes, at: int) -> int | None:
    """Return the size of the frame that begins at `at`; None if its length is not there yet.

    Raises:
        WatlowFrameError: No frame of Modbus TCP begins there.
    """
    complete = len(data) - at >= LENGTH_END
    length = data[at + 4] << 8 | data[at + 5] if complete else LENGTHS[0]
    if data[at + 2 : at + 4].strip(b"\0") or length not in LENGTHS:
        raise WatlowFrameError(
            "the bytes received are not a frame of Modbus TCP: "
            f"{data[at : at + LENGTH_END + 2].hex(' ')}"
        )
    return LENGTH_END + length if complete else None


def whole_size(data: bytes) -> int:
    """Return the size of the whole frames at the beginning of `data`.

    Raises:
        WatlowFrameError: The bytes after them are not the beginning of a frame. If there are whole
            frames before them, these are returned first.
    """
    at = 0
    while at < len(data):
        try:
            size = size_at(data, at)
        except WatlowFrameError:
            if at:
                return at
            raise
        if size is None or at + size > len(data):
            break
        at += size
    return at


def split_frames(data: bytes) -> list[TcpFrame]:
    """Return the whole frames at the beginning of `data`."""
    return _split(data)[0]


def _split(data: bytes) -> tuple[list[TcpFrame], int]:
    """Return the whole frames at the beginning of `data`, and where they end."""
    frames, at = [], 0
    try:
        while at < len(data) and (size := size_at(data, at)):
            if at + size > len(data):
                break
            raw = data[at : at + size]
            transaction, _, _, unit = HEADER.unpack_from(raw)
            frames.append(TcpFrame(transaction, unit, raw[HEADER.size :], raw))
            at += size
    except WatlowFrameError:
        pass
    return frames, at


class TcpDecoder:
    """The decoder of an exchange; the transport passes whole frames only."""

    damaged = 0
    pending = b""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[TcpFrame]:
        """Return the frames in `data`, which may be cut into slices."""
        data = self._rest + data
        frames, end = _split(data)
        self._rest = data[end:]
        return frames
