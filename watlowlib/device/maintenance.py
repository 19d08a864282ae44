"""Communications settings, which would cut a careless program off: changed here, and only here.

Each function changes one setting and follows the change. Address and baud rate are proven
by reading; a change to Modbus shows in that the controller, which answered just before,
answers no more on Standard Bus.
"""

from __future__ import annotations

from contextlib import suppress

from watlowlib.arguments import chosen, whole
from watlowlib.device.controller import Controller
from watlowlib.device.writing import carry_out
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowTimeoutError,
    WatlowWriteError,
)
from watlowlib.model import ProtocolKind

BAUDRATES = {9600: 188, 19200: 189, 38400: 190}
PROBES = 3
"""How often an address must meet silence before it is taken to be free."""

_MODBUS, _STDBUS = 1057, 1286


def set_address(ctl: Controller, address: int, *, confirm: bool = False) -> None:
    """Give the controller another Standard Bus address (17001), and go on under that one.

    Args:
        ctl: The controller.
        address: 1 to 16, at which nobody may answer yet.
        confirm: Must be True: the address is kept in EEPROM.

    Raises:
        WatlowConfigurationError: No such address, or one at which somebody answers.
        WatlowWriteError: The controller is not found at its new address.
    """
    address = whole("address", address, 1, 16, "give one from 1 to 16")
    if address == ctl.address:
        return
    order = ctl.check_write("standard_bus_address", address, confirm=confirm, maintenance=True)
    if any(ctl.heard_at(address, order.spec) for _ in range(PROBES)):
        raise WatlowConfigurationError(f"address={address}: another controller answers there")
    # The answer may come from the new address already: what counts is who is there then.
    with suppress(WatlowTimeoutError, WatlowCRCError, WatlowWriteError):
        carry_out(ctl, order)
    if not ctl.heard_at(address, order.spec):
        raise WatlowWriteError(f"the controller does not answer at its new address {address}")
    ctl.wire = ctl.wire.at(address)


def set_modbus_baudrate(ctl: Controller, baudrate: int, *, confirm: bool = False) -> None:
    """Set the baud rate the controller will have on Modbus (17002), and read it back.

    Args:
        ctl: The controller, on Standard Bus, whose own rate is always 38400.
        baudrate: 9600, 19200 or 38400.
        confirm: Must be True: the rate is kept in EEPROM.

    Raises:
        WatlowConfigurationError: No such rate.
    """
    if baudrate not in BAUDRATES:
        raise WatlowConfigurationError(f"baudrate={baudrate!r}: allowed are 9600, 19200, 38400")
    code = BAUDRATES[baudrate]
    order = ctl.check_write("modbus_baudrate", code, confirm=confirm, maintenance=True)
    carry_out(ctl, order, verify=True)


def set_protocol(ctl: Controller, protocol: ProtocolKind, *, confirm: bool = False) -> None:
    """Set the protocol the controller speaks (17009).

    Every PM takes the setting Modbus, also one that cannot speak it, and then answers
    nothing any more: so the part number is asked first.

    Args:
        ctl: The controller, on Standard Bus.
        protocol: What it shall speak. After a change to Modbus RTU this controller
            object is of no more use: close it and open the port for Modbus.
        confirm: Must be True: the setting is kept in EEPROM.

    Raises:
        WatlowConfigurationError: The part number does not say that it speaks Modbus RTU.
        WatlowWriteError: It goes on as before.
    """
    kind = chosen("protocol", ProtocolKind, protocol)
    if kind is ProtocolKind.AUTO:
        raise WatlowConfigurationError("protocol='auto': give 'stdbus' or 'modbus_rtu'")
    if kind is ProtocolKind.MODBUS_RTU:
        part = ctl.part_number()
        if part is None or not part.modbus:
            raise WatlowConfigurationError(
                f"part number {part.text if part else 'unknown'} does not say that this "
                "controller speaks Modbus RTU; "
                "set to Modbus it would answer nothing any more"
            )
    code = _MODBUS if kind is ProtocolKind.MODBUS_RTU else _STDBUS
    order = ctl.check_write("protocol", code, confirm=confirm, maintenance=True)
    # A line that is dead already proves nothing by falling silent.
    ctl.read_parameter("protocol")
    try:
        carry_out(ctl, order)
        held = ctl.read_parameter("protocol").value
    except WatlowTimeoutError:
        if kind is ProtocolKind.STDBUS:
            raise
        return  # it has fallen silent here, as one that speaks Modbus now does
    if held != code:
        raise WatlowWriteError(f"the controller's protocol setting is still {held}")
