"""Reads and writes on Standard Bus, on a port that may be shared.

How questions are asked, again if need be, and what is believed, stands in
`protocol/conversation.py`; here is what they look like on this protocol.
"""

from __future__ import annotations

from watlowlib.errors import ErrorContext, WatlowDeviceError
from watlowlib.protocol.client import Conversation
from watlowlib.protocol.exchange import Answer, Patience, Storing
from watlowlib.protocol.stdbus.frames import Frame, FrameDecoder
from watlowlib.protocol.stdbus.payloads import ReadRequest, WriteRequest, decode_value
from watlowlib.protocol.stdbus.requests import (
    is_refusal,
    read_question,
    refusal,
    write_question,
)


class StdBusClient(Conversation[Frame]):
    """Reads and writes parameters of the controllers on one port, from any thread.

    The content of an answer is the value's tag and its bytes.
    """

    language = "Standard Bus"

    def read(
        self, address: int, request: ReadRequest, patience: Patience, *, urgent: bool = False
    ) -> Answer:
        """Ask for one parameter, again after a timeout or a damaged answer.

        Raises:
            WatlowTimeoutError: No answer that fits, also when asked again.
            WatlowCRCError: Only damaged answers, also when asked again.
            WatlowDeviceError: The controller refused.
            WatlowConnectionError: The port is gone.
        """
        return self._ask(read_question(address, request), patience, urgent=urgent)

    def write(
        self,
        address: int,
        request: WriteRequest,
        patience: Patience,
        storing: Storing = Storing(),  # noqa: B008 - a frozen value
    ) -> Answer:
        """Store one value; when no echo confirms it, read whether it arrived.

        Args:
            address: Controller address, 1 to 16.
            request: What to store.
            patience: How long to wait, and how often to try again.
            storing: Whether the parameter can be read back, and what else there is to know.

        Raises:
            WatlowWriteError: The controller answers, but holds another value.
            WatlowTimeoutError: No answer; whether the value was stored is not known.
            WatlowCRCError: Only damaged answers; whether it was stored is not known.
            WatlowDeviceError: The controller refused.
            WatlowConnectionError: The port is gone.
        """
        return self._store(
            write_question(address, request),
            read_question(address, ReadRequest(*request[:3])),
            bytes((request.tag,)) + request.data,
            patience,
            storing,
        )

    def _listener(self) -> FrameDecoder:
        return FrameDecoder()

    def _is_refusal(self, payload: bytes) -> bool:
        return is_refusal(payload)

    def _refusal(self, payload: bytes, context: ErrorContext) -> WatlowDeviceError:
        return refusal(payload, context)

    def _shown(self, content: bytes) -> object:
        return decode_value(content[0], content[1:])
