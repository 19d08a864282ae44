"""What the protocols need of a port: bytes out, bytes in, and a deadline in every call.

A transport knows nothing of frames. It never blocks past the deadline it was given,
never keeps bytes back, and reports a port that is gone as `WatlowConnectionError`.
`tests/transport/test_conformance.py` holds every transport to this page.
"""

from __future__ import annotations

from typing import Protocol

from watlowlib._internal.clock import Deadline


class Transport(Protocol):
    """A byte pipe to one port. Not safe for several threads: its client's lock sees to that."""

    @property
    def port(self) -> str:
        """The port as the user named it, for messages."""

    @property
    def is_open(self) -> bool:
        """Whether `write` and `read` can be called."""

    def open(self) -> None:
        """Open the port; nothing when it is open.

        Raises:
            WatlowConnectionError: Not there, busy or not permitted; the message says
                what to do.
        """

    def close(self) -> None:
        """Close the port; nothing when it is closed. Never raises."""

    def write(self, data: bytes, deadline: Deadline) -> None:
        """Send all of `data`.

        Raises:
            WatlowTimeoutError: Not everything was taken by the deadline.
            WatlowConnectionError: The port is closed or gone.
        """

    def read(self, deadline: Deadline) -> bytes:
        """Whatever has arrived, waiting until there is at least one byte.

        Returns:
            All bytes there are, or `b""` when the deadline passed in silence. A deadline
            that has passed already reads what is there without waiting.

        Raises:
            WatlowConnectionError: The port is closed or gone.
        """
