"""Reads and writes of registers, the same on Modbus RTU and on Modbus TCP."""

from __future__ import annotations

import struct
from collections.abc import Hashable, Sequence
from typing import Protocol

from watlowlib.errors import WatlowModbusTimeoutError
from watlowlib.protocol.client import ProtocolClient
from watlowlib.protocol.exchange import F, Reply, Request, RetryPolicy, WriteOptions
from watlowlib.protocol.modbus.requests import error_from_exception, is_from_gateway
from watlowlib.protocol.stats import DeviceStats


class Registers(Protocol):
    """Reads and writes of the registers of controllers, in a client or in a zone of a gateway."""

    byte_time_s: float

    def counter_of(self, slave: int) -> Hashable:
        """Return the key of the counters of a controller."""

    def stats_of(self, counter: Hashable) -> DeviceStats:
        """Return the counters of a controller."""

    def read(self, slave: int, register: int, count: int, policy: RetryPolicy) -> Reply:
        """Read registers."""

    def write(
        self,
        slave: int,
        register: int,
        words: Sequence[int],
        policy: RetryPolicy,
        options: WriteOptions,
    ) -> Reply:
        """Write registers and read them back."""


class RegisterClient(ProtocolClient[F]):
    """Reads and writes registers of the controllers on one port, from any thread.

    The content of a reply is the registers' bytes, high byte first.
    """

    byte_time_s = 0.0
    """Seconds that one byte takes on the wire; 0 on a network."""
    _timeout_error = WatlowModbusTimeoutError
    _error_from = staticmethod(error_from_exception)
    _describe = staticmethod(lambda content: f"registers {content.hex(' ', 2)}")

    def counter_of(self, slave: int) -> Hashable:
        """Return the key of the counters of a controller."""
        return slave

    def read(
        self,
        slave: int,
        register: int,
        count: int,
        policy: RetryPolicy,
        *,
        urgent: bool = False,
        counter: Hashable = None,
    ) -> Reply:
        """Read `count` registers from `register` on; errors as in `ProtocolClient._read`.

        `counter` is the key of the counters of a zone of a gateway.
        """
        request = self._request(slave, register, count, None, counter)
        return self._read(request, policy, urgent=urgent)

    def write(
        self,
        slave: int,
        register: int,
        words: Sequence[int],
        policy: RetryPolicy,
        options: WriteOptions = WriteOptions(),  # noqa: B008 - a frozen value
        *,
        counter: Hashable = None,
    ) -> Reply:
        """Write registers with function 16 and read them back: the reply has no values.

        Options and errors as in `ProtocolClient._write`.
        """
        content = pack_words(words)
        reply = self._write(
            self._request(slave, register, len(words), tuple(words), counter),
            self._request(slave, register, len(words), None, counter),
            content,
            policy,
            options,
        )
        return reply if reply.content else reply._replace(content=content)

    def _is_from_gateway(self, request: Request[F], payload: bytes) -> bool:
        return is_from_gateway(payload, zone=request.counter != request.station)

    def _request(
        self,
        slave: int,
        register: int,
        count: int,
        words: tuple[int, ...] | None,
        zone: Hashable,
    ) -> Request[F]:
        """Return a request to write `words`, or to read `count` registers if they are None."""
        raise NotImplementedError


def pack_words(words: Sequence[int]) -> bytes:
    """Return the bytes of register words."""
    return struct.pack(f">{len(words)}H", *words)
