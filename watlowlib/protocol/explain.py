"""Explains bytes of the wire: finds frames, and explains each frame and the bytes between them.

    for frame in Explainer().explain(bytes.fromhex("55FF0510000006E8010301040101E399")):
        print(frame.kind, [field.meaning for field in frame.fields])

The decoders of the clients find the good frames. What they skip is a damaged frame or noise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from watlowlib.model import ProtocolKind
from watlowlib.protocol.explanation import Explanation, noise
from watlowlib.protocol.modbus import explain as modbus
from watlowlib.protocol.modbus.frames import (
    LONGEST,
    SHORTEST,
    RtuDecoder,
    crc16,
    reply_sizes,
)
from watlowlib.protocol.modbus.mbap import split_frames
from watlowlib.protocol.modbus.requests import CRC_BYTES
from watlowlib.protocol.stdbus import explain as stdbus
from watlowlib.protocol.stdbus.frames import PREAMBLE, FrameDecoder


class Explainer:
    """Explains bytes in the order in which they were on the wire.

    It keeps the last good frame, because a reply may depend on the request before it.

    Args:
        protocol: The protocol of all frames. AUTO: bytes with a preamble 55 FF are Standard Bus,
            bytes with a valid Modbus CRC are Modbus RTU, bytes with the head of Modbus TCP and
            the length in it are that, and others have the protocol of the frame before them.
    """

    def __init__(self, protocol: ProtocolKind = ProtocolKind.AUTO) -> None:
        self._given = protocol
        self._last_protocol: ProtocolKind | None = None
        self._last_frame = b""

    def explain(
        self, data: bytes, protocol: ProtocolKind = ProtocolKind.AUTO
    ) -> Iterator[Explanation]:
        """Yield an explanation of each frame in `data`, and of the bytes that are no frame.

        Args:
            data: Any bytes; a frame does not continue in the next call.
            protocol: The protocol of these bytes, if a file names it. A protocol given to the
                explainer takes precedence.
        """
        kind = self._protocol_of(data, protocol)
        if kind is None:
            problem = (
                "neither a preamble 55 FF nor a valid Modbus CRC nor the head of Modbus TCP; "
                "give the protocol"
            )
            yield noise(data, None, problem)
            return
        if kind is not self._last_protocol:
            self._last_protocol, self._last_frame = kind, b""
        codec = _CODECS[kind]
        for part, is_frame in _split(data, codec):
            if not is_frame:
                yield noise(part, kind, "no frame begins here")
                continue
            frame = codec.explain_frame(part, self._last_frame)
            if not frame.problems:
                self._last_frame = part
            yield frame

    def _protocol_of(self, data: bytes, named: ProtocolKind) -> ProtocolKind | None:
        for kind in (self._given, named):
            if kind is not ProtocolKind.AUTO:
                return kind
        if data.startswith(PREAMBLE) or _stdbus_frames(data):
            return ProtocolKind.STDBUS
        if _modbus_frames(data):
            return ProtocolKind.MODBUS_RTU
        if _tcp_frames(data):
            return ProtocolKind.MODBUS_TCP
        return ProtocolKind.STDBUS if PREAMBLE in data else self._last_protocol


class _Codec(NamedTuple):
    explain_frame: Callable[[bytes, bytes], Explanation]
    frames: Callable[[bytes], list[bytes]]
    """Returns the good frames in bytes, in order."""
    rest: Callable[[bytes], Iterator[tuple[bytes, bool]]]
    """Splits bytes without a good frame; the flag says whether a damaged one begins there."""


def _split(data: bytes, codec: _Codec) -> Iterator[tuple[bytes, bool]]:
    at = 0
    for frame in codec.frames(data):
        start = data.index(frame, at)
        yield from codec.rest(data[at:start])
        yield frame, True
        at = start + len(frame)
    yield from codec.rest(data[at:])


def _stdbus_frames(data: bytes) -> list[bytes]:
    return [frame.raw for frame in FrameDecoder().feed(data)]


def _stdbus_rest(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Split at the preambles."""
    before, *damaged = data.split(PREAMBLE)
    if before:
        yield before, False
    for part in damaged:
        yield PREAMBLE + part, True


def _modbus_frames(data: bytes) -> list[bytes]:
    whole = SHORTEST <= len(data) <= LONGEST and crc16(data[:-CRC_BYTES]) == data[-CRC_BYTES:]
    return [data] if whole else [frame.raw for frame in RtuDecoder(reply_sizes).feed(data)]


def _tcp_frames(data: bytes) -> list[bytes]:
    """Return the frames if there are no bytes after them: no checksum tells a frame from noise."""
    frames = [frame.raw for frame in split_frames(data)]
    return frames if sum(map(len, frames)) == len(data) else []


def _tcp_rest(data: bytes) -> Iterator[tuple[bytes, bool]]:
    if data:
        yield data, True


def _modbus_rest(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Take bytes that begin like a frame for a damaged one."""
    size = LONGEST if modbus.looks_like_frame(data) else 0
    if data[:size]:
        yield data[:size], True
    if data[size:]:
        yield data[size:], False


_CODECS = {
    ProtocolKind.STDBUS: _Codec(stdbus.explain_frame, _stdbus_frames, _stdbus_rest),
    ProtocolKind.MODBUS_RTU: _Codec(modbus.explain_frame, _modbus_frames, _modbus_rest),
    ProtocolKind.MODBUS_TCP: _Codec(modbus.explain_tcp_frame, _tcp_frames, _tcp_rest),
}
