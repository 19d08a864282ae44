"""`open_device`: from a port and an address to a `Controller`."""

from __future__ import annotations

import os
from collections.abc import Callable

from watlowlib._internal.validation import as_enum, as_int, as_positive
from watlowlib.devices.controller import Controller
from watlowlib.devices.layout import RegisterLayout
from watlowlib.devices.stdbus_driver import Driver, StdBusDriver
from watlowlib.errors import (
    ErrorContext,
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowTimeoutError,
)
from watlowlib.model import ControllerFamily, ProtocolKind, SerialSettings, Unit, WordOrder
from watlowlib.protocol.exchange import RetryPolicy
from watlowlib.protocol.modbus.frames import MOST_READ
from watlowlib.protocol.port_pool import Lease, take_lease
from watlowlib.protocol.stdbus.client import StdBusClient
from watlowlib.transport.base import Transport

ADDRESSES = {ProtocolKind.STDBUS: 16, ProtocolKind.MODBUS_RTU: 247}
"""The highest address of each protocol; the lowest is 1."""

SETTINGS = {
    ProtocolKind.STDBUS: SerialSettings(baudrate=38400),
    ProtocolKind.MODBUS_RTU: SerialSettings(baudrate=9600),
}
"""How a line is set from the factory. Source: 17002, 17003 and the Series SD's manual."""


def open_device(
    port: str | os.PathLike[str] | Transport,
    *,
    protocol: ProtocolKind = ProtocolKind.STDBUS,
    address: int = 1,
    serial_settings: SerialSettings | None = None,
    family: ControllerFamily = ControllerFamily.UNKNOWN,
    name: str | None = None,
    temperature_unit: Unit | str | None = None,
    timeout_s: float = 0.5,
    retries: int = 1,
    word_order: WordOrder | str = WordOrder.AUTO,
    data_map: int | str = "auto",
    registers_per_read: int = 32,
) -> Controller:
    """Open a controller.

    Opening sends nothing, unless the protocol is to be found out. Several controllers on one
    port share it by themselves, under whatever names the port was given; the last one closed
    closes it.

    Args:
        port: A device name (`/dev/ttyUSB0`, `COM3`), a pyserial URL
            (`socket://host:4001`, `rfc2217://host:4001`) or a transport.
        protocol: What the controller is set to (17009); Standard Bus from the factory. With
            AUTO it is asked on Standard Bus, then on Modbus RTU, with reads alone.
        address: Its address, 1 to 16 on Standard Bus, 1 to 247 on Modbus RTU; 1 from the
            factory.
        serial_settings: How the line is set; without it 8 data bits, no parity, 1 stop bit,
            and 38400 baud on Standard Bus, which is never otherwise, or 9600 baud on Modbus
            RTU, as from the factory.
        family: The product family. A Series SD must be named: it has other parameters, and
            speaks Modbus RTU only.
        name: What it is called in samples; without it `1@ttyUSB0`.
        temperature_unit: "C" or "F" where the scale of the temperatures on the wire is
            known; without it they carry no unit. The controllers speak °F from the factory.
        timeout_s: Seconds to wait for an answer, above 0. A real controller mostly answers
            within 50 ms, seldom after 250; an adapter or network adds its own delay. Keep
            it above the longest of that. An answer up to a second later than the timeout
            is told from the next one and thrown away; one still later may not be.
        retries: How often a read is asked again, 0 or more.
        word_order: Over Modbus, which word of a 32-bit value comes first (17043); "auto"
            reads it from the controller when it matters first.
        data_map: Over Modbus, where the parameters are: 1, 2, or "auto" to find it out, by
            reads alone.
        registers_per_read: Over Modbus, the most registers to ask for at once, 2 to 125.
            What a controller takes is not published; what it refuses is split, and
            remembered.

    Raises:
        WatlowConfigurationError: An argument that cannot be, or a port that is open here
            with other settings.
        WatlowPortNotFoundError: There is no such port.
        WatlowPortBusyError: Another program has it.
        WatlowPortPermissionError: This user may not open it.
        WatlowConnectionError: It cannot be opened for another reason.
        WatlowTimeoutError: With AUTO, nobody answers; the message says what was tried.
    """
    source = _source(port)
    kind, family = _spoken(protocol, family)
    if not isinstance(serial_settings, (SerialSettings, type(None))):
        raise WatlowConfigurationError(
            f"serial_settings={serial_settings!r}: give SerialSettings(baudrate=...)"
        )
    most = ADDRESSES.get(kind, ADDRESSES[ProtocolKind.MODBUS_RTU])
    address = as_int("address", address, 1, most, f"on {kind.value} it is from 1 to {most}")
    policy = RetryPolicy(
        as_positive("timeout_s", timeout_s, 3600.0, "seconds"),
        as_int("retries", retries, 0, 100, "give 0 or a whole number above"),
    )
    unit = _temperature_unit(temperature_unit)
    layout = _layout(data_map, word_order)
    limit = as_int("registers_per_read", registers_per_read, 2, MOST_READ, "give 2 to 125")
    label = source if isinstance(source, str) else source.port

    def opened(kind: ProtocolKind) -> Controller:
        lease = take_lease(source, serial_settings or SETTINGS[kind], kind)
        return Controller(
            lease,
            _wire(lease, address, policy, family, layout, limit),
            name=name or f"{address}@{label.removeprefix('/dev/')}",
            family=family,
            temperature_unit=unit,
        )

    return _answering(opened, address, family) if kind is ProtocolKind.AUTO else opened(kind)


def _source(port: str | os.PathLike[str] | Transport) -> str | Transport:
    """A port's name, or a transport."""
    source = os.fspath(port) if isinstance(port, os.PathLike) else port
    transport = isinstance(getattr(source, "port", None), str) and not hasattr(source, "baudrate")
    if not source or not (isinstance(source, str) or transport):
        raise WatlowConfigurationError(f"port={port!r}: give a name such as '/dev/ttyUSB0'")
    return source


def _spoken(
    protocol: ProtocolKind, family: ControllerFamily
) -> tuple[ProtocolKind, ControllerFamily]:
    """The protocol and the family, which must go together."""
    kind = as_enum("protocol", ProtocolKind, protocol)
    family = as_enum("family", ControllerFamily, family)
    if family is ControllerFamily.SD and kind is ProtocolKind.STDBUS:
        raise WatlowConfigurationError(
            f"family='sd' with protocol={kind.value!r}: a Series SD speaks Modbus RTU only; "
            "give protocol='modbus_rtu'"
        )
    return kind, family


def _answering(
    opened: Callable[[ProtocolKind], Controller], address: int, family: ControllerFamily
) -> Controller:
    """The controller in the protocol in which it answers."""
    tried = []
    for kind, most in ADDRESSES.items():
        if address > most or (family is ControllerFamily.SD and kind is ProtocolKind.STDBUS):
            continue
        try:
            ctl = opened(kind)
        except WatlowConfigurationError as error:  # the port is in use here, in the other one
            tried.append(f"{kind.value}: {error.message}")
            continue
        try:
            ctl.wire.ping()
            return ctl
        except (WatlowTimeoutError, WatlowCRCError) as error:
            tried.append(f"{kind.value}: {error.message}")
            ctl.close()
        except BaseException:
            ctl.close()
            raise
    raise WatlowTimeoutError(
        f"no controller answers; tried {'; tried '.join(tried)}",
        context=ErrorContext(address=address),
    )


def _wire(
    lease: Lease,
    address: int,
    policy: RetryPolicy,
    family: ControllerFamily,
    layout: RegisterLayout,
    limit: int,
) -> Driver:
    client = lease.client
    if isinstance(client, StdBusClient):
        return StdBusDriver(client, address, policy)
    # Only who speaks Modbus waits until it is loaded.
    from watlowlib.devices.modbus_driver import ModbusDriver
    from watlowlib.devices.series_sd import SeriesSdDriver

    if family is ControllerFamily.SD:
        return SeriesSdDriver(client, address, policy, registers_per_read=limit)
    return ModbusDriver(client, address, policy, given=layout, registers_per_read=limit)


def _layout(data_map: int | str, word_order: WordOrder | str) -> RegisterLayout:
    """What the user says of it."""
    order = as_enum("word_order", WordOrder, word_order)
    if data_map not in (1, 2, "auto") or isinstance(data_map, bool):
        raise WatlowConfigurationError(f"data_map={data_map!r}: give 1, 2 or 'auto'")
    return RegisterLayout(
        None if isinstance(data_map, str) else data_map,
        None if order is WordOrder.AUTO else order,
    )


def _temperature_unit(given: Unit | str | None) -> Unit | None:
    if given is None:
        return None
    units = {"C": Unit.CELSIUS, "F": Unit.FAHRENHEIT}
    found = units.get(str(given).removeprefix("°").upper())
    if found is None:
        raise WatlowConfigurationError(f"temperature_unit={given!r}: give 'C', 'F' or None")
    return found
