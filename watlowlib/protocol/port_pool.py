r"""One client per port, shared by all controllers and threads that use the port.

Every user of a port acquires a lease. The first lease opens the port; the release of the last
one closes it. A port is identified by what its name resolves to: `/dev/ttyUSB0` and a link to it
in `/dev/serial/by-id` are one port, as are `com3` and `\\.\COM3`. A port that is found by its USB
adapter is identified by the name that the adapter has now, because after it was unplugged its
old name may belong to another one. Late replies to requests of a closed port are expected when
it is opened again. In a forked child the pool is empty: the leases of the parent are not its
own, and releasing them does nothing.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from watlowlib._internal.clock import Deadline
from watlowlib._internal.process import NotCopied, run_in_child
from watlowlib.errors import (
    ErrorContext,
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowPortBusyError,
)
from watlowlib.model import ProtocolKind
from watlowlib.protocol.late_replies import PendingReplies
from watlowlib.protocol.port import Port
from watlowlib.protocol.stdbus.client import StdBusClient
from watlowlib.transport import serial_port
from watlowlib.transport.base import Transport
from watlowlib.transport.capture_options import CaptureOptions
from watlowlib.transport.serial_port import SerialTransport
from watlowlib.transport.settings import SerialSettings
from watlowlib.transport.urls import DEVICE_SERVERS, device_server_key, is_tcp, server_of
from watlowlib.transport.usb import Entry, resolved

if TYPE_CHECKING:
    from watlowlib.protocol.modbus.client import ModbusClient
    from watlowlib.protocol.modbus.tcp_client import ModbusTcpClient

CLOSING_S = 90.0
"""How long to wait for a port that is being closed; longer than `ACQUIRE_S`."""

Client: TypeAlias = "StdBusClient | ModbusClient | ModbusTcpClient"


class SharedPort(NotCopied):
    """An open port and the number of its users."""

    def __init__(
        self,
        client: Client,
        settings: SerialSettings,
        protocol: ProtocolKind,
        capture: CaptureOptions | None,
    ) -> None:
        self.client = client
        self.settings = settings
        self.protocol = protocol
        self.capture = capture
        self.users = 0
        self.claims: dict[Lease, tuple[int, range]] = {}
        """The registers that Modbus controllers have, each with its or its gateway's address."""
        self.closed = threading.Event()
        self._resolved: tuple[object, str] | None = None
        """The opening of the port for which its key was resolved, and the key."""

    @property
    def key(self) -> str:
        """The text that identifies the port, under any of its names; resolved at each opening.

        A link may lead elsewhere later: while the port is not open, its name is resolved anew.
        """
        port = self.client.port
        transport = port.line.transport
        if not transport.is_open:
            return _transport_key(transport)
        opening, resolved = port.stats.reconnects, self._resolved
        if resolved is None or resolved[0] != opening:
            self._resolved = resolved = opening, _transport_key(transport)
        return resolved[1]

    @property
    def transport(self) -> Transport:
        """What opens the port, without a capture around it."""
        transport = self.client.port.line.transport
        return getattr(transport, "captured", transport)

    def has_key(self, key: str, entries: Iterable[Entry]) -> bool:
        """Whether `key` identifies the port now; `entries` are the ports of this machine."""
        if isinstance(self.transport, SerialTransport) and self.transport.has_adapter:
            device = self.transport.device_among(entries)
            return device is not None and port_key(device) == key
        if self.key != key and os.path.exists(self.key):  # noqa: PTH110 - pathlib loads slowly
            return False  # its device is still there, whatever its name leads to now
        return _transport_key(self.transport) == key


class Lease(NotCopied):
    """The right to use a port, until it is released."""

    def __init__(self, shared: SharedPort) -> None:
        self.shared = shared
        self.active = True

    @property
    def client(self) -> Client:
        """The port's client."""
        return self.shared.client

    def claim(self, address: int, registers: range) -> None:
        """Use registers; several leases may use the same, but none a part of them.

        Raises:
            WatlowConfigurationError: A part of them belongs to another zone.
        """
        with _lock:
            for other_address, other in self.shared.claims.values():
                overlap = range(max(registers[0], other[0]), min(registers[-1], other[-1]) + 1)
                if other_address == address and overlap and registers != other:
                    raise WatlowConfigurationError(
                        f"the registers {registers[0]} to {registers[-1]} overlap with those of "
                        f"another controller, {other[0]} to {other[-1]}; give each controller of "
                        "a gateway its zone, and the gateway_offset or offset that is set there",
                        context=ErrorContext(port=self.client.port.name),
                    )
            self.shared.claims[self] = address, registers

    def release(self) -> None:
        """End the lease; the last one closes the port. Repeated calls do nothing."""
        if self.client.port.in_other_process:
            self.active = False
            return
        with _lock:
            if not self.active:
                return
            self.active = False
            self.shared.claims.pop(self, None)
            self.shared.users -= 1
            last = self.shared.users == 0
        if not last:
            return
        try:
            self.client.close()
        finally:
            with _lock:
                _ports.remove(self.shared)
                _keep_pending_replies(self.shared)
            self.shared.closed.set()


_lock = threading.Lock()
_ports: list[SharedPort] = []
_abandoned: deque[Lease] = deque()
_pending_replies: dict[tuple[str, ProtocolKind], tuple[PendingReplies[Any], Transport]] = {}
"""The late replies that may still come on a closed port, by its key and protocol.

With its transport, because the key may be the id of it, which another one may get afterwards.
"""


def _forget_all() -> None:
    global _lock
    _lock = threading.Lock()
    _ports.clear()
    _abandoned.clear()


run_in_child(_forget_all)


def release_later(lease: Lease) -> None:
    """Let the next `acquire_lease` release `lease`; for finalizers, which must not wait."""
    _abandoned.append(lease)


def acquire_lease(
    source: str | Transport,
    settings: SerialSettings,
    protocol: ProtocolKind,
    *,
    wait_for_port: bool = False,
    capture: CaptureOptions | None = None,
) -> Lease:
    """Return a lease of the port `source`; open the port if it is not in use.

    Args:
        source: A port name, the URL of a port or a Modbus TCP server, or a transport.
        settings: The serial settings; all users of a port must give the same. Modbus TCP has none.
        protocol: The wire protocol; all users of a port must give the same.
        wait_for_port: Whether a port that cannot be opened yet is left to be opened later.
        capture: Where to write a capture of the port; None also for a port that has one.

    Raises:
        WatlowConfigurationError: The port is in use here with other settings or another
            protocol.
        WatlowConnectionError: It cannot be opened.
    """
    with suppress(IndexError):
        while True:
            _abandoned.popleft().release()
    lease = Lease(_find_or_add(source, settings, protocol, capture))
    try:
        lease.client.port.open(wait_for_port=wait_for_port)
        lease.shared.key  # noqa: B018 - resolved now: a link may be changed later
    except BaseException:
        lease.release()
        raise
    return lease


def _find_or_add(
    source: str | Transport,
    settings: SerialSettings,
    protocol: ProtocolKind,
    capture: CaptureOptions | None,
) -> SharedPort:
    """Return the shared port with one more user; wait if the port is being closed."""
    deadline = Deadline.after(CLOSING_S)
    entries = _entries()
    while True:
        with _lock:
            key = port_key(source) if isinstance(source, str) else _transport_key(source)
            shared = next((port for port in _ports if port.has_key(key, entries)), None)
            if shared is None or shared.users:
                if shared is None:
                    client = _make_client(source, settings, protocol)
                    if capture is not None:
                        # Imported here to keep the import time low without a capture.
                        from watlowlib.transport.capture import CapturedTransport

                        line = client.port.line
                        line.transport = CapturedTransport(
                            line.transport, capture, protocol, settings
                        )
                    earlier, _ = _pending_replies.pop((key, protocol), (None, None))
                    client.pending_replies.add_earlier(earlier)
                    shared = SharedPort(client, settings, protocol, capture)
                    _ports.append(shared)
                _check_agreement(shared, settings, protocol, capture)
                shared.users += 1
                return shared
        # Its last user is closing it.
        if not shared.closed.wait(deadline.left_s()):
            raise WatlowPortBusyError(
                f"the port is still being closed after {CLOSING_S:g} s",
                context=ErrorContext(port=shared.client.port.name),
            )


def _entries() -> list[Entry]:
    """Return the serial ports of this machine, if a port in use needs them."""
    transports = [port.transport for port in tuple(_ports)]
    if any(isinstance(each, SerialTransport) and each.has_adapter for each in transports):
        with suppress(WatlowConnectionError):  # then the names are those of the last opening
            return serial_port.entries()
    return []


def _keep_pending_replies(shared: SharedPort) -> None:
    for key in [key for key, (replies, _) in _pending_replies.items() if replies.expired]:
        del _pending_replies[key]
    if not shared.client.pending_replies.expired:
        key = _transport_key(shared.transport), shared.protocol
        _pending_replies[key] = shared.client.pending_replies, shared.transport


def forget_pending_replies(port: str) -> None:
    """Expect no late replies on a port that is not in use: a new line has its name now."""
    name = port_key(port)
    with _lock:
        for key in [key for key in _pending_replies if key[0] == name]:
            del _pending_replies[key]


def _make_client(
    source: str | Transport, settings: SerialSettings, protocol: ProtocolKind
) -> Client:
    if protocol is ProtocolKind.MODBUS_TCP:
        return _make_tcp_client(source)
    transport = SerialTransport(source, settings) if isinstance(source, str) else source
    port = Port(transport, byte_time_s=settings.byte_time_s)
    if protocol is ProtocolKind.MODBUS_RTU:
        # Imported here to keep the import time low without Modbus.
        from watlowlib.protocol.modbus.client import ModbusClient

        return ModbusClient(port, settings)
    return StdBusClient(port, vary_source=settings.vary_source)


def _make_tcp_client(source: str | Transport) -> ModbusTcpClient:
    from watlowlib.protocol.modbus.mbap import whole_size
    from watlowlib.protocol.modbus.tcp_client import ModbusTcpClient
    from watlowlib.transport.tcp_port import TcpTransport

    transport = TcpTransport(source, whole_size) if isinstance(source, str) else source
    return ModbusTcpClient(Port(transport, quiet_s=0.0))


def _transport_key(transport: Transport) -> str:
    """Return the text that identifies a transport's port, by its current device name."""
    transport = getattr(transport, "captured", transport)
    device = getattr(transport, "device", None)
    return port_key(device) if isinstance(device, str) else f"transport {id(transport):#x}"


def port_key(name: str, windows: bool = os.name == "nt") -> str:
    r"""Return the text that identifies the port called `name`.

    >>> port_key("socket://LOCALHOST:4001")
    'socket://localhost:4001'
    >>> port_key(r"\\.\com3", windows=True)
    'COM3'
    """
    if is_tcp(name):
        return server_of(name).url
    if name.lower().startswith(DEVICE_SERVERS):
        return device_server_key(name)
    if "://" in name:
        return name
    if windows:
        return name.removeprefix("\\\\.\\").upper()
    return resolved(name)


def _check_agreement(
    shared: SharedPort,
    settings: SerialSettings,
    protocol: ProtocolKind,
    capture: CaptureOptions | None,
) -> None:
    current = {"protocol": shared.protocol, **asdict(shared.settings)}
    given = {"protocol": protocol, **asdict(settings)}
    del given["port"]  # settings that differ only here are equal
    for what, value in given.items():
        if current[what] != value:
            raise WatlowConfigurationError(
                f"this port is already open with {what} {current[what]}, so it cannot use {value}; "
                "all controllers on one port need the same protocol and settings",
                context=ErrorContext(port=shared.client.port.name),
            )
    if capture not in (None, shared.capture):
        now = f"with the capture {shared.capture.path}" if shared.capture else "without a capture"
        raise WatlowConfigurationError(
            f"this port is already open {now}; give the capture where the port is opened first, "
            "and another one nowhere",
            context=ErrorContext(port=shared.client.port.name),
        )
