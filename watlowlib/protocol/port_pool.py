r"""One client a port, however many controllers, threads and names lead to it.

Whoever wants to talk on a port takes out a lease. The first lease opens the port, the
last one given back closes it. A port is known by where its name leads: `/dev/ttyUSB0`
and a link in `/dev/serial/by-id` to it are one port, `com3` and `\\.\COM3` too. One that
was pulled out and found again elsewhere is known by where it is now: its old name may
belong to another adapter by then.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from watlowlib._internal.clock import Deadline
from watlowlib.errors import ErrorContext, WatlowConfigurationError, WatlowPortBusyError
from watlowlib.model import ProtocolKind, SerialSettings
from watlowlib.protocol.port import Port
from watlowlib.protocol.stdbus.client import StdBusClient
from watlowlib.transport.base import Transport
from watlowlib.transport.serial_port import SerialTransport

if TYPE_CHECKING:
    from watlowlib.protocol.modbus.client import ModbusClient

CLOSING_S = 90.0
"""How long to wait for a port that is being closed: longer than for a turn on it."""


Client: TypeAlias = "StdBusClient | ModbusClient"


@dataclass(eq=False)
class _Shared:
    client: Client
    settings: SerialSettings
    protocol: ProtocolKind
    users: int = 0
    gone: threading.Event = field(default_factory=threading.Event)

    @property
    def key(self) -> str:
        return _key_of(self.client.port.line.transport)


@dataclass
class Lease:
    """The right to use a port, until it is given back."""

    shared: _Shared
    active: bool = field(default=True)

    @property
    def client(self) -> Client:
        """The port's one client."""
        return self.shared.client

    @property
    def key(self) -> str:
        """What the port is known by; the same for all who share it."""
        return self.shared.key

    def give_back(self) -> None:
        """Close the port if nobody else uses it; the second time, nothing."""
        with _lock:
            if not self.active:
                return
            self.active = False
            self.shared.users -= 1
            last = self.shared.users == 0
        if not last:
            return
        try:
            self.client.close()
        finally:
            with _lock:
                _ports.remove(self.shared)
            self.shared.gone.set()


_lock = threading.Lock()
_ports: list[_Shared] = []
_forgotten: deque[Lease] = deque()


def forget(lease: Lease) -> None:
    """Give `lease` back at the next opportunity; for finalizers, which must take no lock."""
    _forgotten.append(lease)


def take_lease(source: str | Transport, settings: SerialSettings, protocol: ProtocolKind) -> Lease:
    """Share the port `source`, opening it if nobody has.

    Args:
        source: A port name, a pyserial URL, or a transport of one's own.
        settings: How the line is set; all who share a port must agree.
        protocol: What is spoken on it; likewise.

    Raises:
        WatlowConfigurationError: The port is in use here with other settings or another
            protocol.
        WatlowConnectionError: It cannot be opened.
    """
    with suppress(IndexError):
        while True:
            _forgotten.popleft().give_back()
    lease = Lease(_entered(source, settings, protocol))
    try:
        lease.client.port.open()
    except BaseException:
        lease.give_back()
        raise
    return lease


def _entered(source: str | Transport, settings: SerialSettings, protocol: ProtocolKind) -> _Shared:
    """The port, with one more user; one that is being closed is waited for."""
    deadline = Deadline.after(CLOSING_S)
    while True:
        with _lock:
            key = port_key(source) if isinstance(source, str) else _key_of(source)
            shared = next((each for each in _ports if each.key == key), None)
            if shared is None or shared.users:
                if shared is None:
                    pipe = SerialTransport(source, settings) if isinstance(source, str) else source
                    shared = _Shared(_client(Port(pipe), settings, protocol), settings, protocol)
                    _ports.append(shared)
                _check_agreement(shared, settings, protocol)
                shared.users += 1
                return shared
        # Its last user is closing it.
        if not shared.gone.wait(deadline.left_s()):
            raise WatlowPortBusyError(
                f"the port is still being closed after {CLOSING_S:g} s",
                context=ErrorContext(port=shared.client.port.name),
            )


def _client(port: Port, settings: SerialSettings, protocol: ProtocolKind) -> Client:
    if protocol is ProtocolKind.MODBUS_RTU:
        # Only who speaks Modbus waits until it is loaded.
        from watlowlib.protocol.modbus.client import ModbusClient

        return ModbusClient(port, settings)
    return StdBusClient(port)


def _key_of(transport: Transport) -> str:
    """What a transport's port is known by, wherever it is by now."""
    if isinstance(transport, SerialTransport):
        return port_key(transport.device)
    return f"transport {id(transport):#x}"


def port_key(name: str, windows: bool = os.name == "nt") -> str:
    r"""What the port called `name` is known by.

    >>> port_key("socket://localhost:4001")
    'socket://localhost:4001'
    >>> port_key(r"\\.\com3", windows=True)
    'COM3'
    """
    if "://" in name:
        return name
    if windows:
        return name.removeprefix("\\\\.\\").upper()
    return os.path.realpath(name)


def _check_agreement(shared: _Shared, settings: SerialSettings, protocol: ProtocolKind) -> None:
    for what, has, wanted in (
        ("protocol", shared.protocol, protocol),
        ("serial settings", shared.settings, settings),
    ):
        if has != wanted:
            raise WatlowConfigurationError(
                f"this port is already open with {what} {has}, and cannot have {wanted} too; "
                "all controllers on one line share both",
                context=ErrorContext(port=shared.client.port.name),
            )
