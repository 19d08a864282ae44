"""Reads and writes of registers over Modbus TCP, on a connection that may be shared.

Each request has a transaction id of its own, and only the reply with this id is accepted. So after
a timeout no silence is needed, and a late reply is recognized however late it is. If a frame is
incomplete at the timeout, its length may be wrong: the connection is closed and opened again.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Hashable, Set
from dataclasses import dataclass

from watlowlib.errors import (
    WatlowConnectionError,
    WatlowCRCError,
    WatlowLineNotQuietError,
    WatlowTimeoutError,
)
from watlowlib.protocol.exchange import Call, ExchangeResult, Request
from watlowlib.protocol.late_replies import PendingReplies
from watlowlib.protocol.modbus.frames import READ_HOLDING, WRITE_MANY
from watlowlib.protocol.modbus.mbap import (
    TRANSACTIONS,
    TcpDecoder,
    TcpFrame,
    split_frames,
)
from watlowlib.protocol.modbus.registers import RegisterClient, pack_words
from watlowlib.protocol.modbus.requests import ModbusFrame, RtuRequest
from watlowlib.protocol.port import Port
from watlowlib.transport.tcp_port import TcpTransport
from watlowlib.transport.urls import MODBUS_PORT


@dataclass
class TcpRequest(RtuRequest):
    """A request to a unit; `station` is its id.

    Attributes:
        transaction: The transaction id of the attempt that is sent next or was sent last.
    """

    transaction: int = -1

    @property
    def reply_key(self) -> Hashable:  # type: ignore[override]
        """The transaction id, which no other pending reply has."""
        return self.transaction

    def fits(self, frame: ModbusFrame) -> bool:
        """Whether `frame` is the reply to this request, with registers or an exception."""
        assert isinstance(frame, TcpFrame)
        return frame.transaction == self.transaction and super().fits(frame)

    def sent_as(self, transaction: int) -> TcpRequest:
        """Return the request for one attempt, with its frame."""
        head = struct.pack(
            ">BHH", READ_HOLDING if self.words is None else WRITE_MANY, self.register, self.count
        )
        data = b"" if self.words is None else bytes((2 * self.count,)) + pack_words(self.words)
        return TcpRequest(
            self.station,
            self.register,
            self.count,
            self.words,
            self.byte_time_s,
            TcpFrame(transaction, self.station, head + data).raw,
            self.zone,
            transaction,
        )


class ModbusTcpClient(RegisterClient[TcpFrame]):
    """Reads and writes registers of the units behind one Modbus TCP server, from any thread."""

    _request_type = TcpRequest
    protocol_name = "Modbus TCP"
    _decoder = TcpDecoder

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        self._transactions = itertools.count(1)

    def close(self) -> None:
        """Close the connection for good; no late reply can come."""
        super().close()
        self.pending_replies = PendingReplies()

    def _marker(self, request: Request[TcpFrame], keys: Set[Hashable]) -> None:
        """Return None: no late reply can be taken for another."""

    def _exchange(self, call: Call, request: Request[TcpFrame]) -> ExchangeResult:
        assert isinstance(request, TcpRequest)
        call.begin_group()  # the reply to an earlier attempt is late, too
        return super()._exchange(call, request.sent_as(next(self._transactions) % TRANSACTIONS))

    def _prepare_line(self, opening: int | None) -> None:
        """Discard late replies; connect again if the server has closed the connection meanwhile."""
        was_open = self.port.line.transport.is_open
        try:
            super()._prepare_line(opening)
        except WatlowLineNotQuietError as error:
            self.port.line.transport.close()
            raise WatlowConnectionError(
                "the server keeps sending frames that no request asked for; the connection was "
                "closed",
                context=error.context,
            ) from error
        except WatlowConnectionError:
            if not was_open or self.port.line.transport.is_open:
                raise
            super()._prepare_line(opening)

    def _no_reply_error(
        self, call: Call, request: Request[TcpFrame], received: bytes, *, damaged: bool
    ) -> WatlowTimeoutError | WatlowCRCError:
        self._count(request.counter, "timeouts")
        transport = self.port.line.transport
        assert isinstance(request, TcpRequest)
        reason = _reason(request, received)
        if isinstance(transport, TcpTransport):
            if transport.partial:
                received += transport.partial
                reason = (
                    f"the reply is incomplete, {len(transport.partial)} bytes; the connection was "
                    "closed and is opened again"
                )
                transport.close()
            elif not received and not transport.device.endswith(f":{MODBUS_PORT}"):
                reason += f". Or if {transport.port} leads to a serial line, give 'socket://"
                reason += f"{transport.device[6:]}' and the protocol of the line"
        return self._timeout_error(reason, context=self._context(call, request, received))


def _reason(request: TcpRequest, received: bytes) -> str:
    """Return why there is no reply to a request, as far as the frames received tell."""
    for frame in split_frames(received):
        if frame.transaction == request.transaction and frame.source != request.station:
            return (
                f"a reply for unit id {frame.source} came, but unit id {request.station} was "
                f"addressed; give address={frame.source}, if that is the controller"
            )
    if received:
        return f"{len(received)} bytes were received, but no reply to this request"
    return (
        "no reply; is the controller on, and is its unit id the address? A server that is busy "
        "with another client may not reply either"
    )
