"""Discovery: finds the port, baud rate, protocol and address of each controller, with reads only.

Each probe has a result: a controller, or the reason why there is none, as far as the bytes
received tell. Ports are searched in parallel.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from watlowlib._internal.threads import make_pool
from watlowlib._internal.validation import as_enum, as_int, as_positive, check_port, shown
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import address_range, open_device
from watlowlib.devices.modbus_driver import ModbusDriver
from watlowlib.devices.targets import as_list
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowDeviceError,
    WatlowError,
    WatlowLineNotQuietError,
    WatlowTimeoutError,
)
from watlowlib.model import ControllerFamily, DeviceInfo, ProtocolKind
from watlowlib.transport.serial_port import port_names
from watlowlib.transport.settings import BAUDRATES, SerialSettings
from watlowlib.transport.urls import is_tcp

USUAL = {ProtocolKind.STDBUS: (38400,), ProtocolKind.MODBUS_RTU: (9600, 19200, 38400)}
"""The baud rates of an EZ-ZONE."""

TIMEOUT_S = 0.25
MOST_PORTS = 64
SERIES_SD = ((17, (0, 1)), (18, (0, 1)), (24, (0, 1)), (25, (0, 1)))
"""Registers of a Series SD and their possible values; a PM lacks them or holds others."""


@dataclass(frozen=True)
class Probe:
    """One probe and its result.

    Attributes:
        port: The port as it was named.
        protocol: Protocol of the probe.
        baudrate: Baud rate in bit/s; None on Modbus TCP.
        address: Address, on Modbus TCP the unit id; None where the port could not be used or its
            line is never quiet.
        info: The controller that replied, or None.
        reason: Why there is no controller, as far as known; empty where there is one.
        garbled: Whether bytes were received that are neither a reply nor our own request.
    """

    port: str
    protocol: ProtocolKind
    baudrate: int | None
    address: int | None
    info: DeviceInfo | None = None
    reason: str = ""
    garbled: bool = False


ProbeCallback: TypeAlias = Callable[[Probe], None]


def find_devices(
    ports: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    *,
    baudrates: int | Iterable[int] | None = None,
    protocols: ProtocolKind | str | Iterable[ProtocolKind | str] = tuple(USUAL),
    addresses: int | Iterable[int] = range(1, 17),
    parity: str = "N",
    timeout_s: float = TIMEOUT_S,
    progress: ProbeCallback | None = None,
    capture: str | os.PathLike[str] | None = None,
) -> list[Probe]:
    """Search for controllers with reads only; nothing is written.

    With the defaults, a port without controllers takes about 20 s. A server `tcp://host` is
    searched on Modbus TCP, and its unit ids are the addresses.

    Args:
        ports: Port names; None for every serial port of this machine.
        baudrates: Baud rates to try; None for 38400 on Standard Bus, its only one, and 9600,
            19200 and 38400 on Modbus RTU.
        protocols: Protocols to try on serial ports.
        addresses: Addresses to try; those above 16 on Modbus only.
        parity: "N", "E" or "O", on Modbus RTU.
        timeout_s: Seconds to wait for each reply.
        progress: Called with each result, in the thread of its port.
        capture: A file for a capture of all ports, as in `open_device`.

    Returns:
        One result per probe, ports in the order given. A result with `info` is a controller.

    Raises:
        WatlowConfigurationError: An argument out of range.
        WatlowConnectionError: The ports of this machine cannot be listed now.
    """
    given = port_names() if ports is None else ports
    names = [os.fspath(each) for each in _unique("ports", given, str, os.PathLike)]
    for name in names:
        check_port("port", name)
    kinds = [as_enum("protocols", ProtocolKind, kind) for kind in _unique("protocols", protocols)]
    tried = _unique("addresses", addresses)
    serial = [name for name in names if not is_tcp(name)]
    tcp = len(serial) < len(names) or ProtocolKind.MODBUS_TCP in kinds
    lowest, most = address_range(ProtocolKind.MODBUS_TCP if tcp else ProtocolKind.MODBUS_RTU)
    for each in tried:
        as_int("addresses", each, lowest, most, f"an address is from {lowest} to {most}")
    if names and not serial and baudrates is not None:
        raise WatlowConfigurationError(
            f"baudrates={shown(baudrates)}: a network has no baud rate; leave it out"
        )
    on_lines: list[ProtocolKind] = [kind for kind in kinds if kind is not ProtocolKind.MODBUS_TCP]
    rates = None if baudrates is None else _unique("baudrates", baudrates)
    for each in rates or ():
        if each not in BAUDRATES:
            raise WatlowConfigurationError(f"baudrates: {shown(each)} is none of {BAUDRATES}")
    if ProtocolKind.AUTO in kinds or not kinds or not tried or (serial and not on_lines):
        raise WatlowConfigurationError(
            "give at least one address, and protocols 'stdbus', 'modbus_rtu' or both"
        )
    SerialSettings(parity=parity)  # checks it
    search = _Search(
        on_lines,
        rates,
        tried,
        parity,
        as_positive("timeout_s", timeout_s, 60.0, "seconds"),
        progress,
        capture,
    )
    return search.ports(names) if names else []


@dataclass
class _Search:
    kinds: list[ProtocolKind]
    baudrates: list[int] | None
    addresses: list[int]
    parity: str
    timeout_s: float
    progress: ProbeCallback | None
    capture: str | os.PathLike[str] | None
    stopped: bool = False

    def ports(self, names: list[str]) -> list[Probe]:
        """Run all probes, on several ports at once."""
        pool = make_pool("discover", min(len(names), MOST_PORTS))
        try:
            found = [pool.submit(self.port, name) for name in names]
            return [probe for each in found for probe in each.result()]
        finally:
            self.stopped = True
            pool.shutdown(wait=True, cancel_futures=True)

    def port(self, name: str) -> list[Probe]:
        """Run all probes on one port."""
        if is_tcp(name):
            return list(self._units(Probe(name, ProtocolKind.MODBUS_TCP, None, None)))
        return [
            probe
            for kind in self.kinds
            for baudrate in self._baudrates_of(kind)
            for probe in self._at_baudrate(Probe(name, kind, baudrate, None))
        ]

    def _baudrates_of(self, kind: ProtocolKind) -> Iterable[int]:
        if kind is ProtocolKind.STDBUS or self.baudrates is None:
            return USUAL[kind]
        return self.baudrates

    def _units(self, blank: Probe) -> Iterator[Probe]:
        """Run the probes on a Modbus TCP server; it may reply to several unit ids alike."""
        first: dict[int, int | None] = {}
        for probe in self._at_baudrate(blank):
            number = probe.info and probe.info.serial_number
            if number and number in first:
                reason = f"the controller at {first[number]} replies, to this unit id as well"
                yield replace(probe, info=None, reason=reason)
                continue
            if number:
                first[number] = probe.address
            yield probe

    def _at_baudrate(self, blank: Probe) -> Iterator[Probe]:
        with ExitStack() as open_controllers:
            for address in self.addresses:
                lowest, most = address_range(blank.protocol)
                if self.stopped or not lowest <= address <= most:
                    continue
                try:
                    ctl = open_controllers.enter_context(self._open(blank, address))
                    probe = self._probe(ctl, replace(blank, address=address))
                except WatlowError as error:
                    zones = isinstance(error, WatlowConfigurationError) and is_tcp(blank.port)
                    if not zones:
                        # An error of the port or its line is the same for every address.
                        yield self._report(replace(blank, reason=error.message))
                        return
                    probe = replace(blank, address=address, reason=error.message)
                yield self._report(probe)

    def _probe(self, ctl: Controller, blank: Probe) -> Probe:
        try:
            ctl.session.driver.ping()
            info = ctl.identify()
            if info.data_map is None and _is_series_sd(ctl):
                with self._open(blank, ctl.address, ControllerFamily.SD) as sd:
                    info = sd.identify()
        except WatlowLineNotQuietError:
            raise
        except WatlowError as error:
            return replace(blank, reason=error.message, garbled=_is_garbled(error))
        return replace(blank, info=info)

    def _open(
        self, blank: Probe, address: int, family: ControllerFamily = ControllerFamily.UNKNOWN
    ) -> Controller:
        settings = None
        if blank.baudrate is not None:
            parity = "N" if blank.protocol is ProtocolKind.STDBUS else self.parity
            settings = SerialSettings(baudrate=blank.baudrate, parity=parity)
        return open_device(
            blank.port,
            protocol=blank.protocol,
            address=address,
            serial_settings=settings,
            family=family,
            timeout_s=self.timeout_s,
            retries=0,
            capture=self.capture,
        )

    def _report(self, probe: Probe) -> Probe:
        if self.progress is not None:
            self.progress(probe)
        return probe


def _is_garbled(error: WatlowError) -> bool:
    if isinstance(error, WatlowTimeoutError):
        return error.context.reply not in (b"", error.context.request)
    return isinstance(error, WatlowCRCError)


def _is_series_sd(ctl: Controller) -> bool:
    """Whether the registers of a Series SD exist and hold possible values."""
    driver = ctl.session.driver
    if not isinstance(driver, ModbusDriver):
        return False
    try:
        return all(driver.read_block(register, 1)[0] in values for register, values in SERIES_SD)
    except WatlowDeviceError:
        return False


def _unique(name: str, given: Any, *item: type) -> list[Any]:
    return list(dict.fromkeys(as_list(name, given, item=item or (str, int))))
