"""Looking for controllers: which ports, at which speed, in which protocol, at which address.

Everything is asked with reads. Each probe leaves a result: a controller, or why there is
none, as far as what came back tells. Ports are looked through side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from watlowlib._internal.threads import make_pool
from watlowlib._internal.validation import as_enum, as_int, as_positive
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import ADDRESSES, open_device
from watlowlib.devices.modbus_driver import ModbusDriver
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowDeviceError,
    WatlowError,
    WatlowLineNotQuietError,
)
from watlowlib.model import BAUDRATES, ControllerFamily, DeviceInfo, ProtocolKind, SerialSettings
from watlowlib.transport.serial_port import port_names

USUAL = {ProtocolKind.STDBUS: (38400,), ProtocolKind.MODBUS_RTU: (9600, 19200, 38400)}
"""The baud rates that an EZ-ZONE can be set to."""

TIMEOUT_S = 0.25
MOST_PORTS = 64
SERIES_SD = ((17, (0, 1)), (18, (0, 1)), (24, (0, 1)), (25, (0, 1)))
"""Registers that only these values can be in, and that a PM has not, or not with these."""


@dataclass(frozen=True)
class Probe:
    """One question put to see who is there, and what came of it.

    Attributes:
        port: The port as it was named.
        protocol: In which protocol.
        baudrate: At which speed, bit/s.
        address: At which address; None where the port itself could not be used,
            or its line is never quiet.
        info: Who answered; None for nobody.
        reason: Why there is nobody, as far as can be told; empty where there is.
    """

    port: str
    protocol: ProtocolKind
    baudrate: int
    address: int | None
    info: DeviceInfo | None = None
    reason: str = ""


ProbeCallback: TypeAlias = Callable[[Probe], None]


def find_devices(
    ports: str | Iterable[str] | None = None,
    *,
    baudrates: int | Iterable[int] | None = None,
    protocols: ProtocolKind | Iterable[ProtocolKind] = tuple(USUAL),
    addresses: int | Iterable[int] = range(1, 17),
    parity: str = "N",
    timeout_s: float = TIMEOUT_S,
    progress: ProbeCallback | None = None,
) -> list[Probe]:
    """Look for controllers with reads alone; nothing is written.

    At the defaults a port takes some 20 s when nobody is there.

    Args:
        ports: Port names; None for every serial port of this machine.
        baudrates: Speeds to try; None for 38400 on Standard Bus, which has no other, and
            9600, 19200 and 38400 on Modbus RTU.
        protocols: What to try.
        addresses: Where; those above 16 on Modbus RTU only.
        parity: "N", "E" or "O", on Modbus RTU.
        timeout_s: Seconds to wait for each answer.
        progress: Called with each result as it comes, from the thread of its port.

    Returns:
        One result a probe, ports in the order given; those with `info` have been found.

    Raises:
        WatlowConfigurationError: An argument that cannot be.
        WatlowConnectionError: The ports of this machine cannot be listed just now.
    """
    names = _listed(port_names() if ports is None else ports, "ports", str)
    kinds = [as_enum("protocols", ProtocolKind, kind) for kind in _listed(protocols, "protocols")]
    places = _listed(addresses, "addresses")
    most = ADDRESSES[ProtocolKind.MODBUS_RTU]
    for each in places:
        as_int("addresses", each, 1, most, f"an address is from 1 to {most}")
    speeds = None if baudrates is None else _listed(baudrates, "baudrates")
    for each in speeds or ():
        if each not in BAUDRATES:
            raise WatlowConfigurationError(f"baudrates: {each!r} is none of {BAUDRATES}")
    if ProtocolKind.AUTO in kinds or not kinds or not places:
        raise WatlowConfigurationError(
            "give at least one address, and protocols 'stdbus', 'modbus_rtu' or both"
        )
    SerialSettings(parity=parity)  # refuses what no line has
    search = _Search(
        kinds,
        speeds,
        places,
        parity,
        as_positive("timeout_s", timeout_s, 60.0, "seconds"),
        progress,
    )
    if not names:
        return []
    pool = make_pool("discover", min(len(names), MOST_PORTS))
    try:
        found = [pool.submit(search.port, name) for name in names]
        return [probe for each in found for probe in each.result()]
    finally:
        search.stopped = True
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass
class _Search:
    kinds: list[ProtocolKind]
    speeds: list[int] | None
    places: list[int]
    parity: str
    timeout_s: float
    progress: ProbeCallback | None
    stopped: bool = False

    def port(self, name: str) -> list[Probe]:
        """Everything that is to be tried on one port."""
        return [
            probe
            for kind in self.kinds
            for speed in self._speeds(kind)
            for probe in self._at_speed(Probe(name, kind, speed, None))
        ]

    def _speeds(self, kind: ProtocolKind) -> Iterable[int]:
        if kind is ProtocolKind.STDBUS or self.speeds is None:
            return USUAL[kind]
        return self.speeds

    def _at_speed(self, blank: Probe) -> Iterator[Probe]:
        with ExitStack() as kept:
            for address in self.places:
                if self.stopped or address > ADDRESSES[blank.protocol]:
                    continue
                try:
                    ctl = kept.enter_context(self._opened(blank, address))
                    probe = self._probed(ctl, replace(blank, address=address))
                except WatlowError as error:
                    # Of the port or its line: it is the same for every address.
                    yield self._told(replace(blank, reason=error.message))
                    return
                yield self._told(probe)

    def _probed(self, ctl: Controller, blank: Probe) -> Probe:
        try:
            ctl.wire.ping()
            info = ctl.identify()
            if info.data_map is None and _is_series_sd(ctl):
                with self._opened(blank, ctl.address, ControllerFamily.SD) as sd:
                    info = sd.identify()
        except WatlowLineNotQuietError:
            raise
        except WatlowError as error:
            return replace(blank, reason=error.message)
        return replace(blank, info=info)

    def _opened(
        self, blank: Probe, address: int, family: ControllerFamily = ControllerFamily.UNKNOWN
    ) -> Controller:
        parity = "N" if blank.protocol is ProtocolKind.STDBUS else self.parity
        return open_device(
            blank.port,
            protocol=blank.protocol,
            address=address,
            serial_settings=SerialSettings(baudrate=blank.baudrate, parity=parity),
            family=family,
            timeout_s=self.timeout_s,
            retries=0,
        )

    def _told(self, probe: Probe) -> Probe:
        if self.progress is not None:
            self.progress(probe)
        return probe


def _is_series_sd(ctl: Controller) -> bool:
    """Whether the registers of a Series SD are there, with values that they can have."""
    wire = ctl.wire
    if not isinstance(wire, ModbusDriver):
        return False
    try:
        return all(wire.ask(register, 1)[0] in values for register, values in SERIES_SD)
    except WatlowDeviceError:
        return False


def _listed(given: Any, name: str, *single: type) -> list[Any]:
    """One thing or several, each once."""
    several = [given] if isinstance(given, single or (int, str)) else given
    if not isinstance(several, Iterable):
        raise WatlowConfigurationError(f"{name}={given!r}: give one or a list of them")
    return list(dict.fromkeys(several))
