"""Identification of a controller: each field is read by itself and is None without a reply."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeVar

from watlowlib.devices.layout import HARDWARE_IDS, RegisterLayout
from watlowlib.devices.replacement import Identity, read_identity
from watlowlib.devices.session import Session
from watlowlib.errors import (
    WatlowAbsentError,
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowDeviceError,
    WatlowError,
    WatlowTimeoutError,
)
from watlowlib.model import ControllerFamily, DeviceInfo, PartNumber, ProtocolKind

T = TypeVar("T", int, str)
PROTOCOLS = {1286: ProtocolKind.STDBUS, 1057: ProtocolKind.MODBUS_RTU}
"""The protocols by the code of 17009."""


def identify(session: Session) -> DeviceInfo:
    """Read everything that identifies the controller, and keep its identity for later checks.

    Raises:
        WatlowOtherDeviceError: Another controller replies than the known one.
        WatlowTimeoutError: No reply at all.
        WatlowCRCError: Only damaged frames.
        WatlowConnectionError: The port is lost.
        WatlowUncertainError: No controller is recognized in the zone of a gateway.
        WatlowAbsentError: The gateway has no values of the controller.
    """
    session.confirm()
    opening = session.port.stats.reconnects
    session.driver.forget()
    try:
        part = session.part_number(refresh=True)
    except (WatlowTimeoutError, WatlowCRCError):
        part = None
    if part is None:
        session.confirm()
        session.driver.ping()  # raises when there is no controller
    if session.driver.behind_gateway:
        session.read_parameter("input_error")  # raises if the gateway has no values of it
    layout = session.driver.discover_layout()
    hardware = _read(session, "hardware_id", int)
    identity = _identity(session)
    info = DeviceInfo(
        address=session.address,
        protocol=session.protocol,
        part_number=part,
        family=_family(session, part, hardware, layout),
        loops=part.loops if part else None,
        hardware_id=hardware,
        firmware_id=_read(session, "firmware", int),
        software_revision=_read(session, "software_revision", int),
        software_build=_read(session, "software_build_number", int),
        serial_number=identity.serial_number,
        device_name=_read(session, "device_name", str),
        configured_protocol=PROTOCOLS.get(_read(session, "protocol", int) or 0),
        data_map=layout.data_map,
        word_order=layout.word_order,
    )
    session.identity.note(session.driver, opening, identity)
    session.confirm()
    session.settings.info, session.settings.firmware_id = info, info.firmware_id
    return info


def read_description(session: Session) -> None:
    """Read the part number and the firmware ID (1002), unless they are known; keep them.

    What the controller does not report stays unknown.

    Raises:
        WatlowTimeoutError: No reply.
        WatlowConnectionError: The port is lost.
        WatlowError: The identity could not be confirmed, or a reply was not usable.
    """
    session.part_number()
    if session.settings.firmware_id is None:
        with suppress(WatlowDeviceError, WatlowConfigurationError, WatlowAbsentError):
            value = session.read_parameter("firmware").value
            session.settings.firmware_id = value if isinstance(value, int) else None


def known_identity(session: Session, name: str) -> dict[str, Any]:
    """Return what is known about the controller called `name`, as JSON types; sends nothing.

    None stands for what has not been read in this session.
    """
    part, known = session.settings.part, session.settings.info
    identity = session.identity.known or Identity()
    family = session.family if known is None else known.family
    unit = session.temperature_unit
    return {
        "name": name,
        "port": session.port.name,
        "address": session.address,
        "protocol": session.protocol.value,
        "family": family.value,
        "part_number": identity.part_number if part is None else part.text,
        "serial_number": identity.serial_number,
        "firmware_id": session.settings.firmware_id,
        "software_revision": known and known.software_revision,
        "software_build": known and known.software_build,
        "temperature_unit": None if unit is None else unit.value,
    }


def _family(
    session: Session, part: PartNumber | None, hardware: int | None, layout: RegisterLayout
) -> ControllerFamily:
    """Return the family by the part number; else the one given.

    Over Modbus, where there is no part number, a controller is a PM if it has the hardware ID and
    the control mode of a PM at the registers of a PM.
    """
    if part is not None and part.family is not ControllerFamily.UNKNOWN:
        return part.family
    if session.family is ControllerFamily.UNKNOWN and layout.data_map and hardware in HARDWARE_IDS:
        return ControllerFamily.PM
    return session.family


def _identity(session: Session) -> Identity:
    try:
        return read_identity(session.driver, session.registry)
    except WatlowError:
        return Identity()


def _read(session: Session, name: str, kind: type[T]) -> T | None:
    """Return the value of a parameter; None if it is not of type `kind` or cannot be read."""
    try:
        value = session.read_parameter(name).value
    except WatlowError:
        return None
    return value if isinstance(value, kind) else None
