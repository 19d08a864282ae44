"""Runs all checks of a port and of the controllers on it, one after another: `examine`."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from watlowlib._internal.validation import check_port
from watlowlib.devices.discovery import TIMEOUT_S, USUAL, ProbeCallback, find_devices
from watlowlib.devices.factory import address_range
from watlowlib.devices.targets import as_list
from watlowlib.diagnosis.controllers import check_controller, check_zone
from watlowlib.diagnosis.findings import Finding, Result
from watlowlib.diagnosis.line import ECHO_S, LISTEN_S, check_echo, check_noise
from watlowlib.diagnosis.port import check_latency, check_name, check_permission, check_users
from watlowlib.diagnosis.search import Declared, Tried, check_addresses, check_line, controllers
from watlowlib.errors import WatlowError
from watlowlib.model import ProtocolKind, Unit
from watlowlib.protocol.line import QUIET_S
from watlowlib.protocol.modbus.mbap import whole_size
from watlowlib.transport.base import Transport
from watlowlib.transport.capture import CapturedTransport
from watlowlib.transport.capture_options import CaptureOptions
from watlowlib.transport.serial_port import SerialTransport
from watlowlib.transport.settings import SerialSettings
from watlowlib.transport.tcp_port import TcpTransport
from watlowlib.transport.urls import is_tcp
from watlowlib.units import as_scale

ALL_ADDRESSES = tuple(range(1, 17))
OPENING_S = 0.05
"""The time to open the port and prepare a request, roughly."""


def examine(
    port: str | os.PathLike[str],
    *,
    protocols: ProtocolKind | str | Iterable[ProtocolKind | str] = tuple(USUAL),
    baudrates: int | Iterable[int] | None = None,
    addresses: int | Iterable[int] = ALL_ADDRESSES,
    parity: str | None = None,
    timeout_s: float = TIMEOUT_S,
    temperature_unit: Unit | str | None = None,
    declared: Declared | None = None,
    zones: Sequence[Mapping[str, Any]] = (),
    progress: ProbeCallback | None = None,
    capture: str | os.PathLike[str] | None = None,
) -> Iterator[Finding]:
    """Check a port and the controllers on it with reads only; nothing is written.

    The checks run while the result is iterated. `longest_s` says how long that takes.

    Args:
        port: The port, which this program must not have open.
        protocols: Protocols to try, as in `find_devices`; a `tcp://` port has its own.
        baudrates: Baud rates to try on Modbus RTU; None for the usual ones.
        addresses: Addresses to try.
        parity: "N", "E" or "O", on Modbus RTU; None for N, and for E and O if nothing replies.
        timeout_s: Seconds to wait for each reply.
        temperature_unit: The scale that the user has declared, "C" or "F", or None.
        declared: For each address that should reply the arguments of `open_device`, and `name`,
            as in a rig file; they are compared with what is found.
        zones: The same for each zone of a gateway. The port is searched for no others then.
        progress: Called with each probe of the search, in another thread.
        capture: A file for a capture of the port, as in `open_device`.

    Yields:
        The findings, as soon as they are known.

    Raises:
        WatlowConfigurationError: An argument out of range.
    """
    name, given = os.fspath(port), declared or {}
    check_port("port", name)
    unit = None if temperature_unit is None else as_scale("temperature_unit", temperature_unit)
    if is_tcp(name):
        protocols = ProtocolKind.MODBUS_TCP
    examination = _Examination(
        name,
        tuple(as_list("protocols", protocols, item=(str,))),
        None if baudrates is None else tuple(as_list("baudrates", baudrates, item=(int,))),
        tuple(dict.fromkeys([*as_list("addresses", addresses, item=(int,)), *given])),
        parity,
        timeout_s,
        unit,
        given,
        tuple(zones),
        progress,
        capture,
    )
    examination.search([], examination.protocols, parity or "N")  # checks the arguments
    return examination.run()


@dataclass(frozen=True)
class _Examination:
    """The arguments of `examine`."""

    port: str
    protocols: tuple[ProtocolKind | str, ...]
    baudrates: tuple[int, ...] | None
    addresses: tuple[int, ...]
    parity: str | None
    timeout_s: float
    unit: Unit | None
    declared: Declared
    zones: tuple[Mapping[str, Any], ...]
    progress: ProbeCallback | None
    capture: str | os.PathLike[str] | None

    def run(self) -> Iterator[Finding]:
        """Run the checks; without a usable port only those of the port."""
        usable = yield from _check_port(self.port, self.addresses[0], self.capture)
        if not usable:
            return
        for zone in self.zones:
            yield from check_zone(
                zone if self.capture is None else {**zone, "capture": self.capture}
            )
        if self.zones:
            return
        tried = self._search_all()
        yield from check_line(self.port, tried)
        yield from check_addresses(self.port, tried, self.declared)
        for each in controllers(tried):
            given = self.declared.get(each.probe.address or 0, {})
            scale = given.get("temperature_unit")
            unit = self.unit if scale is None else Unit(scale)
            yield from check_controller(each, self.timeout_s, unit, given, self.capture)

    def _search_all(self) -> list[Tried]:
        """Search with the usual parity, and with the others if nothing replies."""
        tried = self.search([self.port], self.protocols, self.parity or "N")
        modbus = ProtocolKind.MODBUS_RTU
        if self.parity or modbus not in self.protocols or any(each.probe.info for each in tried):
            return tried
        others = [self.search([self.port], [modbus], each) for each in ("E", "O")]
        return sum(others, tried)

    def search(
        self, ports: list[str], protocols: Iterable[ProtocolKind | str], parity: str
    ) -> list[Tried]:
        """Search `ports` with one parity, which Standard Bus does not use."""
        probes = find_devices(
            ports,
            baudrates=self.baudrates,
            protocols=protocols,
            addresses=self.addresses,
            parity=parity,
            timeout_s=self.timeout_s,
            progress=self.progress,
            capture=self.capture,
        )
        stdbus = ProtocolKind.STDBUS
        return [Tried(each, "N" if each.protocol is stdbus else parity) for each in probes]


def longest_s(
    protocols: Iterable[ProtocolKind | str] = tuple(USUAL),
    baudrates: Iterable[int] | None = None,
    addresses: Iterable[int] = ALL_ADDRESSES,
    parity: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> float:
    """Return about how many seconds `examine` takes on a port without controllers."""
    known, rates = tuple(addresses), None if baudrates is None else tuple(baudrates)
    each_s = timeout_s + QUIET_S + OPENING_S
    seconds = LISTEN_S + ECHO_S
    for kind in map(ProtocolKind, protocols):
        modbus = kind is ProtocolKind.MODBUS_RTU
        speeds = len(rates if modbus and rates is not None else USUAL.get(kind, (None,)))
        possible = sum(each <= address_range(kind)[1] for each in known)
        seconds += possible * speeds * each_s * (3 if modbus and parity is None else 1)
    return seconds


def _check_port(
    name: str, address: int, capture: str | os.PathLike[str] | None
) -> Generator[Finding, None, bool]:
    """Check the port without a controller; return whether it can be used."""
    local = "://" not in name
    for check in (check_name, check_permission, check_users) if local else (check_name,):
        finding = check(name)
        yield finding
        if finding.result is Result.PROBLEM:
            return False  # requests here would disturb another program that has the port open
    if is_tcp(name):
        return (yield from _check_server(name))
    transport: Transport = SerialTransport(name, SerialSettings())
    if options := CaptureOptions.checked(capture):
        transport = CapturedTransport(transport, options)
    try:
        transport.open()
        yield Finding("opening", name, Result.OK, "the port can be opened")
        if local:
            yield check_latency(name)
        yield check_noise(transport)
        yield check_echo(transport, address)
    except WatlowError as error:
        yield Finding("opening", name, Result.PROBLEM, error.message)
        return False
    finally:
        transport.close()
    return True


def _check_server(name: str) -> Generator[Finding, None, bool]:
    """Connect to a Modbus TCP server; noise, echo and latency timer are those of serial lines."""
    transport = TcpTransport(name, whole_size)
    try:
        transport.open()
        yield Finding("opening", name, Result.OK, "the server accepts connections")
    except WatlowError as error:
        yield Finding("opening", name, Result.PROBLEM, error.message)
        return False
    finally:
        transport.close()
    return True
