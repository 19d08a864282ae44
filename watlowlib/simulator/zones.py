"""What a gateway replies for the controllers behind it, on a network and on a serial line.

with SimulatedBus([SimulatedZones([1, 2])]) as bus:
    with open_device(bus.port, protocol="modbus_rtu", zone=2) as ctl:
        print(ctl.read_pv())
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

from watlowlib._internal.clock import Ticking
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import ProtocolKind
from watlowlib.protocol.modbus.frames import (
    EXCEPTION,
    READ_HOLDING,
    READ_INPUT,
    WRITE_MANY,
    WRITE_ONE,
)
from watlowlib.protocol.stdbus.frames import ADDRESSES
from watlowlib.registry.parameters import registry_of
from watlowlib.simulator.controller import SimulatedController
from watlowlib.simulator.registers import NO_SUCH_REGISTER
from watlowlib.simulator.series_sd import SimulatedSD

MOST_ADDRESS = ADDRESSES[-1]
NO_TARGET, DEVICE_FAILURE = 11, 4
DEAD = {"exception": NO_TARGET, "failure": DEVICE_FAILURE, "silence": None, "stale": NO_TARGET}
"""The exception replied for a controller that is switched off; None for no reply."""


class Stations:
    """The controllers behind a server or gateway, each at a unit id or at an offset.

    Args:
        controllers: The controllers, or the Modbus addresses of EZ-ZONE PM.
        gateway_offset: The registers of the controller with the Modbus address `n` are
            `(n - 1) * gateway_offset` higher. Without it and `offsets`, `n` is its unit id.
        offsets: The offset of single zones in registers, by Modbus address.
        dead: The reply for a controller that is switched off; see `SimulatedGateway`.

    Attributes:
        controllers: The controllers by Modbus address.
        off: The Modbus addresses of those that are switched off.
    """

    def __init__(
        self,
        controllers: Iterable[SimulatedController | SimulatedSD | int],
        gateway_offset: int | None,
        offsets: Mapping[int, int] | None,
        dead: str,
    ) -> None:
        if dead not in DEAD:
            raise WatlowConfigurationError(f"dead={dead!r}: give one of {', '.join(DEAD)}")
        self.controllers: dict[int, SimulatedController | SimulatedSD] = {}
        for each in controllers:
            controller = _pm(each) if isinstance(each, int) else each
            if controller.modbus_address in self.controllers:
                raise WatlowConfigurationError(
                    f"Modbus address {controller.modbus_address} is given twice"
                )
            self.controllers[controller.modbus_address] = controller
        self.off: set[int] = set()
        self._offsets = dict(offsets or {})
        if gateway_offset is not None:
            for zone in self.controllers:
                self._offsets.setdefault(zone, (zone - 1) * gateway_offset)
        self._dead = dead
        self._last: dict[tuple[int, bytes], bytes] = {}

    def set_clock(self, clock: Ticking) -> None:
        """Set the clock of all ovens."""
        for controller in self.controllers.values():
            controller.set_clock(clock)

    def find(self, unit: int, request: bytes) -> tuple[int, ...]:
        """Return the Modbus address of the controller and its offset; empty if there is none."""
        if not self._offsets:
            return (unit, 0) if unit in self.controllers else ()
        (register,) = struct.unpack_from(">H", request, 1) if len(request) > 2 else (0,)
        below = [(at, zone) for zone, at in self._offsets.items() if at <= register]
        offset, zone = max(below, default=(0, 0))
        return (zone, offset) if zone in self.controllers else ()

    def answer(self, unit: int, request: bytes) -> bytes | None:
        """Return the payload of the reply of unit `unit`; None for no reply."""
        found = self.find(unit, request)
        if not found:
            refused = bytes((request[0] | EXCEPTION, NO_SUCH_REGISTER))
            return refused if self._offsets else None
        zone, offset = found
        if len(request) < 5:
            return bytes((request[0] | EXCEPTION, DEVICE_FAILURE))
        register, count = struct.unpack_from(">HH", request, 1)
        if request[0] in (READ_HOLDING, READ_INPUT, WRITE_MANY):
            nexts = [at for at in self._offsets.values() if at > offset]
            if nexts and register + count > min(nexts):
                return bytes((request[0] | EXCEPTION, NO_SUCH_REGISTER))
        own = request[:1] + struct.pack(">H", register - offset) + request[3:]
        if zone in self.off:
            return self._answer_for_dead(zone, own)
        reply = self.controllers[zone].modbus.reply_to(own)
        self._last[zone, own] = reply
        if reply[0] in (WRITE_MANY, WRITE_ONE):
            reply = request[: len(reply)]
        return reply

    def _answer_for_dead(self, zone: int, request: bytes) -> bytes | None:
        code = DEAD[self._dead]
        if code is None:
            return None
        refused = bytes((request[0] | EXCEPTION, code))
        register, count = struct.unpack_from(">HH", request, 1)
        with_error = _input_error_of(self.controllers[zone])
        old = with_error not in range(register, register + count)
        if self._dead == "stale" and request[0] in (READ_HOLDING, READ_INPUT) and old:
            return self._last.get((zone, request), refused)
        return refused


class SimulatedZones(Stations):
    """A gateway on a serial line, for `SimulatedBus`: one Modbus address with several zones.

    Args:
        controllers: The zones, by their Modbus addresses, or these addresses of EZ-ZONE PM.
        address: The Modbus address of the gateway on the line.
        gateway_offset: The number of registers of a zone: zone `n` begins at
            `(n - 1) * gateway_offset`.
        offsets: The offset of single zones in registers, by Modbus address, where it is another.
        dead: What is replied for a zone whose Modbus address is in `off`; see
            `SimulatedGateway`.

    Raises:
        WatlowConfigurationError: `dead` is none of the texts, or two zones have one address.
    """

    protocol = ProtocolKind.MODBUS_RTU

    def __init__(
        self,
        controllers: Iterable[SimulatedController | SimulatedSD | int],
        *,
        address: int = 1,
        gateway_offset: int | None = 5000,
        offsets: Mapping[int, int] | None = None,
        dead: str = "exception",
    ) -> None:
        super().__init__(controllers, gateway_offset, offsets, dead)
        self.address = self.modbus_address = address

    def __repr__(self) -> str:
        return f"<SimulatedZones of {', '.join(map(repr, self.controllers.values()))}>"

    @property
    def modbus(self) -> SimulatedZones:
        """What replies to Modbus requests."""
        return self

    def reply_to(self, payload: bytes) -> bytes | None:
        """Return the reply payload; None for no reply."""
        return self.answer(self.modbus_address, payload)


def _pm(address: int) -> SimulatedController:
    own = min(address, MOST_ADDRESS)  # it has the serial number of this address
    return SimulatedController(own, protocol=ProtocolKind.MODBUS_RTU, modbus_address=address)


def _input_error_of(controller: SimulatedController | SimulatedSD) -> int | None:
    """Return the register of the input error; a Series SD has none."""
    if not isinstance(controller, SimulatedController):
        return None
    spec = registry_of(controller.family).resolve("input_error")
    return spec.register(1, controller.data_map)
