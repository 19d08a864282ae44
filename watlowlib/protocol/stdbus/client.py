"""Reads and writes on Standard Bus, on a port that may be shared.

Exchanges, retries and the checks of replies are in `protocol/client.py`; this module adds the
frames and payloads of Standard Bus.
"""

from __future__ import annotations

from watlowlib.errors import ErrorContext, WatlowDeviceError
from watlowlib.protocol.client import ProtocolClient
from watlowlib.protocol.exchange import Reply, RetryPolicy, WriteOptions
from watlowlib.protocol.stdbus.frames import Frame, FrameDecoder
from watlowlib.protocol.stdbus.payloads import ReadRequest, WriteRequest, decode_value
from watlowlib.protocol.stdbus.requests import (
    error_from_reply,
    frame_read_request,
    frame_write_request,
    is_error_reply,
)


class StdBusClient(ProtocolClient[Frame]):
    """Reads and writes parameters of the controllers on one port, from any thread.

    The content of a reply is the value's tag and its bytes.
    """

    protocol_name = "Standard Bus"

    def read(
        self, address: int, request: ReadRequest, policy: RetryPolicy, *, urgent: bool = False
    ) -> Reply:
        """Read one parameter; retry after a timeout or a damaged reply.

        Raises:
            WatlowTimeoutError: No matching reply, also after the retries.
            WatlowCRCError: Only damaged replies, also after the retries.
            WatlowDeviceError: The controller sent an error reply.
            WatlowConnectionError: The port is lost.
        """
        return self._read(frame_read_request(address, request), policy, urgent=urgent)

    def write(
        self,
        address: int,
        request: WriteRequest,
        policy: RetryPolicy,
        options: WriteOptions = WriteOptions(),  # noqa: B008 - a frozen value
    ) -> Reply:
        """Write one value; if no echo confirms it, read it back.

        Args:
            address: Controller address, 1 to 16.
            request: The parameter and its value.
            policy: Timeout and retries.
            options: Whether the parameter can be read back, and further options.

        Raises:
            WatlowWriteError: The controller replies, but holds another value.
            WatlowTimeoutError: No reply; it is not known whether the value was stored.
            WatlowCRCError: Only damaged replies; it is not known whether the value was stored.
            WatlowDeviceError: The controller sent an error reply.
            WatlowConnectionError: The port is lost.
        """
        return self._write(
            frame_write_request(address, request),
            frame_read_request(address, ReadRequest(*request[:3])),
            bytes((request.tag,)) + request.data,
            policy,
            options,
        )

    def _decoder(self) -> FrameDecoder:
        return FrameDecoder()

    def _is_error_reply(self, payload: bytes) -> bool:
        return is_error_reply(payload)

    def _error_from(self, payload: bytes, context: ErrorContext) -> WatlowDeviceError:
        return error_from_reply(payload, context)

    def _describe(self, content: bytes) -> object:
        return decode_value(content[0], content[1:])
