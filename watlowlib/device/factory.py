"""`open_device`: from a port and an address to a `Controller`."""

from __future__ import annotations

import os

from watlowlib.arguments import chosen, positive, whole
from watlowlib.device.controller import Controller
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ControllerFamily, ProtocolKind, SerialSettings, Unit
from watlowlib.protocol.conversation import Patience
from watlowlib.protocol.sharing import take_lease
from watlowlib.transport.base import Transport


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
) -> Controller:
    """Open a controller.

    Opening sends nothing. Several controllers on one port share it by themselves, under
    whatever names the port was given; the last one closed closes it.

    Args:
        port: A device name (`/dev/ttyUSB0`, `COM3`), a pyserial URL
            (`socket://host:4001`, `rfc2217://host:4001`) or a transport.
        protocol: What the controller is set to (17009); Standard Bus from the factory.
        address: Its address, 1 to 16; 1 from the factory.
        serial_settings: How the line is set; without it 38400 baud, 8 data bits, no
            parity, 1 stop bit, which is what Standard Bus has.
        family: The product family, where it is known.
        name: What it is called in samples; without it `1@ttyUSB0`.
        temperature_unit: "C" or "F" where the scale of the temperatures on the wire is
            known; without it they carry no unit. The controllers speak °F from the factory.
        timeout_s: Seconds to wait for an answer, above 0. A real controller mostly answers
            within 50 ms, seldom after 250; an adapter or network adds its own delay. Keep
            it above the longest of that. An answer up to a second later than the timeout
            is told from the next one and thrown away; one still later may not be.
        retries: How often a read is asked again, 0 or more.

    Raises:
        WatlowConfigurationError: An argument that cannot be, or a port that is open here
            with other settings.
        WatlowPortNotFoundError: There is no such port.
        WatlowPortBusyError: Another program has it.
        WatlowPortPermissionError: This user may not open it.
        WatlowConnectionError: It cannot be opened for another reason.
    """
    source = os.fspath(port) if isinstance(port, os.PathLike) else port
    transport = isinstance(getattr(source, "port", None), str) and not hasattr(source, "baudrate")
    if not isinstance(source, str) and not transport:
        raise WatlowConfigurationError(f"port={port!r}: give a name such as '/dev/ttyUSB0'")
    kind = chosen("protocol", ProtocolKind, protocol)
    if kind is not ProtocolKind.STDBUS:
        raise WatlowConfigurationError(
            f"protocol={kind.value!r}: only {ProtocolKind.STDBUS.value!r} is supported yet"
        )
    settings = SerialSettings() if serial_settings is None else serial_settings
    if not isinstance(settings, SerialSettings):
        raise WatlowConfigurationError(
            f"serial_settings={settings!r}: give SerialSettings(baudrate=...)"
        )
    family = chosen("family", ControllerFamily, family)
    address = whole("address", address, 1, 16, "a Standard Bus controller has one from 1 to 16")
    patience = Patience(
        positive("timeout_s", timeout_s, 3600.0, "seconds"),
        whole("retries", retries, 0, 100, "give 0 or a whole number above"),
    )
    unit = _temperature_unit(temperature_unit)
    lease = take_lease(source, settings, kind)
    label = source if isinstance(source, str) else source.port
    return Controller(
        lease,
        address=address,
        name=name or f"{address}@{label.removeprefix('/dev/')}",
        family=family,
        temperature_unit=unit,
        patience=patience,
    )


def _temperature_unit(given: Unit | str | None) -> Unit | None:
    if given is None:
        return None
    units = {"C": Unit.CELSIUS, "F": Unit.FAHRENHEIT}
    found = units.get(str(given).removeprefix("°").upper())
    if found is None:
        raise WatlowConfigurationError(f"temperature_unit={given!r}: give 'C', 'F' or None")
    return found
