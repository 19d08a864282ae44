"""Identification of a controller: each field is read by itself and is None without a reply."""

from __future__ import annotations

from watlowlib.devices.layout import HARDWARE_IDS
from watlowlib.devices.session import Session
from watlowlib.errors import WatlowCRCError, WatlowError, WatlowTimeoutError
from watlowlib.model import ControllerFamily, DeviceInfo, PartNumber, ProtocolKind, Value

_PROTOCOLS = {1286: ProtocolKind.STDBUS, 1057: ProtocolKind.MODBUS_RTU}


def identify(session: Session) -> DeviceInfo:
    """Read everything that identifies the controller.

    Raises:
        WatlowTimeoutError: No reply at all.
        WatlowCRCError: Only damaged frames.
        WatlowConnectionError: The port is gone.
    """
    session.driver.forget()
    try:
        part = session.part_number(refresh=True)
    except (WatlowTimeoutError, WatlowCRCError):
        part = None
    if part is None:
        session.driver.ping()  # raises when there is no controller
    layout = session.driver.discover_layout()
    hardware = _read_int(session, "hardware_id")
    return DeviceInfo(
        address=session.address,
        protocol=session.protocol,
        part_number=part,
        family=_family(session, part, hardware),
        loops=part.loops if part else None,
        hardware_id=hardware,
        firmware_id=_read_int(session, "firmware"),
        software_revision=_read_int(session, "software_revision"),
        software_build=_read_int(session, "software_build_number"),
        serial_number=_serial_number(session),
        device_name=_read_text(session, "device_name"),
        configured_protocol=_PROTOCOLS.get(_read_int(session, "protocol") or 0),
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
        return _read_int(session, "serial_number")
    high = _read_int(session, "serial_number_high")
    low = _read_int(session, "serial_number_low")
    return None if high is None or low is None else high << 16 | low


def _read(session: Session, name: str) -> Value | None:
    try:
        return session.read_parameter(name).value
    except WatlowError:
        return None


def _read_int(session: Session, name: str) -> int | None:
    value = _read(session, name)
    return value if isinstance(value, int) else None


def _read_text(session: Session, name: str) -> str | None:
    value = _read(session, name)
    return value if isinstance(value, str) else None
