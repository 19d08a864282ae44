"""The interface of a transport: write bytes and read bytes, both in limited time.

A transport knows nothing about frames. A read never blocks past its deadline and returns received
bytes at once; a write has a limit of its own, because pyserial's is set when the port is opened.
A lost port raises `WatlowConnectionError`. `tests/transport/test_conformance.py` tests every
transport against this interface.
"""

from __future__ import annotations

from typing import Protocol

from watlowlib._internal.clock import Deadline


class Transport(Protocol):
    """A byte stream to one port. Not thread-safe: the lock of `Port` serializes its users."""

    @property
    def port(self) -> str:
        """The port name as the user gave it, for messages."""

    @property
    def is_open(self) -> bool:
        """Whether `write` and `read` can be called."""

    def open(self) -> None:
        """Open the port; does nothing if it is open.

        Raises:
            WatlowConnectionError: The port does not exist, is busy or not permitted; the
                message says what to do.
        """

    def close(self) -> None:
        """Close the port; does nothing if it is closed. Never raises."""

    def write(self, data: bytes) -> None:
        """Send all of `data`, in about a second at most.

        Raises:
            WatlowTimeoutError: The port did not accept all bytes in time.
            WatlowConnectionError: The port is closed or lost.
        """

    def read(self, deadline: Deadline) -> bytes:
        """Wait for at least one byte and return all bytes received.

        Returns:
            The bytes, or `b""` if none arrived by the deadline. If the deadline has already
            passed, bytes received before are returned without waiting.

        Raises:
            WatlowConnectionError: The port is closed or lost.
        """
