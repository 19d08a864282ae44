"""A line with simulated controllers, opened like a real one.

    with SimulatedBus([1, 2]) as bus, open_device(bus.port, address=2) as ctl:
        print(ctl.read_pv())

One thread serves the line: it receives requests, waits for the time of the bytes and the
controllers' turnaround, and sends the replies, altered by the fault plan. Each controller
replies in the protocol it is set to; one line can have controllers of both protocols.
"""

from __future__ import annotations

import math
import os
import random
import select
import time
from collections.abc import Iterable
from typing import TypeAlias

from watlowlib._internal.clock import SystemClock, Ticking
from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowClosedError, WatlowConfigurationError, WatlowFrameError
from watlowlib.model import ProtocolKind
from watlowlib.protocol.modbus.frames import RtuFrame
from watlowlib.protocol.port_pool import forget_pending_replies
from watlowlib.protocol.stdbus.frames import (
    REPLY,
    REQUEST,
    Frame,
    FrameDecoder,
    ReceivedFrame,
    encode_frame,
    mac_of,
)
from watlowlib.protocol.stdbus.payloads import decode_payload, encode_payload
from watlowlib.simulator.controller import SimulatedController
from watlowlib.simulator.endpoints import Endpoint, endpoint_kind, make_endpoint
from watlowlib.simulator.faults import Fault, FaultPlan
from watlowlib.simulator.series_sd import SimulatedSD
from watlowlib.simulator.server_thread import ServerThread
from watlowlib.simulator.slave import BROADCAST, RequestFramer
from watlowlib.simulator.timed_line import TimedLine
from watlowlib.simulator.turnaround import PM3_TURNAROUND_S, Turnaround
from watlowlib.simulator.zones import SimulatedZones
from watlowlib.transport.settings import SerialSettings

Simulated: TypeAlias = "SimulatedController | SimulatedSD"
Station: TypeAlias = "Simulated | SimulatedZones"
"""What has an address on a line."""

EARLY_S = 0.0003
"""How long before a due time the thread wakes: sleeping ends some 0.1 ms late, so it polls."""


class ScaledClock:
    """A clock that runs `speed` times as fast as another, from now on."""

    def __init__(self, clock: Ticking, speed: float) -> None:
        if not 0 < speed < math.inf:
            raise WatlowConfigurationError(f"speed={speed!r}: give a number above 0")
        self._clock = clock
        self._speed = speed
        self._start_ns = clock.now_ns()

    def now_ns(self) -> int:
        """Return the scaled time in nanoseconds."""
        return self._start_ns + round((self._clock.now_ns() - self._start_ns) * self._speed)


class SimulatedBus(ServerThread):
    """Controllers on one line, available at `port` while the bus is running.

    Args:
        controllers: The controllers, or the addresses of EZ-ZONE PM on Standard Bus. Each
            address is unique on the line, across both protocols. `SimulatedZones` is a gateway,
            whose zones are not in the attribute `controllers`.
        baudrate: For the time of a byte; None for a line without timing.
        turnaround_s: Seconds between request and reply: minimum and maximum of ordinary replies,
            and the maximum of slow replies, 1 % of all. The default is realistic for a PM3. Two
            numbers have no slow replies; one number is a constant turnaround.
        faults: The faults of the line.
        transport: "pty", "tcp", or None for a pty where the system has ptys.
        tcp_number: The number of the TCP port; 0 for any that is free.
        link: A symbolic link to the pty, like those in /dev/serial/by-id. It exists while the
            port is plugged in, and is the `port` then.
        speed: Speed of the ovens' time relative to real time. The line itself is always in real
            time, like its client.
        clock: The clock of the ovens; a `ManualClock` lets a test set the time.
        seed: Seed of the turnaround.
        garbled: The line understands no request and returns as many random bytes for each, as
            with a wrong baud rate or parity.
    """

    _kind = "simulated bus"

    def __init__(
        self,
        controllers: Iterable[Station | int],
        *,
        baudrate: int | None = 38400,
        turnaround_s: float | tuple[float, ...] = PM3_TURNAROUND_S,
        faults: FaultPlan | None = None,
        transport: str | None = None,
        tcp_number: int = 0,
        link: str | os.PathLike[str] | None = None,
        speed: float = 1.0,
        clock: Ticking | None = None,
        seed: int = 0,
        garbled: bool = False,
    ) -> None:
        self.controllers: dict[int, Simulated] = {}
        self._gateways: list[SimulatedZones] = []
        self._oven_clock = ScaledClock(clock or SystemClock(), speed)
        for controller in _made(controllers):
            address = address_of(controller)
            if address in map(address_of, [*self.controllers.values(), *self._gateways]):
                raise WatlowConfigurationError(f"address {address} is given twice")
            controller.set_clock(self._oven_clock)
            if isinstance(controller, SimulatedZones):
                self._gateways.append(controller)
            else:
                self.controllers[address] = controller
        if faults is not None and not isinstance(faults, FaultPlan):
            raise WatlowConfigurationError(f"faults={faults!r}: give a FaultPlan")
        self.faults = faults or FaultPlan()
        self.wire = TimedLine(SerialSettings(baudrate=baudrate).byte_time_s if baudrate else 0.0)
        self._link = None if link is None else os.fspath(link)
        self._transport = endpoint_kind(transport, self._link)
        self._random = random.Random(seed)
        self._turnaround = Turnaround(turnaround_s, self._random)
        self._garbled = garbled
        self._decoder = FrameDecoder()
        self._framer = RequestFramer(self.wire.byte_time_s)
        self._powered_off: set[Station] = set()
        self._idle_from_s: dict[Station, float] = {}
        self._endpoint: Endpoint | None = None
        self._tcp_number = tcp_number
        self._device = ""
        self._stalled = False
        super().__init__("simulated-bus")

    def __repr__(self) -> str:
        where = f"on {self.port}" if self._endpoint is not None else "not running"
        stations = [*self.controllers.values(), *self._gateways]
        return f"<SimulatedBus of {', '.join(map(repr, stations))}, {where}>"

    @property
    def port(self) -> str:
        """The port for `open_device`."""
        if self._endpoint is None:
            raise WatlowClosedError("the simulated bus is not running: use it in a with statement")
        return self._endpoint.port

    def power_off(self, address: int) -> None:
        """Stop the replies of a controller; its oven continues.

        Raises:
            WatlowConfigurationError: No controller has this address.
        """
        self._powered_off.add(self._controller_at(address))

    def power_on(self, address: int) -> None:
        """Let a controller reply again; a Series SD loads its values from EEPROM."""
        controller = self._controller_at(address)
        if controller in self._powered_off and isinstance(controller, SimulatedSD):
            controller.power_up()
        self._powered_off.discard(controller)

    def replace(self, controller: Simulated) -> None:
        """Put another controller in the place of the one with its address, and switch it on.

        Its serial number is the one that every simulated controller with this address has; set
        another with `controller.set("serial_number", 1234)`.

        Raises:
            WatlowConfigurationError: No controller has this address.
        """
        old = self._controller_at(address_of(controller))
        (key,) = (key for key, each in self.controllers.items() if each is old)
        controller.set_clock(self._oven_clock)
        self.controllers[key] = controller
        self._powered_off.discard(old)

    def _controller_at(self, address: int) -> Simulated:
        self.check_process()
        for controller in self.controllers.values():
            if address_of(controller) == address:
                return controller
        present = ", ".join(str(address_of(each)) for each in self.controllers.values())
        raise WatlowConfigurationError(
            f"address={address!r}: no controller has this address; there is {present or 'none'}"
        )

    def replug(self, *, elsewhere: bool = False) -> None:
        """Make the port again.

        Args:
            elsewhere: Whether the port must have another name than before. Otherwise a TCP port
                has the same name, and a pty the name that the system gives it.
        """
        self._run_on_thread(lambda: self._plug_in(elsewhere))

    def stall(self) -> None:
        """Stop all traffic on the line until `resume`; nothing is lost."""
        self._run_on_thread(lambda: self._set_stalled(True))

    def resume(self) -> None:
        """Continue after `stall`; bytes written in between arrive now, all at once."""
        self._run_on_thread(lambda: self._set_stalled(False))

    def _plug_in(self, elsewhere: bool = False) -> None:
        if self._endpoint is None:
            self._endpoint = make_endpoint(
                self._transport,
                0 if elsewhere else self._tcp_number,
                avoid=self._device if elsewhere else "",
                link=self._link,
            )
            self._tcp_number, self._device = self._endpoint.number, self._endpoint.device
            forget_pending_replies(self._device)  # another bus may have had its name

    def _set_stalled(self, stalled: bool) -> None:
        self._stalled = stalled

    def _unplug(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        self.wire.clear()
        if endpoint is not None:
            endpoint.close()

    def _run(self) -> None:
        wake = self._wake_descriptor
        while not self._stopping:
            port_fds = self._endpoint.descriptors() if self._endpoint and not self._stalled else []
            ready, _, _ = select.select([wake, *port_fds], [], [], self._timeout_s())
            if wake in ready:
                self._carry_out_commands()
            elif self._endpoint and set(ready):
                self._receive(self._endpoint.receive())
            arrived = b"" if self._stalled else self.wire.due(time.monotonic())
            if self._endpoint and arrived:
                self._endpoint.send(arrived)

    def _timeout_s(self) -> float | None:
        next_s = None if self._stalled else self.wire.next_s()
        return None if next_s is None else max(0.0, next_s - time.monotonic() - EARLY_S)

    def _receive(self, data: bytes) -> None:
        now_s = time.monotonic()
        complete_s = self.wire.request(now_s, data)
        if complete_s is None:
            return
        if self._garbled:
            self.wire.reply(complete_s, self._random.randbytes(len(data)))
            return
        requests: list[ReceivedFrame | RtuFrame] = [*self._decoder.feed(data)]
        if not requests and self._active_controllers(ProtocolKind.MODBUS_RTU):
            requests += self._framer.feed(data, now_s, complete_s)
        if len(requests) > 1 and self.wire.byte_time_s:
            # The reply to the first would collide with the second.
            self.wire.collisions += 1
            return
        for each in requests:
            if isinstance(each, RtuFrame):
                self._serve_modbus(each, complete_s + self._framer.silence_s)
            elif each.type == REQUEST:
                self._serve_stdbus(each, complete_s)

    def _active_controllers(self, protocol: ProtocolKind) -> list[Station]:
        """Return the powered controllers that are set to `protocol` now."""
        stations: list[Station] = [*self.controllers.values(), *self._gateways]
        powered = [each for each in stations if each not in self._powered_off]
        return [each for each in powered if each.protocol is protocol]

    def _serve_stdbus(self, frame: ReceivedFrame, complete_s: float) -> None:
        powered = self._active_controllers(ProtocolKind.STDBUS)
        controller = next((c for c in powered if mac_of(c.address) == frame.destination), None)
        if not isinstance(controller, SimulatedController):
            return
        try:
            content = controller.reply_to(decode_payload(frame.payload))
        except WatlowFrameError:
            return
        if content is not None:
            payload = encode_payload(content)
            reply = encode_frame(Frame(REPLY, frame.source, frame.destination, payload))
            self._reply(controller, frame.raw, reply, complete_s)

    def _serve_modbus(self, frame: RtuFrame, complete_s: float) -> None:
        for controller in self._active_controllers(ProtocolKind.MODBUS_RTU):
            if frame.source == BROADCAST:
                controller.modbus.reply_to(frame.payload)
            elif controller.modbus_address == frame.source:
                payload = controller.modbus.reply_to(frame.payload)
                if payload is not None:
                    reply = RtuFrame(frame.source, payload)
                    self._reply(controller, frame.raw, reply.raw, complete_s)
                return

    def _reply(self, controller: Station, request: bytes, reply: bytes, due_s: float) -> None:
        """Send the reply, altered by a fault, after the turnaround from `due_s` on."""
        fault = self.faults.draw()
        if fault is Fault.SILENT:
            self._powered_off.add(controller)
        if fault is Fault.CLOSE:
            self._unplug()
        # A controller handles one request at a time: a later reply never overtakes a late one.
        idle_from_s = self._idle_from_s.get(controller, 0.0)
        start_s = max(due_s + self._turnaround.draw_s(), idle_from_s)
        for delay_s, data in self.faults.portions(fault, request, reply):
            start_s = self.wire.reply(start_s + delay_s, data)
            self._idle_from_s[controller] = start_s


def _made(controllers: Iterable[Station | int]) -> list[Station]:
    """Return the controllers, with those that are given as an address."""
    wrong = WatlowConfigurationError(
        f"controllers={shown(controllers)}: give a list of addresses or simulated controllers, "
        "such as [1, 2]"
    )
    if not isinstance(controllers, Iterable):
        raise wrong
    made: list[Station] = [
        SimulatedController(each) if isinstance(each, int) else each for each in controllers
    ]
    kinds = (SimulatedController, SimulatedSD, SimulatedZones)
    if not all(isinstance(each, kinds) for each in made):
        raise wrong
    return made


def address_of(controller: Station) -> int:
    """Return its address in the protocol it is set to."""
    modbus = controller.protocol is ProtocolKind.MODBUS_RTU
    return controller.modbus_address if modbus else controller.address
