"""pyserial's client of `socket://`, changed to work with descriptors above 1023.

pyserial waits with `select.select`, which refuses such a descriptor, except on Windows.
"""

from __future__ import annotations

import socket
from contextlib import suppress

from serial.serialutil import PortNotOpenError, SerialException, SerialTimeoutException
from serial.urlhandler import protocol_socket

from watlowlib._internal.clock import Deadline
from watlowlib.transport.descriptors import is_ready_by, waiter


class SocketPort(protocol_socket.Serial):
    """The client of `socket://`; opened at once, like each port of pyserial that has a name."""

    _socket: socket.socket | None
    _write_timeout: float

    def read(self, size: int = 1) -> bytes:
        """Return at most `size` of the bytes received so far; do not wait."""
        try:
            data = self._connection().recv(size)
        except BlockingIOError:
            return b""
        if not data:
            raise SerialException("the server closed the connection")
        return data

    def write(self, data: bytes) -> int:  # type: ignore[override] # no other buffers are sent
        """Send all of `data` within the write timeout."""
        connection = self._connection()
        deadline = Deadline.after(self._write_timeout)
        left = memoryview(data)
        while left:
            try:
                left = left[connection.send(left) :]
            except BlockingIOError:
                if not is_ready_by(deadline, waiter(connection, to_write=True)):
                    raise SerialTimeoutException("write timeout") from None
        return len(data)

    def reset_input_buffer(self) -> None:
        """Discard the bytes received so far."""
        with suppress(BlockingIOError):
            while self._connection().recv(4096):
                pass

    def _connection(self) -> socket.socket:
        if self._socket is None:
            raise PortNotOpenError
        return self._socket
