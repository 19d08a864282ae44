"""Reads and writes of registers, the same on Modbus RTU and on Modbus TCP."""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Sequence

from watlowlib.errors import WatlowModbusTimeoutError
from watlowlib.protocol.client import ProtocolClient
from watlowlib.protocol.exchange import F, Reply, Request, RetryPolicy, WriteOptions
from watlowlib.protocol.modbus.requests import error_from_exception, is_exception, is_from_gateway


class RegisterClient(ProtocolClient[F]):
    """Reads and writes registers of the controllers on one port, from any thread.

    The content of a reply is the registers' bytes, high byte first.
    """

    byte_time_s = 0.0
    """Seconds that one byte takes on the wire; 0 on a network."""
    _timeout_error = WatlowModbusTimeoutError
    _is_error_reply = staticmethod(is_exception)
    _is_from_gateway = staticmethod(is_from_gateway)
    _error_from = staticmethod(error_from_exception)
    _describe = staticmethod(lambda content: f"registers {content.hex(' ', 2)}")

    def read(
        self, slave: int, register: int, count: int, policy: RetryPolicy, *, urgent: bool = False
    ) -> Reply:
        """Read `count` registers from `register` on; errors as in `ProtocolClient._read`."""
        return self._read(self._request(slave, register, count), policy, urgent=urgent)

    def write(
        self,
        slave: int,
        register: int,
        words: Sequence[int],
        policy: RetryPolicy,
        options: WriteOptions = WriteOptions(),  # noqa: B008 - a frozen value
    ) -> Reply:
        """Write registers with function 16 and read them back: the reply has no values.

        Options and errors as in `ProtocolClient._write`.
        """
        content = pack_words(words)
        reply = self._write(
            self._request(slave, register, len(words), tuple(words)),
            self._request(slave, register, len(words)),
            content,
            policy,
            options,
        )
        return reply if reply.content else reply._replace(content=content)

    @abstractmethod
    def _request(
        self, slave: int, register: int, count: int, words: tuple[int, ...] | None = None
    ) -> Request[F]:
        """Return a request to write `words`, or to read `count` registers."""


def pack_words(words: Sequence[int]) -> bytes:
    """Return the bytes of register words."""
    return struct.pack(f">{len(words)}H", *words)
