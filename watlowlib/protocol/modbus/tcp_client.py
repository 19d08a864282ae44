"""Reads and writes of registers over Modbus TCP, on a connection that may be shared.

Each request has a transaction id of its own, and only the reply with this id is accepted. So after
a timeout no silence is needed, and a late reply is recognized however late it is. If a frame is
incomplete at the timeout, its length may be wrong: the connection is closed and opened again.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Hashable, Set
from functools import lru_cache
from typing import NamedTuple

from watlowlib.errors import (
    WatlowConnectionError,
    WatlowCRCError,
    WatlowLineNotQuietError,
    WatlowTimeoutError,
)
from watlowlib.model.text import counted
from watlowlib.protocol.exchange import Call, Reply, Request
from watlowlib.protocol.late_replies import PendingReplies
from watlowlib.protocol.modbus.frames import READ_HOLDING, WRITE_MANY
from watlowlib.protocol.modbus.mbap import (
    TRANSACTION_BYTES,
    TRANSACTIONS,
    TcpDecoder,
    TcpFrame,
    encode_frame,
    split_frames,
)
from watlowlib.protocol.modbus.registers import RegisterClient, pack_words
from watlowlib.protocol.modbus.requests import is_reply, reply_begin
from watlowlib.protocol.port import Port
from watlowlib.transport.tcp_port import TcpTransport
from watlowlib.transport.urls import MODBUS_PORT


class TcpRequest(NamedTuple):
    """A request to a unit.

    Attributes:
        station: The unit id.
        tail: What follows the transaction id in the frame.
        expected: The first bytes of the reply's payload, before the registers.
        content_size: The number of register bytes in the reply.
        counter: The key of the controller's counters.
        transaction: The transaction id of the attempt that sends it; -1 before the first.
        frame: The bytes of this attempt.
        wire_s: 0, because a network takes no significant time.
    """

    station: int
    tail: bytes
    expected: bytes
    content_size: int
    counter: Hashable
    transaction: int = -1
    frame: bytes = b""
    wire_s: float = 0.0

    @property
    def address(self) -> int:
        """The unit id, as users count it."""
        return self.station

    @property
    def reply_key(self) -> int:
        """The transaction id, which no other pending reply has."""
        return self.transaction

    def fits(self, frame: TcpFrame) -> bool:
        """Whether `frame` is the reply to this request, with registers or an exception."""
        return (
            frame.transaction == self.transaction
            and frame.source == self.station
            and is_reply(frame.payload, self.expected, self.content_size)
        )

    def sent_as(self, transaction: int) -> TcpRequest:
        """Return the request for one attempt, with its frame."""
        frame = transaction.to_bytes(TRANSACTION_BYTES, "big") + self.tail
        return TcpRequest(*self[:5], transaction, frame)


@lru_cache(maxsize=4096)
def read_request(unit: int, register: int, count: int, zone: Hashable) -> TcpRequest:
    """Return the request to read registers; `zone` is the key of the counters of a zone."""
    payload = struct.pack(">BHH", READ_HOLDING, register, count)
    counter = unit if zone is None else zone
    expected = reply_begin(register, count, None)
    return TcpRequest(unit, _tail(unit, payload), expected, 2 * count, counter)


def write_request(unit: int, register: int, words: tuple[int, ...], zone: Hashable) -> TcpRequest:
    """Return the request to write registers; `zone` is the key of the counters of a zone."""
    head = struct.pack(">BHHB", WRITE_MANY, register, len(words), 2 * len(words))
    expected = reply_begin(register, len(words), words)
    counter = unit if zone is None else zone
    return TcpRequest(unit, _tail(unit, head + pack_words(words)), expected, 0, counter)


def _tail(unit: int, payload: bytes) -> bytes:
    return encode_frame(0, unit, payload)[TRANSACTION_BYTES:]


class ModbusTcpClient(RegisterClient[TcpFrame]):
    """Reads and writes registers of the units behind one Modbus TCP server, from any thread."""

    protocol_name = "Modbus TCP"
    _decoder = TcpDecoder

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        self._transactions = itertools.count(1)

    def close(self) -> None:
        """Close the connection for good; no late reply can come."""
        super().close()
        self.pending_replies = PendingReplies()

    def _request(
        self,
        slave: int,
        register: int,
        count: int,
        words: tuple[int, ...] | None,
        zone: Hashable,
    ) -> TcpRequest:
        if words is None:
            return read_request(slave, register, count, zone)
        return write_request(slave, register, words, zone)

    def _settle_late_replies(
        self, call: Call, request: Request[TcpFrame], keys: Set[Hashable]
    ) -> None:
        """Send no marker: no late reply can be taken for another."""

    def _exchange(self, call: Call, request: Request[TcpFrame]) -> Reply:
        assert isinstance(request, TcpRequest)
        call.group = object()  # the reply to an earlier attempt is late, too
        return super()._exchange(call, request.sent_as(next(self._transactions) % TRANSACTIONS))

    def _prepare_line(self, opening: int | None) -> None:
        """Discard late replies; connect again if the server has closed the connection meanwhile."""
        was_open = self._line.transport.is_open
        try:
            super()._prepare_line(opening)
        except WatlowLineNotQuietError as error:
            self._line.transport.close()
            raise WatlowConnectionError(
                "the server keeps sending frames that no request asked for; the connection was "
                "closed",
                context=error.context,
            ) from error
        except WatlowConnectionError as error:
            if not was_open or self._line.transport.is_open:
                raise
            self._line.note_failure(error)
            super()._prepare_line(opening)

    def _no_reply_error(
        self, call: Call, request: Request[TcpFrame], received: bytes, *, damaged: bool
    ) -> WatlowTimeoutError | WatlowCRCError:
        self._count(request.counter, "timeouts")
        transport = self._line.transport
        assert isinstance(request, TcpRequest)
        reason = _reason(request, received)
        if isinstance(transport, TcpTransport):
            if transport.partial:
                received += transport.partial
                reason = (
                    f"the reply is incomplete, {counted(len(transport.partial), 'byte')}; the "
                    "connection was closed and is opened again"
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
        how_many = counted(len(received), "byte was", "bytes were")
        return f"{how_many} received, but no reply to this request"
    return (
        "no reply; is the controller on, and is its unit id the address? A server that is busy "
        "with another client may not reply either"
    )
