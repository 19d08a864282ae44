"""A serial device server: pyserial's own RFC 2217 server, in front of a pty."""

from __future__ import annotations

import contextlib
import select
import socket
import threading

import serial
from serial.rfc2217 import PortManager

from watlowlib._internal.threads import Worker

CHUNK = 1024
TIMEOUT_S = 10.0


class ServedPort(serial.Serial):
    """A pty, which has no modem lines."""

    cts = dsr = ri = cd = False  # type: ignore[assignment]

    def _update_dtr_state(self) -> None: ...
    def _update_rts_state(self) -> None: ...


class Rfc2217Server:
    """Serves `port` to one client at a time while it is in a `with` block."""

    def __init__(self, port: str) -> None:
        self.served = ServedPort(port, timeout=0)
        self.connected = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._wake = socket.socketpair()
        self._resumed = threading.Event()
        self._resumed.set()
        self._client: socket.socket | None = None
        self._worker = Worker("rfc2217-server", self._run, lambda: self._wake[1].close())
        self.url = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Rfc2217Server:
        self._worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._worker.stop()
        self._resumed.set()
        assert self._worker.join(TIMEOUT_S)
        for each in (self._listener, *self._wake, self.served):
            each.close()
        self._worker.reraise()

    def stall(self) -> None:
        """Move no more bytes."""
        self._resumed.clear()

    def send_raw(self, data: bytes) -> None:
        """Send bytes that do not come from the port, commands included."""
        assert self._client is not None
        self._client.sendall(data)

    def disconnect(self) -> None:
        """End the connection to the client; the server accepts another one."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.shutdown(socket.SHUT_RDWR)

    def write(self, data: bytes) -> None:
        """Send to the client; for `PortManager`."""
        with contextlib.suppress(OSError):
            self.send_raw(data)

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select((self._listener, self._wake[0]), (), ())
            if self._wake[0] in ready:
                return
            self._client, _ = self._listener.accept()
            with self._client:
                self._client.settimeout(TIMEOUT_S)
                manager = PortManager(self.served, self)
                self.connected.set()
                while self._serve_once(self._client, manager):
                    pass
            self.connected.clear()

    def _serve_once(self, client: socket.socket, manager: PortManager) -> bool:
        """Move bytes once; return False at the end of the connection or of the server."""
        assert self._resumed.wait(TIMEOUT_S)
        ready, _, _ = select.select((client, self.served, self._wake[0]), (), ())
        if self._wake[0] in ready:
            return False
        if self.served in ready:
            self.write(b"".join(manager.escape(self.served.read(CHUNK))))
        if client not in ready:
            return True
        try:
            data = client.recv(CHUNK)
        except OSError:
            return False
        self.served.write(b"".join(manager.filter(data)))
        return bool(data)
