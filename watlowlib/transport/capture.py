"""A transport that writes all bytes of another transport, with their times, into a capture.

The capture has what the port did, not only good frames: noise, bytes without a request, reads
that ended without a byte, and the failures of the port. `replay.py` answers from it.

Before a request the line is emptied with a read whose deadline is `Deadline(0.0)`. Bytes that were
read from then on until the next request have the field "stale": they are not part of the reply,
however soon a replay reads them.
"""

from __future__ import annotations

from typing import Any

from watlowlib._internal.clock import Deadline
from watlowlib._internal.process import NotCopied
from watlowlib._internal.validation import masked
from watlowlib.errors import WatlowError
from watlowlib.model import ProtocolKind
from watlowlib.transport.base import Transport
from watlowlib.transport.capture_file import CaptureFile, open_capture
from watlowlib.transport.capture_options import CaptureOptions
from watlowlib.transport.settings import SerialSettings

MOST_RAW = 4096
"""The most bytes of one line; a read that returns more has several."""


class CapturedTransport(NotCopied):
    """Passes all calls to `captured`, and writes what they did into a capture.

    The file is open from the first `open` until `close`, also while the port is lost.

    Args:
        captured: The transport of the port.
        options: Where to write.
        protocol: The protocol, in each line; None where it is not known.
        settings: The settings of the port, in the line "opened".
    """

    def __init__(
        self,
        captured: Transport,
        options: CaptureOptions,
        protocol: ProtocolKind | None = None,
        settings: SerialSettings | None = None,
    ) -> None:
        self.captured = captured
        self._options = options
        self._fields = {"port": masked(captured.port)}
        if protocol is not None:
            self._fields["protocol"] = str(protocol)
        self._settings: dict[str, Any] = {}
        if settings is not None and protocol is not ProtocolKind.MODBUS_TCP:
            self._settings = {"baudrate": settings.baudrate, "parity": settings.parity}
        self._file: CaptureFile | None = None
        self._stale = False

    @property
    def port(self) -> str:
        """The port name as the user gave it."""
        return self.captured.port

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        return self.captured.is_open

    def open(self) -> None:
        """Open the capture and the port."""
        if self._file is None:
            self._file = open_capture(*self._options)
        if self.captured.is_open:
            return
        try:
            self.captured.open()
        except WatlowError as error:
            self._note_failure("open", error)
            raise
        self._note("opened", **self._settings)

    def close(self) -> None:
        """Close the port and, after the last port of it, the capture."""
        was_open = self.captured.is_open
        self.captured.close()
        file = self._file
        if file is not None:
            if was_open:
                self._note("closed")
            self._file = None
            file.leave()

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        self._stale = False
        try:
            self.captured.write(data)
        except WatlowError as error:
            self._note_failure("write", error, raw=data[:MOST_RAW])
            raise
        self._note("sent", raw=data[:MOST_RAW])

    def read(self, deadline: Deadline) -> bytes:
        """Return what arrives by the deadline."""
        if deadline.at_s <= 0.0:
            self._stale = True
        try:
            data = self.captured.read(deadline)
        except WatlowError as error:
            self._note_failure("read", error)
            raise
        for at in range(0, len(data), MOST_RAW):
            self._note("received", raw=data[at : at + MOST_RAW])
        if not data and not self._stale:
            self._note("timeout")
        return data

    def _note(self, what: str, **fields: Any) -> None:
        if self._file is not None:
            if self._stale:
                fields["stale"] = True
            self._file.add({**self._fields, "what": what, **fields})

    def _note_failure(self, call: str, error: WatlowError, **fields: Any) -> None:
        self._note(
            "failed",
            call=call,
            error=type(error).__name__,
            message=masked(error.message),
            **fields,
        )
