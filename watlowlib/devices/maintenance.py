"""Communications settings, which would cut a careless program off: changed here, and only here.

Each function changes one setting and follows the change. Address and baud rate are proven
by reading; a change of the protocol shows in that the controller, which answered just before,
answers no more in the one it had.
"""

from __future__ import annotations

from contextlib import suppress

from watlowlib._internal.validation import as_enum, as_int
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import ADDRESSES
from watlowlib.devices.writing import carry_out
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
    """Give the controller another address, and go on under that one.

    Args:
        ctl: The controller.
        address: Its address in the protocol it is opened with, at which nobody may answer
            yet: 1 to 16 on Standard Bus (17001), 1 to 247 on Modbus RTU (17007).
        confirm: Must be True: the address is kept in EEPROM.

    Raises:
        WatlowConfigurationError: No such address, or one at which somebody answers.
        WatlowWriteError: The controller is not found at its new address.
    """
    name = "modbus_address" if ctl.protocol is ProtocolKind.MODBUS_RTU else "standard_bus_address"
    most = ADDRESSES[ctl.protocol]
    address = as_int("address", address, 1, most, f"give one from 1 to {most}")
    if address == ctl.address:
        return
    order = ctl.check_write(name, address, confirm=confirm, maintenance=True)
    if any(ctl.heard_at(address) for _ in range(PROBES)):
        raise WatlowConfigurationError(f"address={address}: another controller answers there")
    # The answer may come from the new address already: what counts is who is there then.
    with suppress(WatlowTimeoutError, WatlowCRCError, WatlowWriteError):
        carry_out(ctl, order)
    if not ctl.heard_at(address):
        raise WatlowWriteError(f"the controller does not answer at its new address {address}")
    ctl.wire = ctl.wire.at(address)


def set_modbus_baudrate(ctl: Controller, baudrate: int, *, confirm: bool = False) -> None:
    """Set the baud rate the controller will have on Modbus (17002), and read it back.

    Args:
        ctl: The controller, on Standard Bus, whose own rate is always 38400.
        baudrate: 9600, 19200 or 38400.
        confirm: Must be True: the rate is kept in EEPROM.

    Raises:
        WatlowConfigurationError: No such rate, or a controller that is opened for Modbus:
            it would answer no more.
    """
    if ctl.protocol is ProtocolKind.MODBUS_RTU:
        raise WatlowConfigurationError(
            "set over Modbus, the baud rate would cut this program off; set it on the "
            "controller's keys or over Standard Bus"
        )
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
        ctl: The controller.
        protocol: What it shall speak. After a change this controller object is of no more
            use: close it and open the port for the other protocol.
        confirm: Must be True: the setting is kept in EEPROM.

    Raises:
        WatlowConfigurationError: The part number does not say that it speaks Modbus RTU.
        WatlowWriteError: It goes on as before.
    """
    kind = as_enum("protocol", ProtocolKind, protocol)
    if kind is ProtocolKind.AUTO:
        raise WatlowConfigurationError("protocol='auto': give 'stdbus' or 'modbus_rtu'")
    if kind is ProtocolKind.MODBUS_RTU and ctl.protocol is not kind:
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
        if kind is ctl.protocol:
            raise
        return  # it has fallen silent here, as one that speaks the other one now does
    if held != code:
        raise WatlowWriteError(f"the controller's protocol setting is still {held}")
