"""The zones of a gateway: the registers of each controller behind it, shifted by an offset.

A gateway (RUI/GTW, RMA) is one Modbus device. Each controller behind it is a zone, whose registers
have an offset that the user sets in the gateway. Source: Watlow's addenda to the EZwarePlus and
Silver Series manuals, whose examples have the offsets 0, 5000 and 10000.
"""

from __future__ import annotations

from typing import NamedTuple

from watlowlib._internal.validation import as_int
from watlowlib.errors import WatlowConfigurationError, WatlowUncertainError

MOST_ZONES = 16
GATEWAY_OFFSET = 5000
REGISTERS = 0x10000


class UnrecognizedError(WatlowUncertainError):
    """No controller is recognized in a zone, so none of its values can be read."""


class Zone(NamedTuple):
    """The registers of one zone in a gateway.

    Attributes:
        number: The zone, from 1; None where only its offset is known.
        registers: Its registers, on the wire.
    """

    number: int | None
    registers: range

    @property
    def offset(self) -> int:
        """What is added to each register of the controller."""
        return self.registers.start

    @property
    def name(self) -> str:
        """The beginning of a controller's default name."""
        return f"offset{self.offset}" if self.number is None else f"zone{self.number}"

    def __str__(self) -> str:
        return f"the zone at {self.offset}" if self.number is None else f"zone {self.number}"

    def holds(self, register: int, count: int) -> bool:
        """Whether registers of the controller are within the zone."""
        return register >= 0 and register + count <= len(self.registers)

    def overlaps(self, other: Zone) -> bool:
        """Whether another zone has some of these registers; not if it has the same."""
        mine, its = self.registers, other.registers
        return mine != its and mine[0] <= its[-1] and its[0] <= mine[-1]

    def check(self, register: int, count: int) -> int:
        """Return the register on the wire for the first of `count` registers of the controller.

        Raises:
            WatlowConfigurationError: They are not all in this zone.
        """
        if not self.holds(register, count):
            raise WatlowConfigurationError(
                f"the registers {register} to {register + count - 1} are not within {self}, which "
                f"has 0 to {len(self.registers) - 1}; those after it belong to another controller. "
                "Give a larger gateway_offset, if the gateway is set to it"
            )
        return self.offset + register


def make_zone(zone: int | None, gateway_offset: int, offset: int | None) -> Zone | None:
    """Return the zone for the arguments of `open_device`; None without a gateway.

    Raises:
        WatlowConfigurationError: An argument is out of range, or the zone has registers that do
            not exist.
    """
    size = as_int("gateway_offset", gateway_offset, 1, REGISTERS - 1, "give 1 to 65535")
    if zone is not None:
        as_int("zone", zone, 1, MOST_ZONES, f"give 1 to {MOST_ZONES}")
    if offset is not None:
        start = as_int("offset", offset, 0, REGISTERS - 1, "give 0 to 65535")
    elif zone is not None:
        start = (zone - 1) * size
    elif size != GATEWAY_OFFSET:
        raise WatlowConfigurationError(
            f"gateway_offset={size} without a zone: give zone= or offset= too"
        )
    else:
        return None
    if start + size > REGISTERS:
        given = {"zone": zone, "gateway_offset": size, "offset": offset}
        shown = ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)
        raise WatlowConfigurationError(
            f"{shown}: the registers {start} to {start + size - 1} exceed 65535; the gateway has "
            f"room for {REGISTERS // size} zones of this size. Give the gateway_offset or offset "
            "that is set in the gateway"
        )
    return Zone(zone, range(start, start + size))
