"""Open a controller by its port and address: `open_device`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from watlowlib._internal.validation import (
    as_enum,
    as_int,
    as_positive,
    check_port,
    check_storable,
    shown,
)
from watlowlib.devices.controller import Controller
from watlowlib.devices.driver import Driver
from watlowlib.devices.layout import RegisterLayout
from watlowlib.devices.session import Session
from watlowlib.devices.stdbus_driver import StdBusDriver
from watlowlib.devices.zones import GATEWAY_OFFSET, REGISTERS, Zone, make_zone
from watlowlib.errors import (
    ErrorContext,
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowTimeoutError,
)
from watlowlib.model import ControllerFamily, ProtocolKind, Unit, WordOrder
from watlowlib.protocol.exchange import LONGEST_TIMEOUT_S, RetryPolicy
from watlowlib.protocol.port_pool import Lease, acquire_lease
from watlowlib.protocol.stdbus.client import StdBusClient
from watlowlib.registry.parameters import registry_of
from watlowlib.transport.base import Transport
from watlowlib.transport.capture_options import CAPTURE_BYTES, CaptureOptions
from watlowlib.transport.settings import SerialSettings
from watlowlib.transport.urls import is_tcp, server_of
from watlowlib.units import as_scale

ADDRESSES = {
    ProtocolKind.STDBUS: 16,
    ProtocolKind.MODBUS_RTU: 247,
    ProtocolKind.MODBUS_TCP: 255,
}
"""The highest address of each protocol; the lowest is 1, on Modbus TCP 0."""

ACCESS_MODULE = ("17", "J", "j")
"""The address of an RMA on Standard Bus, as a number and as a letter."""

REGISTERS_PER_READ, TCP_REGISTERS_PER_READ = 32, 84
"""The most registers in a read without another setting. A program that runs with a PM reads 84 over
Modbus TCP. Not through a gateway: it may need 10 ms for each two of them."""

ON_A_LINE = (ProtocolKind.STDBUS, ProtocolKind.MODBUS_RTU)
"""The protocols that AUTO tries, in this order."""


def open_device(
    port: str | os.PathLike[str] | Transport,
    *,
    protocol: ProtocolKind | str | None = None,
    address: int = 1,
    serial_settings: SerialSettings | None = None,
    family: ControllerFamily | str = ControllerFamily.UNKNOWN,
    name: str | None = None,
    temperature_unit: Unit | str | None = None,
    timeout_s: float = 0.5,
    retries: int = 1,
    word_order: WordOrder | str = WordOrder.AUTO,
    data_map: int | str = "auto",
    registers_per_read: int | None = None,
    zone: int | None = None,
    gateway_offset: int = GATEWAY_OFFSET,
    offset: int | None = None,
    wait_for_port: bool = False,
    capture: str | os.PathLike[str] | None = None,
    capture_bytes: int = CAPTURE_BYTES,
) -> Controller:
    """Open a controller.

    Opening sends nothing, except with `ProtocolKind.AUTO`. Several controllers on one port
    share it, under any name of the port; closing the last one closes the port.

    Args:
        port: A device name (`/dev/ttyUSB0`, `COM3`), a pyserial URL
            (`socket://host:4001`, `rfc2217://host:4001`), a Modbus TCP server
            (`tcp://host`, `tcp://host:502`) or a transport.
        protocol: The protocol that the controller is set to (17009). Default: Modbus TCP for
            `tcp://`, otherwise Standard Bus, the factory default. AUTO sends reads on Standard
            Bus, then on Modbus RTU.
        address: Controller address, 1 to 16 on Standard Bus, 1 to 247 on Modbus RTU; 1 by
            factory default. On Modbus TCP the unit id, 0 to 255.
        serial_settings: The serial settings. Default: 8 data bits, no parity, 1 stop bit,
            and 38400 baud on Standard Bus (its only baud rate) or 9600 baud on Modbus RTU (the
            factory default). None with Modbus TCP.
        family: The product family. A Series SD must be named: it has other parameters and
            supports only Modbus RTU. An RMC, RMH, ST or RM must be named over Modbus, where its
            registers are not those of a PM, and for loops beyond the second. A PM PLUS is a PM.
        name: Name of the controller in samples; default such as `1@ttyUSB0`, of a zone
            `zone2@...` or `offset5000@...`.
        temperature_unit: "C" or "F" where the scale of temperatures on the wire is known;
            without it they have no unit. The factory default of the controllers is °F. It
            converts nothing; `Reading.to` and `unit=` of a write do.
        timeout_s: Seconds to wait for a reply, above 0. A real controller mostly replies
            within 50 ms, rarely after 250; an adapter or network adds its own delay. Keep the
            timeout above the longest of these. A reply up to 30 s later than the timeout is
            recognized as late and discarded, if replies keep the order of the requests.
        retries: How often a failed read is repeated, 0 or more.
        word_order: Over Modbus, which word of a 32-bit value comes first (17043); "auto"
            reads the setting from the controller when it is first needed.
        data_map: Over Modbus, the data map: 1, 2, or "auto" to discover it, with reads only.
        registers_per_read: Over Modbus, the most registers per read, 2 to 125. The limit of
            the controllers is not published; a refused read is split and the limit remembered.
            None: 84 from a unit of a Modbus TCP server, else 32.
        zone: Over Modbus, the zone of a gateway that the controller is, 1 to 16. Its registers are
            `(zone - 1) * gateway_offset` higher. See `docs/gateway.md`.
        gateway_offset: The number of registers of a zone, as set in the gateway.
        offset: The offset of this zone, where it is another one.
        wait_for_port: Whether to return also if the port cannot be opened yet. Reads then raise
            `WatlowConnectionError`, and try again to open it, with a back-off.
        capture: A file for a capture of the port: all bytes with their times, for
            `watlowlib replay` and `ReplayTransport`. A file that exists is appended to.
        capture_bytes: The most bytes of the capture, in two files; the oldest are lost.

    Raises:
        WatlowConfigurationError: An argument is out of range, no file can store the name, or the
            port is open in this program with another protocol or other settings.
        WatlowPortNotFoundError: There is no such port.
        WatlowPortBusyError: Another program uses the port.
        WatlowPortPermissionError: This user may not open the port.
        WatlowConnectionError: The port cannot be opened for another reason.
        WatlowTimeoutError: With AUTO, no reply; the message says what was tried.
    """
    source = _source(port)
    kind, product = _protocol_and_family(protocol_of(source, protocol), family)
    _check_settings(serial_settings, kind)
    lowest, most = address_range(kind)
    address = as_int("address", address, lowest, most, address_hint(kind, address))
    policy = _policy_of(timeout_s, retries)
    unit = None if temperature_unit is None else as_scale("temperature_unit", temperature_unit)
    layout = _given_layout(data_map, word_order)
    part = _zone_for(kind, zone, gateway_offset, offset)
    limit = _registers_per_read(registers_per_read, kind, part)
    label = name or _default_name(source, address, part)
    check_storable("name", label)
    options = CaptureOptions.checked(capture, capture_bytes)

    def open_as(kind: ProtocolKind) -> Controller:
        settings = serial_settings or default_settings(kind)
        lease = acquire_lease(source, settings, kind, wait_for_port=wait_for_port, capture=options)
        try:
            driver = _driver(lease, address, policy, product, layout, limit, part)
        except BaseException:
            lease.release()
            raise
        session = Session(lease, driver, name=label, family=product, temperature_unit=unit)
        if part is not None:
            session.identity.request()  # before the first value and the first write
        return Controller(session)

    return _detect(open_as, address, product) if kind is ProtocolKind.AUTO else open_as(kind)


def _source(port: str | os.PathLike[str] | Transport) -> str | Transport:
    """Return the name of a port, or a transport."""
    source = os.fspath(port) if isinstance(port, os.PathLike) else port
    transport = isinstance(getattr(source, "port", None), str) and not hasattr(source, "baudrate")
    if not (isinstance(source, str) or transport):
        raise WatlowConfigurationError(f"port={shown(port)}: give a name such as '/dev/ttyUSB0'")
    check_port("port", source if isinstance(source, str) else source.port)
    return source


def _policy_of(timeout_s: float, retries: int) -> RetryPolicy:
    return RetryPolicy(
        as_positive("timeout_s", timeout_s, LONGEST_TIMEOUT_S, "seconds"),
        as_int("retries", retries, 0, 100, "give 0 or a whole number above"),
    )


def _default_name(source: str | Transport, address: int, zone: Zone | None) -> str:
    port = source if isinstance(source, str) else source.port
    return f"{address if zone is None else zone.name}@{port.removeprefix('/dev/')}"


def protocol_of(source: str | Transport, protocol: ProtocolKind | str | None) -> ProtocolKind | str:
    """Return the protocol for a port; None is the default one.

    Raises:
        WatlowConfigurationError: The port cannot be used with this protocol.
    """
    tcp = is_tcp(source)
    if tcp:
        server_of(str(source))  # checks it
    if protocol is None:
        return default_protocol(source)
    kind = as_enum("protocol", ProtocolKind, protocol)
    if tcp and kind is not ProtocolKind.MODBUS_TCP:
        raise WatlowConfigurationError(
            f"protocol={kind.value!r} with port={shown(source)}: tcp:// is a Modbus TCP server; "
            "leave the protocol out. For a serial line behind a device server give "
            "'socket://host:port'"
        )
    if kind is ProtocolKind.MODBUS_TCP and isinstance(source, str) and not tcp:
        raise WatlowConfigurationError(
            f"protocol='modbus_tcp' with port={shown(source)}: give the server as 'tcp://host'"
        )
    return kind


def default_protocol(source: object) -> ProtocolKind:
    """Return the protocol of a port for which none is given."""
    return ProtocolKind.MODBUS_TCP if is_tcp(source) else ProtocolKind.STDBUS


def address_range(kind: ProtocolKind) -> tuple[int, int]:
    """Return the lowest and the highest address of a protocol; AUTO has those of Modbus RTU."""
    lowest = 0 if kind is ProtocolKind.MODBUS_TCP else 1
    return lowest, ADDRESSES.get(kind, ADDRESSES[ProtocolKind.MODBUS_RTU])


def address_hint(kind: ProtocolKind, given: object) -> str:
    """Return what to give instead of an address that a protocol does not have."""
    lowest, most = address_range(kind)
    hint = f"on {kind.value} it is from {lowest} to {most}"
    if kind is ProtocolKind.STDBUS and str(given) in ACCESS_MODULE:
        hint += (
            "; J (17) is an RM Access module, whose parameters are not published: give the "
            "address of a module behind it, or 'tcp://host' and zone= if it is a gateway"
        )
    return hint


def default_settings(kind: ProtocolKind) -> SerialSettings:
    """Return the serial settings of a protocol; Modbus TCP has none, and gets any."""
    if kind is ProtocolKind.MODBUS_TCP:
        return SerialSettings()
    return SerialSettings.factory_for(kind)


def _check_settings(settings: SerialSettings | None, kind: ProtocolKind) -> None:
    if not isinstance(settings, (SerialSettings, type(None))):
        raise WatlowConfigurationError(
            f"serial_settings={shown(settings)}: give SerialSettings(baudrate=...)"
        )
    if settings is not None and kind is ProtocolKind.MODBUS_TCP:
        raise WatlowConfigurationError(
            "serial settings with protocol='modbus_tcp': a network has no baud rate and no "
            "parity; leave them out, or give 'socket://host:port' for a serial line behind a "
            "device server"
        )
    if settings and settings.vary_source and kind is not ProtocolKind.STDBUS:
        raise WatlowConfigurationError(
            f"vary_source=True with protocol={kind.value!r}: only Standard Bus has source "
            "addresses; leave it out, or give protocol='stdbus'"
        )


def _protocol_and_family(
    protocol: ProtocolKind | str, family: ControllerFamily | str
) -> tuple[ProtocolKind, ControllerFamily]:
    """Return both, checked to go together."""
    kind = as_enum("protocol", ProtocolKind, protocol)
    product = as_enum("family", ControllerFamily, family)
    if product is ControllerFamily.SD and kind is ProtocolKind.STDBUS:
        raise WatlowConfigurationError(
            f"family='sd' with protocol={kind.value!r}: a Series SD supports only Modbus RTU; "
            "give protocol='modbus_rtu'"
        )
    return kind, product


def _detect(
    open_as: Callable[[ProtocolKind], Controller], address: int, family: ControllerFamily
) -> Controller:
    """Return the controller in the first protocol in which it replies."""
    tried = []
    for kind in ON_A_LINE:
        if address > ADDRESSES[kind] or (
            family is ControllerFamily.SD and kind is ProtocolKind.STDBUS
        ):
            continue
        try:
            ctl = open_as(kind)
        except WatlowConfigurationError as error:  # the port is open here in the other protocol
            tried.append(f"{kind.value}: {error.message}")
            continue
        try:
            ctl.session.driver.ping()
            return ctl
        except (WatlowTimeoutError, WatlowCRCError) as error:
            tried.append(f"{kind.value}: {error.message}")
            ctl.close()
        except BaseException:
            ctl.close()
            raise
    raise WatlowTimeoutError(
        f"no controller replies; tried {'; tried '.join(tried)}",
        context=ErrorContext(address=address),
    )


def _driver(
    lease: Lease,
    address: int,
    policy: RetryPolicy,
    family: ControllerFamily,
    layout: RegisterLayout,
    limit: int,
    zone: Zone | None,
) -> Driver:
    client = lease.client
    if isinstance(client, StdBusClient):
        return StdBusDriver(client, address, policy)
    # Modbus is loaded only where it is used.
    from watlowlib.devices.modbus_driver import ModbusDriver
    from watlowlib.devices.series_sd import LAYOUT, SeriesSdDriver

    if zone is not None and family is ControllerFamily.SD:
        raise WatlowConfigurationError(
            f"family='sd' with {zone}: a gateway has zones of EZ-ZONE controllers only"
        )
    lease.claim(address, range(REGISTERS) if zone is None else zone.registers)
    if family is ControllerFamily.SD:
        return SeriesSdDriver(client, address, policy, given=LAYOUT, registers_per_read=limit)
    options: Any = {
        "given": layout,
        "registers_per_read": limit,
        "registry": registry_of(family, gateway=zone is not None),
    }
    if zone is None:
        return ModbusDriver(client, address, policy, **options)
    from watlowlib.devices.zone_driver import ZoneClient, ZoneDriver

    return ZoneDriver(ZoneClient(client, zone), address, policy, **options)


def _zone_for(
    kind: ProtocolKind, zone: int | None, gateway_offset: int, offset: int | None
) -> Zone | None:
    """Return the zone of a gateway, which exists over Modbus only."""
    found = make_zone(zone, gateway_offset, offset)
    if found is not None and not kind.is_modbus:
        raise WatlowConfigurationError(
            f"zone={zone}, offset={offset} with protocol={kind.value!r}: a gateway is a Modbus "
            "device; give 'tcp://host', or protocol='modbus_rtu'. On Standard Bus a controller "
            "has an address"
        )
    return found


def _registers_per_read(given: int | None, kind: ProtocolKind, zone: Zone | None) -> int:
    """Return the most registers per read: those given, or the default."""
    if given is None:
        on_network = kind is ProtocolKind.MODBUS_TCP and zone is None
        return TCP_REGISTERS_PER_READ if on_network else REGISTERS_PER_READ
    from watlowlib.protocol.modbus.frames import MOST_READ  # not loaded without Modbus

    return as_int("registers_per_read", given, 2, MOST_READ, f"give 2 to {MOST_READ}")


def _given_layout(data_map: int | str, word_order: WordOrder | str) -> RegisterLayout:
    """Return what the user has given of the layout."""
    order = as_enum("word_order", WordOrder, word_order)
    if data_map not in (1, 2, "auto") or isinstance(data_map, bool):
        raise WatlowConfigurationError(f"data_map={shown(data_map)}: give 1, 2 or 'auto'")
    return RegisterLayout(
        None if isinstance(data_map, str) else data_map,
        None if order is WordOrder.AUTO else order,
    )
