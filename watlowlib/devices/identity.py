"""Identification of a controller: each field is read by itself and is None without a reply."""

from __future__ import annotations

from typing import TypeVar

from watlowlib.devices.layout import HARDWARE_IDS
from watlowlib.devices.session import Session
from watlowlib.errors import WatlowCRCError, WatlowError, WatlowTimeoutError
from watlowlib.model import ControllerFamily, DeviceInfo, PartNumber, ProtocolKind

T = TypeVar("T", int, str)
_PROTOCOLS = {1286: ProtocolKind.STDBUS, 1057: ProtocolKind.MODBUS_RTU}


def identify(session: Session) -> DeviceInfo:
    """Read everything that identifies the controller.

    Raises:
        WatlowTimeoutError: No reply at all.
        WatlowCRCError: Only damaged frames.
        WatlowConnectionError: The port is lost.
    """
    session.driver.forget()
    try:
        part = session.part_number(refresh=True)
    except (WatlowTimeoutError, WatlowCRCError):
        part = None
    if part is None:
        session.driver.ping()  # raises when there is no controller
    layout = session.driver.discover_layout()
    hardware = _read(session, "hardware_id", int)
    return DeviceInfo(
        address=session.address,
        protocol=session.protocol,
        part_number=part,
        family=_family(session, part, hardware),
        loops=part.loops if part else None,
        hardware_id=hardware,
        firmware_id=_read(session, "firmware", int),
        software_revision=_read(session, "software_revision", int),
        software_build=_read(session, "software_build_number", int),
        serial_number=_serial_number(session),
        device_name=_read(session, "device_name", str),
        configured_protocol=_PROTOCOLS.get(_read(session, "protocol", int) or 0),
        data_map=layout.data_map,
        word_order=layout.word_order,
    )


def _family(session: Session, part: PartNumber | None, hardware: int | None) -> ControllerFamily:
    """Return the family by the part number; over Modbus, which has none, by the hardware ID."""
    if part is not None and part.family is not ControllerFamily.UNKNOWN:
        return part.family
    if session.family is ControllerFamily.UNKNOWN and hardware in HARDWARE_IDS:
        return ControllerFamily.PM
    return session.family


def _serial_number(session: Session) -> int | None:
    """Read the serial number; a Series SD has it in two registers, high word first."""
    if session.family is not ControllerFamily.SD:
        return _read(session, "serial_number", int)
    high = _read(session, "serial_number_high", int)
    low = _read(session, "serial_number_low", int)
    return None if high is None or low is None else high << 16 | low


def _read(session: Session, name: str, kind: type[T]) -> T | None:
    """Return the value of a parameter; None if it is not of type `kind` or cannot be read."""
    try:
        value = session.read_parameter(name).value
    except WatlowError:
        return None
    return value if isinstance(value, kind) else None
