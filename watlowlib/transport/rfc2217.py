"""pyserial's client of RFC 2217 servers, changed so that a server cannot exhaust memory.

`rfc2217://` is a TCP connection with the commands of Telnet and RFC 2217, which set the baud rate
and parity of the server's port. pyserial reads the connection in a thread of its own, which ends
when the port is closed. Its buffer here holds at most `MOST_PORTIONS`; what the server sends
beyond that is dropped, like the bytes beyond the buffer of a serial port. The other ports need
no such limit: the kernel has it.
"""

from __future__ import annotations

import queue
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from serial import rfc2217
from serial.serialutil import SerialException, SerialTimeoutException

MOST_PORTIONS, PORTION = 4096, 256
"""The most portions in the buffer of an RFC 2217 client, and the most bytes of a portion."""

LONGEST_COMMAND = 1024
"""The longest Telnet command in bytes; the connection to a server that sends a longer one ends."""

IAC, SUBNEGOTIATION = b"\xff", b"\xfa"

_TOKEN = re.compile(
    rb"[^\xff]+"  # data
    rb"|\xff[\xfb-\xfe]."  # WILL, WONT, DO or DONT, and an option
    rb"|\xff\xfa(?:[^\xff]|\xff[^\xf0])*\xff\xf0"  # a subnegotiation
    rb"|\xff[^\xfa-\xfe]",  # the data byte FF, or another command
    re.DOTALL,
)


class Rfc2217Port(rfc2217.Serial):
    """The client of `rfc2217://`; opened at once, like each port of pyserial that has a name."""

    _socket: socket.socket
    _read_buffer: queue.Queue[bytes]
    _telnet_negotiate_option: Callable[[bytes, bytes], None]
    _telnet_process_subnegotiation: Callable[[bytes], None]

    def __init__(self, port: str, *, write_timeout: float, **settings: Any) -> None:
        self._write_timeout_s = write_timeout  # pyserial's client has none
        super().__init__(port, **settings)

    def open(self) -> None:
        """Connect, and set the server's port."""
        super().open()
        self._socket.settimeout(self._write_timeout_s)

    def close(self) -> None:
        """Disconnect and wait for the thread; pyserial leaves a socket open that was reset."""
        connection = self._socket
        super().close()
        if connection is not None:
            connection.close()

    def write(self, data: Any, /) -> int | None:
        """Send `data`.

        Raises:
            SerialTimeoutException: The server did not accept it within the write timeout.
            SerialException: The connection is lost.
        """
        try:
            return super().write(data)
        except SerialException as error:
            if isinstance(error.__context__, TimeoutError):
                raise SerialTimeoutException("Write timeout") from error
            raise

    def _telnet_read_loop(self) -> None:
        """Receive until the connection ends; pyserial runs this in its thread."""
        self._read_buffer = queue.Queue(MOST_PORTIONS)
        rest = b""
        # ValueError, TypeError: an answer to nothing that was requested.
        with suppress(OSError, ValueError, TypeError):
            while len(rest) <= LONGEST_COMMAND and (data := self._receive()):
                rest = self._process(rest + data)

    def _receive(self) -> bytes:
        """Return the next bytes, `b""` at the end of the connection."""
        while self.is_open:
            with suppress(TimeoutError):
                return self._socket.recv(PORTION)
        return b""

    def _process(self, received: bytes) -> bytes:
        """Queue the data and carry out the commands; return the incomplete command at the end."""
        at, data = 0, b""
        while token := _TOKEN.match(received, at):
            at, command = token.end(), token[0]
            if command[:1] != IAC:
                data += command
            elif command[1:] == IAC:
                data += IAC
            elif command[1:2] == SUBNEGOTIATION:
                self._telnet_process_subnegotiation(command[2:-2].replace(2 * IAC, IAC))
            elif len(command) == 3:
                self._telnet_negotiate_option(command[1:2], command[2:])
        if data:
            with suppress(queue.Full):
                self._read_buffer.put_nowait(data)
        return received[at:]
