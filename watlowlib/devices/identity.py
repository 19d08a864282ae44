"""Who a controller is: asked field by field, a field that does not answer stays None."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watlowlib.devices.layout import HARDWARE_IDS
from watlowlib.errors import WatlowCRCError, WatlowError, WatlowTimeoutError
from watlowlib.model import ControllerFamily, DeviceInfo, PartNumber, ProtocolKind, Value

if TYPE_CHECKING:
    from watlowlib.devices.controller import Controller

_PROTOCOLS = {1286: ProtocolKind.STDBUS, 1057: ProtocolKind.MODBUS_RTU}


def identify(ctl: Controller) -> DeviceInfo:
    """Ask `ctl` for everything that identifies it.

    Raises:
        WatlowTimeoutError: It did not answer at all.
        WatlowCRCError: It only answered damaged.
        WatlowConnectionError: The port is gone.
    """
    ctl.wire.forget()
    try:
        part = ctl.part_number(again=True)
    except (WatlowTimeoutError, WatlowCRCError):
        part = None
    if part is None:
        # Then this decides whether anybody is there.
        ctl.wire.ping()
    layout = ctl.wire.layout
    hardware = _whole(ctl, "hardware_id")
    return DeviceInfo(
        address=ctl.address,
        protocol=ctl.protocol,
        part_number=part,
        family=_family(ctl, part, hardware),
        loops=part.loops if part else None,
        hardware_id=hardware,
        firmware_id=_whole(ctl, "firmware"),
        software_revision=_whole(ctl, "software_revision"),
        software_build=_whole(ctl, "software_build_number"),
        serial_number=_serial_number(ctl),
        device_name=_text(ctl, "device_name"),
        configured_protocol=_PROTOCOLS.get(_whole(ctl, "protocol") or 0),
        data_map=layout.data_map,
        word_order=layout.word_order,
    )


def _family(ctl: Controller, part: PartNumber | None, hardware: int | None) -> ControllerFamily:
    """By the part number; over Modbus, where there is none, by a PM's hardware ID."""
    if part is not None and part.family is not ControllerFamily.UNKNOWN:
        return part.family
    if ctl.family is ControllerFamily.UNKNOWN and hardware in HARDWARE_IDS:
        return ControllerFamily.PM
    return ctl.family


def _serial_number(ctl: Controller) -> int | None:
    """One number on a PM; two registers on a Series SD, the high one first."""
    if ctl.family is not ControllerFamily.SD:
        return _whole(ctl, "serial_number")
    high, low = _whole(ctl, "serial_number_high"), _whole(ctl, "serial_number_low")
    return None if high is None or low is None else high << 16 | low


def _field(ctl: Controller, name: str) -> Value | None:
    try:
        return ctl.read_parameter(name).value
    except WatlowError:
        return None


def _whole(ctl: Controller, name: str) -> int | None:
    value = _field(ctl, name)
    return value if isinstance(value, int) else None


def _text(ctl: Controller, name: str) -> str | None:
    value = _field(ctl, name)
    return value if isinstance(value, str) else None
