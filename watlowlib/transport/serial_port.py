"""Serial ports through pyserial: `/dev/ttyUSB0`, `COM3`, `socket://...`, `rfc2217://...`.

pyserial's own timeouts are set once, at opening, and never touched again: changing
them between a write and a read reconfigures the port and can lose the reply. Where
the port is a file descriptor the waiting is done here, by `select`, to the exact
deadline; elsewhere pyserial waits in slices of `SLICE_S`.

On Linux a port that is opened again is looked for by its adapter's USB serial number: its
name may be another one's by then. Where the system tells no such number, and elsewhere,
a port is what has its name.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import select
import sys
from urllib.parse import urlsplit

import serial

from watlowlib._internal.clock import Deadline
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
from watlowlib.model import SerialSettings
from watlowlib.transport.usb import Adapter, Entry, adapter_at, found_again

log = logging.getLogger(__name__)

SLICE_S = 0.01
"""How long pyserial waits at a time where the port has no file descriptor to select on."""

WRITE_TIMEOUT_S = 1.0
"""How long a port may refuse to take bytes (a stuck driver, a full network buffer)."""

CHUNK = 4096

SERVERS = ("socket://", "rfc2217://")
"""URLs of which pyserial does not say that there is no number in them."""


class SerialTransport:
    """A port opened with `serial.serial_for_url`, for this program alone.

    Args:
        port: Device name or pyserial URL.
        settings: How the line is set.
    """

    def __init__(self, port: str, settings: SerialSettings | None = None) -> None:
        self._port = port
        self.settings = settings or SerialSettings()
        self._serial: serial.Serial | None = None
        self._fd: int | None = None
        self._known = self._placed = False
        self._adapter: Adapter | None = None
        self.device = port
        """Where it is: the name it has, or had, when it was opened last."""

    @property
    def port(self) -> str:
        """The port as the user named it."""
        return self._port

    @property
    def is_open(self) -> bool:
        """Whether the port is open."""
        return self._serial is not None

    def open(self) -> None:
        """Open the port, exclusively where the system can, with low latency where it can."""
        if self._serial is not None:
            return
        device = self._found()
        try:
            self._serial = self._opened(device)
        except (ValueError, TypeError) as error:
            raise WatlowConfigurationError(
                f"port {self._port!r} cannot be opened as it was named or set: {error}"
            ) from error
        except OSError as error:  # SerialException is an OSError
            raise _explained(self._port, error, known=self._known) from error
        self.device = device
        self._known = True
        self._fd = _descriptor(self._serial)
        if self._fd is not None:
            # We select on the descriptor; pyserial only hands over what is there.
            self._serial.timeout = 0
        if hasattr(self._serial, "set_low_latency_mode"):
            # Many drivers, and every pty, have no such mode.
            with contextlib.suppress(OSError, ValueError, NotImplementedError):
                self._serial.set_low_latency_mode(True)
        if not self._placed:
            # When the ports cannot be listed, the next opening tries again.
            with contextlib.suppress(WatlowConnectionError):
                self._adapter = adapter_at(os.path.realpath(self._port), _listed(self._port))
                self._placed = True

    def _found(self) -> str:
        """What to open: the port by its name, or where its adapter has gone to."""
        if self._adapter is None:
            return self._port
        device = found_again(self._adapter, _listed(self._port))
        if device is None:
            raise WatlowPortNotFoundError(
                f"the adapter of port {self._port!r}, USB serial number "
                f"{self._adapter.serial_number}, is not there; look at the cable",
                context=ErrorContext(port=self._port),
            )
        if device != os.path.realpath(self._port):
            log.warning("the adapter of port %s is at %s now", self._port, device)
        return device

    def _opened(self, device: str) -> serial.Serial:
        settings = self.settings
        if device.startswith(SERVERS) and urlsplit(device).port is None:
            raise ValueError("it lacks the port's number, as in socket://host:4001")
        return serial.serial_for_url(
            device,
            baudrate=settings.baudrate,
            bytesize=settings.bytesize,
            parity=settings.parity,
            stopbits=settings.stopbits,
            timeout=SLICE_S,
            write_timeout=WRITE_TIMEOUT_S,
            exclusive=True,
        )

    def close(self) -> None:
        """Close the port."""
        port, self._serial, self._fd = self._serial, None, None
        if port is not None:
            with contextlib.suppress(OSError):
                port.close()

    def write(self, data: bytes, deadline: Deadline) -> None:
        """Send all of `data`; the driver has `WRITE_TIMEOUT_S` to take it."""
        port = self._use()
        try:
            port.write(data)
        except serial.SerialTimeoutException as error:
            raise WatlowTimeoutError(
                f"the port has not taken {len(data)} bytes within {WRITE_TIMEOUT_S:g} s",
                context=ErrorContext(port=self._port, request=data),
            ) from error
        except (OSError, ValueError) as error:
            raise self._lost(error) from error

    def read(self, deadline: Deadline) -> bytes:
        """Whatever has arrived by the deadline, as soon as there is anything."""
        port = self._use()
        try:
            if self._fd is not None:
                ready, _, _ = select.select((self._fd,), (), (), deadline.left_s())
                return port.read(CHUNK) if ready else b""
            while not deadline.passed():
                data = port.read(port.in_waiting or 1)
                if data:
                    return data
            there = port.in_waiting
            return port.read(there) if there else b""
        except (OSError, TypeError, ValueError) as error:
            # TypeError: another thread closed the port under a read. ValueError: a
            # descriptor above 1023, which select cannot watch.
            raise self._lost(error) from error

    def _use(self) -> serial.Serial:
        if self._serial is None:
            raise WatlowClosedError(
                "the port is closed; open the controller again",
                context=ErrorContext(port=self._port),
            )
        return self._serial

    def _lost(self, error: Exception) -> WatlowConnectionError:
        self.close()
        return WatlowConnectionError(
            f"the port was lost: {error}; look at the cable, the adapter and its power",
            context=ErrorContext(port=self._port),
        )


def _listed(port: str) -> list[Entry]:
    """The serial ports of this machine, where it takes them to find `port` again."""
    if not sys.platform.startswith("linux") or "://" in port:
        return []
    return _entries()


def _entries() -> list[Entry]:
    """All serial ports of this machine.

    Raises:
        WatlowConnectionError: They cannot be listed just now.
    """
    from serial.tools import list_ports

    try:
        return list(list_ports.comports())
    except (OSError, TypeError, ValueError) as error:
        # pyserial trips over an adapter, whoever's, that is pulled out while it is looked at.
        raise WatlowConnectionError(
            f"the serial ports cannot be listed just now: {error}; try again"
        ) from error


def _descriptor(port: serial.Serial) -> int | None:
    """The descriptor to select on, or None where there is none (Windows ports, rfc2217)."""
    try:
        return int(port.fileno())
    except (AttributeError, OSError, io.UnsupportedOperation):
        return None


def _explained(port: str, error: OSError, *, known: bool = False) -> WatlowConnectionError:
    """Turn what the system says about an opening that failed into what to do about it.

    Args:
        port: The port.
        error: What the system says.
        known: Whether it has been open before: then its name was right.
    """
    context = ErrorContext(port=port)
    text = str(error)
    if error.errno == errno.ENOENT or "FileNotFoundError" in text:
        # Looking for ports takes a while; who tries again and again has no use for it.
        hint = "it was there before: look at the cable" if known else _ports_there_are()
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
        return WatlowConnectionError(f"{port!r} is no working serial port: {text}", context=context)
    return WatlowConnectionError(f"port {port!r} could not be opened: {text}", context=context)


def port_names() -> list[str]:
    """The serial ports of this machine.

    Raises:
        WatlowConnectionError: They cannot be listed just now.
    """
    return sorted(found.device for found in _entries())


def _ports_there_are() -> str:
    try:
        names = ", ".join(port_names())
    except WatlowConnectionError as error:
        return error.message
    return f"the ports here are: {names}" if names else "no serial port was found on this machine"


def _permission_hint(platform: str = sys.platform) -> str:
    if platform.startswith("linux"):
        return "run 'sudo usermod -aG dialout $USER' and log in again"
    return "look at the rights of the device"
