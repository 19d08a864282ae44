"""Communication settings; only this module changes them: an error ends the communication.

Each function changes one setting and checks the result. Address and baud rate are verified by
a read. A change of the protocol is verified by silence: the controller, which replied just
before, no longer replies in the old protocol.
"""

from __future__ import annotations

from contextlib import suppress

from watlowlib._internal.validation import as_enum, as_int, shown
from watlowlib.devices.controller import Controller
from watlowlib.devices.factory import ADDRESSES
from watlowlib.devices.writing import check_write, send_write
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowCRCError,
    WatlowTimeoutError,
    WatlowWriteError,
)
from watlowlib.model import ProtocolKind

BAUDRATES = {9600: 188, 19200: 189, 38400: 190}
PROBES = 3
"""Probes without a reply after which an address counts as free."""

_MODBUS, _STDBUS = 1057, 1286


def set_address(ctl: Controller, address: int, *, confirm: bool = False) -> None:
    """Change the address of the controller and continue at the new one.

    Args:
        ctl: The controller.
        address: The new address in the protocol of `ctl`, at which nothing may reply yet:
            1 to 16 on Standard Bus (17001), 1 to 247 on Modbus RTU (17007).
        confirm: Must be True: the address is stored in EEPROM.

    Raises:
        WatlowConfigurationError: No such address, another controller replies there, or the
            controller is read through its assembly.
        WatlowWriteError: The controller does not reply at the new address.
    """
    _check_changeable(ctl)
    session = ctl.session
    name = "modbus_address" if ctl.protocol is ProtocolKind.MODBUS_RTU else "standard_bus_address"
    most = ADDRESSES[ctl.protocol]
    address = as_int("address", address, 1, most, f"give one from 1 to {most}")
    if address == ctl.address:
        return
    write = check_write(session, name, address, confirm=confirm, maintenance=True)
    check_free(ctl, address)
    # The echo may already come from the new address; the probe after it decides.
    with suppress(WatlowTimeoutError, WatlowCRCError, WatlowWriteError):
        send_write(session, write)
    if not session.replies_at(address):
        raise WatlowWriteError(f"the controller does not reply at its new address {address}")
    session.move_to(address)


def _check_changeable(ctl: Controller) -> None:
    """Raise an error over a network and while an assembly is in use."""
    if ctl.protocol is ProtocolKind.MODBUS_TCP:
        raise WatlowConfigurationError(
            "over Modbus TCP the address, baud rate and protocol cannot be changed, because a "
            "gateway may need them; set them on the serial line or with the controller's keys"
        )
    if ctl.session.driver.station in ctl.session.port.assemblies:
        raise WatlowConfigurationError(
            f"{ctl.name} is read through its assembly; the end of the assembly block or recording "
            "restores the pointers at this address and in this protocol; change these afterwards"
        )


def check_free(ctl: Controller, address: int) -> None:
    """Check that nothing replies at `address`, in the protocol of `ctl`.

    Raises:
        WatlowConfigurationError: Another controller replies there.
    """
    if any(ctl.session.replies_at(address) for _ in range(PROBES)):
        raise WatlowConfigurationError(f"address={address}: another controller replies there")


def set_modbus_baudrate(ctl: Controller, baudrate: int, *, confirm: bool = False) -> None:
    """Set the baud rate of the controller on Modbus (17002), and read it back.

    Args:
        ctl: The controller, on Standard Bus, whose own rate is always 38400.
        baudrate: 9600, 19200 or 38400.
        confirm: Must be True: the rate is stored in EEPROM.

    Raises:
        WatlowConfigurationError: No such rate, or a controller opened for Modbus, which would
            no longer be readable.
    """
    _check_changeable(ctl)
    if ctl.protocol is ProtocolKind.MODBUS_RTU:
        raise WatlowConfigurationError(
            "over Modbus, a new baud rate would end the communication; set it with the "
            "controller's keys or over Standard Bus"
        )
    if baudrate not in BAUDRATES:
        raise WatlowConfigurationError(
            f"baudrate={shown(baudrate)}: allowed are 9600, 19200, 38400"
        )
    code = BAUDRATES[baudrate]
    write = check_write(ctl.session, "modbus_baudrate", code, confirm=confirm, maintenance=True)
    send_write(ctl.session, write, verify=True)


def set_protocol(ctl: Controller, protocol: ProtocolKind | str, *, confirm: bool = False) -> None:
    """Set the protocol of the controller (17009).

    Every PM accepts the setting Modbus. One without the Modbus option then no longer replies
    at all, so the part number is read first.

    Args:
        ctl: The controller.
        protocol: The new protocol. After a change, close this controller and open the port
            with the new protocol.
        confirm: Must be True: the setting is stored in EEPROM.

    Raises:
        WatlowConfigurationError: The part number does not include Modbus RTU, or the controller
            is read through its assembly.
        WatlowWriteError: The setting has not changed.
    """
    _check_changeable(ctl)
    kind = as_enum("protocol", ProtocolKind, protocol)
    if kind not in (ProtocolKind.STDBUS, ProtocolKind.MODBUS_RTU):
        raise WatlowConfigurationError(f"protocol={kind.value!r}: give 'stdbus' or 'modbus_rtu'")
    if kind is ProtocolKind.MODBUS_RTU and ctl.protocol is not kind:
        check_modbus_option(ctl)
    code = _MODBUS if kind is ProtocolKind.MODBUS_RTU else _STDBUS
    write = check_write(ctl.session, "protocol", code, confirm=confirm, maintenance=True)
    # On a line that is dead already, silence would prove nothing.
    ctl.read_parameter("protocol")
    try:
        send_write(ctl.session, write)
        setting = ctl.read_parameter("protocol").value
    except WatlowTimeoutError:
        if kind is ctl.protocol:
            raise
        return  # silent in the old protocol, as expected
    if setting != code:
        raise WatlowWriteError(f"the controller's protocol setting is still {setting}")


def check_modbus_option(ctl: Controller) -> None:
    """Check that the part number of a controller on Standard Bus includes Modbus RTU.

    Raises:
        WatlowConfigurationError: It does not, or is not known.
    """
    part = ctl.session.part_number()
    if part is None or not part.modbus:
        raise WatlowConfigurationError(
            f"part number {part.text if part else 'unknown'} does not say that this controller "
            "supports Modbus RTU; set to Modbus it would no longer reply at all"
        )
