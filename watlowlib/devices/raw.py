"""Reads by number, without the registry: an object on Standard Bus, or Modbus registers.

    with open_device("/dev/ttyUSB0") as ctl:
        print(read_object(ctl, 4, 1, 1).value)

Nothing is written. Values are those on the wire: they have no unit and are not checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from watlowlib._internal.validation import as_int
from watlowlib.devices.controller import Controller
from watlowlib.devices.driver import Driver
from watlowlib.devices.modbus_driver import ModbusDriver
from watlowlib.devices.stdbus_driver import StdBusDriver
from watlowlib.errors import WatlowConfigurationError, WatlowFrameError
from watlowlib.model import ProtocolKind, Value
from watlowlib.protocol.modbus.frames import MOST_READ
from watlowlib.protocol.stdbus.payloads import decode_content

D = TypeVar("D", bound=Driver)
T = TypeVar("T")


@dataclass(frozen=True)
class RawObject:
    """The value of a class, member and instance on Standard Bus.

    Attributes:
        tag: The type of the value on the wire; see `watlowlib.protocol.stdbus.payloads.Tag`.
        data: The bytes after the tag.
        value: The value by its tag; None if the tag is not known.
        frame: The whole reply.
    """

    tag: int
    data: bytes
    value: Value | None
    frame: bytes


def read_object(ctl: Controller, class_id: int, member_id: int, instance: int = 1) -> RawObject:
    """Read any class, member and instance of a controller on Standard Bus.

    Args:
        ctl: The controller.
        class_id: 0 to 255; the thousands of a parameter number.
        member_id: 0 to 255; the rest of a parameter number.
        instance: 0 to 255; controllers count from 1.

    Raises:
        WatlowConfigurationError: A number is out of range, or the controller is on Modbus RTU;
            nothing was sent.
        WatlowDeviceError: The controller refuses the read.
        WatlowTimeoutError: No reply after all retries.
    """
    given = {"class_id": class_id, "member_id": member_id, "instance": instance}
    numbers = [as_int(name, each, 0, 255, "give 0 to 255") for name, each in given.items()]
    driver = _driver(ctl, StdBusDriver, "objects", ProtocolKind.STDBUS)
    reply = _read(ctl, lambda: driver.read_object(*numbers))
    try:
        value = decode_content(reply.content)
    except WatlowFrameError:
        value = None
    return RawObject(reply.content[0], reply.content[1:], value, reply.raw)


def read_registers(ctl: Controller, register: int, count: int = 1) -> tuple[int, ...]:
    """Read any holding registers of a controller on Modbus RTU.

    Args:
        ctl: The controller.
        register: The first register, as sent on the wire, 0 to 65535; in a zone of a gateway
            without its offset.
        count: The number of registers, 1 to 125, read in one request.

    Returns:
        The registers, each 0 to 65535.

    Raises:
        WatlowConfigurationError: A number is out of range, or the controller is on Standard
            Bus; nothing was sent.
        WatlowDeviceError: The controller refuses the read.
        WatlowTimeoutError: No reply after all retries.
    """
    first = as_int("register", register, 0, 0xFFFF, "give 0 to 65535")
    most = min(MOST_READ, 0x10000 - first)
    number = as_int("count", count, 1, most, f"give 1 to {most}")
    driver = _driver(ctl, ModbusDriver, "registers", ProtocolKind.MODBUS_RTU)
    return _read(ctl, lambda: driver.read_block(first, number))


def _driver(ctl: Controller, kind: type[D], what: str, protocol: ProtocolKind) -> D:
    driver = ctl.session.driver
    if not isinstance(driver, kind):
        raise WatlowConfigurationError(
            f"{ctl.name} has no {what}: it is open with protocol={ctl.protocol.value!r}; "
            f"they need protocol={protocol.value!r}"
        )
    return driver


def _read(ctl: Controller, request: Callable[[], T]) -> T:
    session = ctl.session
    session.confirm()
    return session.repeat_if_interrupted(request)
