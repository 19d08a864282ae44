"""Reads and writes on Standard Bus, on a port that may be shared.

How questions are asked, again if need be, and what is believed, stands in
`protocol/conversation.py`; here is what they look like on this protocol.
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

    The content of an answer is the value's tag and its bytes.
    """

    protocol_name = "Standard Bus"

    def read(
        self, address: int, request: ReadRequest, policy: RetryPolicy, *, urgent: bool = False
    ) -> Reply:
        """Ask for one parameter, again after a timeout or a damaged answer.

        Raises:
            WatlowTimeoutError: No answer that fits, also when asked again.
            WatlowCRCError: Only damaged answers, also when asked again.
            WatlowDeviceError: The controller refused.
            WatlowConnectionError: The port is gone.
        """
        return self._ask(frame_read_request(address, request), policy, urgent=urgent)

    def write(
        self,
        address: int,
        request: WriteRequest,
        policy: RetryPolicy,
        options: WriteOptions = WriteOptions(),  # noqa: B008 - a frozen value
    ) -> Reply:
        """Store one value; when no echo confirms it, read whether it arrived.

        Args:
            address: Controller address, 1 to 16.
            request: What to store.
            policy: How long to wait, and how often to try again.
            options: Whether the parameter can be read back, and what else there is to know.

        Raises:
            WatlowWriteError: The controller answers, but holds another value.
            WatlowTimeoutError: No answer; whether the value was stored is not known.
            WatlowCRCError: Only damaged answers; whether it was stored is not known.
            WatlowDeviceError: The controller refused.
            WatlowConnectionError: The port is gone.
        """
        return self._store(
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
