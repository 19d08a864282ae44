"""Reads and writes on Standard Bus, on a port that may be shared.

Exchanges, retries and the checks of replies are in `protocol/client.py`; this module adds the
frames and payloads of Standard Bus.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Set

from watlowlib.protocol.client import ProtocolClient
from watlowlib.protocol.exchange import Reply, Request, RetryPolicy, WriteOptions
from watlowlib.protocol.port import Port
from watlowlib.protocol.stdbus.frames import (
    HOST_MAC,
    VARIED_HOST_MACS,
    FrameDecoder,
    ReceivedFrame,
)
from watlowlib.protocol.stdbus.payloads import ReadRequest, WriteRequest, decode_content
from watlowlib.protocol.stdbus.requests import (
    StdBusRequest,
    error_from_reply,
    frame_read_request,
    frame_write_request,
)

MARKERS = tuple(ReadRequest(1, member, 1) for member in range(1, 9))
"""The numbers 1001 to 1008 identify a controller; each EZ-ZONE has them."""


class StdBusClient(ProtocolClient[ReceivedFrame]):
    """Reads and writes parameters of the controllers on one port, from any thread.

    The content of a reply is the value's tag and its bytes.
    """

    protocol_name = "Standard Bus"
    _decoder = FrameDecoder
    _error_from = staticmethod(error_from_reply)
    _describe = staticmethod(decode_content)

    def __init__(self, port: Port, *, vary_source: bool = False) -> None:
        super().__init__(port)
        self._hosts = itertools.cycle(VARIED_HOST_MACS if vary_source else (HOST_MAC,))

    def read(
        self, address: int, request: ReadRequest, policy: RetryPolicy, *, urgent: bool = False
    ) -> Reply:
        """Read one parameter; errors as in `ProtocolClient._read`."""
        framed = frame_read_request(address, request, next(self._hosts))
        return self._read(framed, policy, urgent=urgent)

    def write(
        self,
        address: int,
        request: WriteRequest,
        policy: RetryPolicy,
        options: WriteOptions = WriteOptions(),  # noqa: B008 - a frozen value
    ) -> Reply:
        """Write one value; options and errors as in `ProtocolClient._write`."""
        return self._write(
            frame_write_request(address, request, next(self._hosts)),
            frame_read_request(address, ReadRequest(*request[:3]), next(self._hosts)),
            bytes((request.tag,)) + request.data,
            policy,
            options,
        )

    def _marker(self, request: Request[ReceivedFrame], keys: Set[Hashable]) -> StdBusRequest | None:
        for content in MARKERS:
            marker = frame_read_request(request.address, content, next(self._hosts))
            if marker.reply_key not in keys:
                return marker
        return None
