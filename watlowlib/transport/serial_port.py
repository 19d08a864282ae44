"""Serial ports through pyserial: `/dev/ttyUSB0`, `COM3`, `socket://...`, `rfc2217://...`.

pyserial's timeouts are set once, when the port is opened: changing them between a write and a
read reconfigures the port and can lose the reply. If the port has a file descriptor, `read`
waits for it until the exact deadline; otherwise pyserial waits in slices of `SLICE_S`. The bytes
of a serial device are moved without pyserial (see `descriptors.py`), whose own calls of `select`
take as long as the rest of a read. Its other classes (`socket://`, `spy://`) move their own bytes.

On Linux a port that is opened again is found by its adapter's USB serial number, because its
name may belong to another adapter by then. Without a serial number, and on other systems, a
port is found by its name.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import threading
from collections.abc import Callable, Iterable

import serial

from watlowlib._internal.clock import Deadline
from watlowlib._internal.log import logger
from watlowlib._internal.process import OneProcess, abandon_in_child
from watlowlib.errors import (
    ErrorContext,
    WatlowClosedError,
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowPortBusyError,
    WatlowPortNotFoundError,
    WatlowPortPermissionError,
    WatlowTimeoutError,
)
from watlowlib.transport.descriptors import (
    CHUNK,
    Wait,
    is_ready_by,
    read_some,
    unlock,
    waiter,
    write_some,
)
from watlowlib.transport.settings import SerialSettings
from watlowlib.transport.urls import DEVICE_SERVERS, tcp_hint
from watlowlib.transport.usb import (
    Adapter,
    Entry,
    adapter_at,
    current_name,
    find_device,
    has_name,
    resolved,
)

try:
    from termios import error as TermiosError  # noqa: N812 - it is no OSError
except ImportError:  # Windows
    TermiosError = ValueError  # type: ignore[misc,assignment]

log = logger(__name__)

SLICE_S = 0.01
"""How long a wait lasts at a time if the port has no file descriptor, or accepts no bytes."""

WRITE_TIMEOUT_S = 1.0
"""How long a write may block (a stuck driver, a full network buffer)."""


class SerialTransport(OneProcess):
    """A port, by device name or pyserial URL, opened exclusively for this program."""

    def __init__(self, port: str, settings: SerialSettings | None = None) -> None:
        self._pid = os.getpid()
        self._port = port
        self.settings = settings or SerialSettings()
        self._serial: serial.Serial | None = None
        self._fd: int | None = None
        self._wait: Wait | None = None
        self._direct = False
        self._using = threading.Lock()
        """Held while the descriptor is used or closed: after `close` its number may belong to a
        file that another thread opens, which would be read or written."""

        self._opened_before = self._adapter_checked = False
        self._adapter: Adapter | None = None
        self.device = port
        """The device name when the port was opened last."""

    @property
    def port(self) -> str:
        """The port name as the user gave it."""
        return self._port

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        return self._serial is not None

    def open(self) -> None:
        """Open the port, exclusively and with low latency if the system supports it."""
        self.check_process()
        if self._serial is not None:
            return
        device = self._find()
        try:
            self._serial = self._open_device(device)
            self._fd = _descriptor(self._serial)
            self._direct = self._fd is not None and type(self._serial) is serial.Serial
            self._wait = None if self._fd is None else waiter(self._fd)
            if self._wait is not None:
                self._serial.timeout = 0  # pyserial only returns the bytes already received
        except (ValueError, TypeError, TermiosError) as error:
            self.close()
            if isinstance(error, TermiosError) and error.args[:1] == (errno.EIO,):
                raise self._lost(error) from error  # while it was being opened
            raise WatlowConfigurationError(
                f"port {self._port!r} cannot be opened with this name and these settings: {error}"
            ) from error
        except OSError as error:  # SerialException is an OSError
            self.close()
            raise _open_error(self._port, error, opened_before=self._opened_before) from error
        abandon_in_child(self._serial)
        self.device = device
        self._opened_before = True
        if hasattr(self._serial, "set_low_latency_mode"):
            # Many drivers, and all ptys, have no such mode.
            with contextlib.suppress(OSError, ValueError, NotImplementedError):
                self._serial.set_low_latency_mode(True)
        if self._adapter is not None or not self._adapter_checked:
            self._check_adapter(device)

    @property
    def has_adapter(self) -> bool:
        """Whether the port is found by its adapter, so that its device name may change."""
        return self._adapter is not None

    def device_among(self, entries: Iterable[Entry]) -> str | None:
        """Return the device name now, or None if another adapter has its name.

        Args:
            entries: The ports of this machine; empty if they could not be listed.
        """
        device = resolved(self.device)
        return current_name(self._adapter, device, entries) if self._adapter else self.device

    def _find(self) -> str:
        """Return the device to open: the port's name, or the current name of its adapter."""
        if self._adapter is None:
            return self._port
        device = find_device(self._adapter, _entries_for(self._port))
        if device is None:
            raise WatlowPortNotFoundError(
                f"the adapter of port {self._port!r}, USB serial number "
                f"{self._adapter.serial_number}, is not connected; check the cable",
                context=ErrorContext(port=self._port),
            )
        if device != resolved(self._port):
            log.warning("the adapter of port %s is at %s now", self._port, device)
        return device

    def _check_adapter(self, device: str) -> None:
        """Store which adapter was opened, or check that it is still the same one.

        While a port is open, Linux gives its name to no other adapter: the list shows what was
        opened. Raises a `WatlowConnectionError` if another one is there, or none.
        """
        name = resolved(device)
        try:
            adapter = adapter_at(name, _entries_for(self._port))
        except WatlowConnectionError:
            if self._adapter is None:
                return  # the next opening tries again
            self.close()
            raise
        gone = self._direct and self._fd is not None and not has_name(self._fd, name)
        if gone or self._adapter not in (None, adapter):
            raise self._lost(OSError(f"{name} was plugged out or in while it was being opened"))
        self._adapter, self._adapter_checked = adapter, True

    def _open_device(self, device: str) -> serial.Serial:
        settings = self.settings
        return _opener(device)(
            device,
            baudrate=settings.baudrate,
            bytesize=settings.bytesize,
            parity=settings.parity,
            stopbits=settings.stopbits,
            timeout=SLICE_S,
            write_timeout=WRITE_TIMEOUT_S,
            rtscts=settings.rtscts,
            xonxoff=settings.xonxoff,
            exclusive=settings.exclusive,
        )

    def close(self) -> None:
        """Close the port."""
        port, self._serial = self._serial, None
        if port is not None and not self.in_other_process:
            connection = getattr(port, "_socket", None)
            # No use of the descriptor waits; a signal handler may close the port during one.
            unused = self._using.acquire(timeout=WRITE_TIMEOUT_S)
            fd, self._fd = self._fd, None
            try:
                unlock(fd)
                with contextlib.suppress(OSError):
                    port.close()
            finally:
                if unused:
                    self._using.release()
            if connection is not None:
                connection.close()  # pyserial leaves the socket of a reset connection open

    def write(self, data: bytes) -> None:
        """Send all of `data`; the driver must accept it within `WRITE_TIMEOUT_S`."""
        port = self._require_open()
        try:
            if self._direct:
                with self._using:
                    sent = write_some(self._fd, data)
                if sent < len(data):
                    self._write_rest(data[sent:])
            else:
                port.write(data)
        except serial.SerialTimeoutException as error:
            raise WatlowTimeoutError(
                f"the port did not accept {len(data)} bytes within {WRITE_TIMEOUT_S:g} s",
                context=ErrorContext(port=self._port, request=data),
            ) from error
        except (OSError, TypeError, ValueError) as error:
            # TypeError: another thread closed the port during a write.
            raise self._lost(error) from error

    def _write_rest(self, data: bytes) -> None:
        """Send what the driver did not accept at once."""
        deadline = Deadline.after(WRITE_TIMEOUT_S)
        wait = waiter(self._fd, to_write=True)  # type: ignore[arg-type] # None raises a TypeError
        while data and not deadline.passed():
            wait(int(SLICE_S * 1e3))  # a pty does not report each time that it has room again
            with self._using:
                data = data[write_some(self._fd, data) :]
        if data:
            raise serial.SerialTimeoutException

    def read(self, deadline: Deadline) -> bytes:
        """Return what arrives by the deadline, as soon as there is anything."""
        port = self._require_open()
        try:
            if self._wait is None:
                return _read_in_slices(port, deadline)
            while is_ready_by(deadline, self._wait):
                with self._using:
                    data = read_some(self._fd) if self._direct else port.read(CHUNK)
                if data or deadline.passed():
                    return data
            return b""
        except (OSError, TypeError, ValueError) as error:
            # TypeError: another thread closed the port during a read. ValueError: a descriptor
            # above 1023, which `select` does not support.
            raise self._lost(error) from error

    def _require_open(self) -> serial.Serial:
        self.check_process()
        if self._serial is None:
            raise WatlowClosedError(
                "the port is closed; open the controller again",
                context=ErrorContext(port=self._port),
            )
        return self._serial

    def _lost(self, error: Exception) -> WatlowConnectionError:
        self.close()
        # Only a descriptor that `close` has set to None raises a TypeError.
        what = "another thread closed it" if isinstance(error, TypeError) else error
        return WatlowConnectionError(
            f"the port was lost: {what}; check the cable, the adapter and its power"
            f"{tcp_hint(self._port, lost=True)}",
            context=ErrorContext(port=self._port),
        )


def _read_in_slices(port: serial.Serial, deadline: Deadline) -> bytes:
    """Return what arrives by the deadline at a port without a file descriptor."""
    while not deadline.passed():
        if data := port.read(port.in_waiting or 1):
            return bytes(data)
    waiting = port.in_waiting
    return port.read(waiting) if waiting else b""


def _entries_for(port: str) -> list[Entry]:
    """Return the serial ports of this machine; empty if `port` is found by its name."""
    if not sys.platform.startswith("linux") or "://" in port:
        return []
    return entries()


def entries() -> list[Entry]:
    """Return all serial ports of this machine.

    Raises:
        WatlowConnectionError: They cannot be listed just now.
    """
    from serial.tools import list_ports

    try:
        return list(list_ports.comports())
    except (OSError, TypeError, ValueError) as error:
        # pyserial fails if any adapter is unplugged while the ports are listed.
        raise WatlowConnectionError(
            f"the serial ports cannot be listed just now: {error}; try again"
        ) from error


def _opener(device: str) -> Callable[..., serial.Serial]:
    """Return the function that opens `device`.

    Raises:
        ValueError: The URL of a server has no port number, which pyserial does not report.
    """
    if not device.lower().startswith(DEVICE_SERVERS):
        return serial.serial_for_url
    from urllib.parse import urlsplit  # only URLs need it

    url = urlsplit(device)
    if url.port is None:
        raise ValueError("the port number is missing, as in socket://host:4001")
    if url.scheme == "socket":
        from watlowlib.transport.socket_port import SocketPort

        return SocketPort  # type: ignore[return-value] # it has the methods of Serial
    from watlowlib.transport.rfc2217 import Rfc2217Port  # loaded only where it is used

    return Rfc2217Port  # type: ignore[return-value] # it has the methods of Serial


def _descriptor(port: serial.Serial) -> int | None:
    """Return the file descriptor for `select`, or None (Windows ports, rfc2217)."""
    try:
        return int(port.fileno())
    except (AttributeError, OSError, io.UnsupportedOperation):
        return None


def _open_error(port: str, error: OSError, *, opened_before: bool = False) -> WatlowConnectionError:
    """Return an exception that says why opening a port failed and what to do.

    A port that has been open before has a correct name; the message then suggests the cable.
    """
    context = ErrorContext(port=port)
    text = str(error)
    if error.errno == errno.ENOENT or "FileNotFoundError" in text:
        # Listing the ports takes a while, and repeated attempts do not need the list.
        hint = "it was there before: check the cable" if opened_before else _ports_hint()
        return WatlowPortNotFoundError(f"there is no port {port!r}; {hint}", context=context)
    if error.errno in (errno.EAGAIN, errno.EBUSY) or "Access is denied" in text:
        return WatlowPortBusyError(
            f"port {port!r} is in use by another program; close that one first "
            "(inside one program, controllers on one port share it by themselves)",
            context=context,
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return WatlowPortPermissionError(
            f"this user may not open port {port!r}; {_permission_hint()}", context=context
        )
    if error.errno == errno.ENOTTY or "Could not configure port" in text:
        return WatlowConnectionError(
            f"{port!r} is not a working serial port: {text}", context=context
        )
    return WatlowConnectionError(f"port {port!r} could not be opened: {text}", context=context)


def port_names() -> list[str]:
    """Return the names of the serial ports of this machine.

    Raises:
        WatlowConnectionError: They cannot be listed just now.
    """
    return sorted(entry.device for entry in entries())


def _ports_hint() -> str:
    try:
        names = ", ".join(port_names())
    except WatlowConnectionError as error:
        return error.message
    return f"the ports here are: {names}" if names else "no serial port was found on this machine"


def _permission_hint(platform: str = sys.platform) -> str:
    if platform.startswith("linux"):
        return "run 'sudo usermod -aG dialout $USER' and log in again"
    return "check the permissions of the device"
