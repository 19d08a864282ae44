"""A line with simulated controllers on it, to be opened like a real one.

    with SimulatedBus([1, 2]) as bus, open_device(bus.port, address=2) as ctl:
        print(ctl.read_pv())

One thread serves the line: it takes requests, lets the wire's time and the controllers'
turnaround pass, and hands over the replies, with whatever the fault plan makes of them.
Each controller answers in the protocol it is set to; both may be spoken on one line.
"""

from __future__ import annotations

import math
import os
import random
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias

from watlowlib._internal.clock import SystemClock, Ticking
from watlowlib._internal.threads import Worker
from watlowlib.errors import WatlowClosedError, WatlowConfigurationError, WatlowFrameError
from watlowlib.model import ProtocolKind, SerialSettings
from watlowlib.protocol.modbus.frames import RtuFrame
from watlowlib.protocol.stdbus.frames import (
    REPLY,
    REQUEST,
    Frame,
    FrameDecoder,
    encode_frame,
    mac_of,
)
from watlowlib.protocol.stdbus.payloads import decode_payload, encode_payload
from watlowlib.simulator.controller import SimulatedController
from watlowlib.simulator.endpoints import Endpoint, checked_kind, make_endpoint
from watlowlib.simulator.faults import Fault, FaultPlan
from watlowlib.simulator.series_sd import SimulatedSD
from watlowlib.simulator.slave import BROADCAST, RequestEar
from watlowlib.simulator.turnaround import LIKE_A_PM3, Turnaround
from watlowlib.simulator.wire import Wire

Simulated: TypeAlias = "SimulatedController | SimulatedSD"

JOIN_S = 5.0
EARLY_S = 0.0003
"""A sleeping thread wakes some 0.1 ms late: so it wakes early, and looks until it is time."""


class ScaledClock:
    """A clock that runs `speed` times as fast as another, from now on."""

    def __init__(self, clock: Ticking, speed: float) -> None:
        if not 0 < speed < math.inf:
            raise WatlowConfigurationError(f"speed={speed!r}: give a number above 0")
        self._clock = clock
        self._speed = speed
        self._start_ns = clock.now_ns()

    def now_ns(self) -> int:
        """Nanoseconds of the faster time."""
        return self._start_ns + round((self._clock.now_ns() - self._start_ns) * self._speed)


class SimulatedBus:
    """Controllers on one line, reachable at `port` while the bus runs.

    Args:
        controllers: The controllers, or the addresses of EZ-ZONE PM on Standard Bus. A
            Standard Bus address and a Modbus address count alike: each number once.
        baudrate: Of the wire time; None for a wire that takes no time.
        turnaround_s: Seconds between request and reply: the least and the most of an ordinary
            one, and the most of the slow ones, one in a hundred. The default is fair for a PM3;
            two numbers are without slow ones, and one number is always the same.
        faults: What goes wrong.
        transport: "pty", "tcp", or None for a pty where there are ptys.
        link: A symbolic link to make to the pty while it is plugged in, like those in
            /dev/serial/by-id; then `port` is the link.
        speed: How much faster than real the ovens live. The line is always in real time,
            as its client is.
        clock: The ovens' time; a `ManualClock` lets a test turn it.
        seed: Of the turnaround.
        garbled: Nothing on the line is understood, and for every request as many random
            bytes come back: what a wrong baud rate or parity looks like where there is talk.
    """

    def __init__(
        self,
        controllers: Iterable[Simulated | int],
        *,
        baudrate: int | None = 38400,
        turnaround_s: float | tuple[float, ...] = LIKE_A_PM3,
        faults: FaultPlan | None = None,
        transport: str | None = None,
        link: str | os.PathLike[str] | None = None,
        speed: float = 1.0,
        clock: Ticking | None = None,
        seed: int = 0,
        garbled: bool = False,
    ) -> None:
        self.controllers: dict[int, Simulated] = {}
        time_of_ovens = ScaledClock(clock or SystemClock(), speed)
        for each in controllers:
            controller = SimulatedController(each) if isinstance(each, int) else each
            address = _address_of(controller)
            if address in self.controllers:
                raise WatlowConfigurationError(f"address {address} is given twice")
            controller.live_by(time_of_ovens)
            self.controllers[address] = controller
        if faults is not None and not isinstance(faults, FaultPlan):
            raise WatlowConfigurationError(f"faults={faults!r}: give a FaultPlan")
        self.faults = faults or FaultPlan()
        self.wire = Wire(SerialSettings(baudrate=baudrate).byte_time_s if baudrate else 0.0)
        self._link = None if link is None else os.fspath(link)
        self._transport = checked_kind(transport, self._link)
        self._random = random.Random(seed)
        self._turnaround = Turnaround(turnaround_s, self._random)
        self._garbled = garbled
        self._decoder = FrameDecoder()
        self._ear = RequestEar(self.wire.byte_time_s)
        self._off: set[Simulated] = set()
        self._free_s: dict[Simulated, float] = {}
        self._stopping = False
        self._started = False
        self._orders: deque[Callable[[], None]] = deque()
        self._endpoint: Endpoint | None = None
        self._tcp_number = 0
        self._device = ""
        self._stalled = False
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._worker = Worker("simulated-bus", self._run, self._ask_to_stop)

    def __repr__(self) -> str:
        where = f"on {self.port}" if self._endpoint is not None else "not running"
        return f"<SimulatedBus of {', '.join(map(repr, self.controllers.values()))}, {where}>"

    @property
    def port(self) -> str:
        """What to give to `open_device`."""
        if self._endpoint is None:
            raise WatlowClosedError("the simulated bus does not run: use it in a with statement")
        return self._endpoint.port

    def start(self) -> None:
        """Make the port and serve it; once."""
        if self._started:
            raise WatlowConfigurationError("a simulated bus runs once; make a new one")
        self._started = True
        self._plug()
        self._wake = socket.socketpair()
        self._worker.start()

    def close(self) -> None:
        """Take the port away and end the thread.

        Raises:
            Exception: Whatever ended the thread before.
        """
        self._worker.stop()
        self._worker.join(JOIN_S)
        self._pull()
        wake, self._wake = self._wake, None
        for each in wake or ():
            each.close()
        self._worker.reraise()

    def __enter__(self) -> SimulatedBus:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def power_off(self, address: int) -> None:
        """Let a controller answer nothing; its oven goes on.

        Raises:
            WatlowConfigurationError: Nobody listens at that address.
        """
        self._off.add(self._called(address))

    def power_on(self, address: int) -> None:
        """Let it answer again."""
        controller = self._called(address)
        if controller in self._off and isinstance(controller, SimulatedSD):
            controller.power_up()
        self._off.discard(controller)

    def _called(self, address: int) -> Simulated:
        for controller in self.controllers.values():
            if _address_of(controller) == address:
                return controller
        raise WatlowConfigurationError(f"address={address!r}: nobody listens there")

    def unplug(self) -> None:
        """Take the port away, as when an adapter is pulled out."""
        self._order(self._pull)

    def replug(self, *, elsewhere: bool = False) -> None:
        """Bring the port back.

        Args:
            elsewhere: Whether it surely has another name than before. Else a TCP port has
                the same one, and a pty whichever the system gives it.
        """
        self._order(lambda: self._plug(elsewhere))

    def stall(self) -> None:
        """Let everything on the line stand still until `resume`; nothing is lost."""
        self._order(lambda: self._stall(True))

    def resume(self) -> None:
        """Let the line go on: what was written meanwhile arrives now, all at once."""
        self._order(lambda: self._stall(False))

    def _order(self, what: Callable[[], None]) -> None:
        """Have the thread do `what`, and wait until it has."""
        done = threading.Event()
        self._orders.extend((what, done.set))
        self._wake_up()
        if not done.wait(JOIN_S):
            raise WatlowClosedError("the simulated bus does not run: use it in a with statement")

    def _ask_to_stop(self) -> None:
        self._stopping = True
        self._wake_up()

    def _wake_up(self) -> None:
        if self._wake is not None:
            self._wake[1].send(b"\0")

    def _plug(self, elsewhere: bool = False) -> None:
        if self._endpoint is None:
            self._endpoint = make_endpoint(
                self._transport,
                0 if elsewhere else self._tcp_number,
                unlike=self._device if elsewhere else "",
                link=self._link,
            )
            self._tcp_number, self._device = self._endpoint.number, self._endpoint.device

    def _stall(self, stalled: bool) -> None:
        self._stalled = stalled

    def _pull(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        self.wire.clear()
        if endpoint is not None:
            endpoint.close()

    def _run(self) -> None:
        assert self._wake is not None
        ear = self._wake[0]
        while not self._stopping:
            watched = self._endpoint.watched() if self._endpoint and not self._stalled else []
            ready, _, _ = select.select([ear.fileno(), *watched], [], [], self._patience_s())
            if ear.fileno() in ready:
                ear.recv(64)
                while self._orders:
                    self._orders.popleft()()
            elif self._endpoint and set(ready):
                self._take(self._endpoint.receive())
            arrived = b"" if self._stalled else self.wire.due(time.monotonic())
            if self._endpoint and arrived:
                self._endpoint.send(arrived)

    def _patience_s(self) -> float | None:
        next_s = None if self._stalled else self.wire.next_s()
        return None if next_s is None else max(0.0, next_s - time.monotonic() - EARLY_S)

    def _take(self, data: bytes) -> None:
        now_s = time.monotonic()
        complete_s = self.wire.request(now_s, data)
        if complete_s is None:
            return
        if self._garbled:
            self.wire.reply(complete_s, self._random.randbytes(len(data)))
            return
        heard: list[Frame | RtuFrame] = [*self._decoder.feed(data)]
        if not heard and self._listening(ProtocolKind.MODBUS_RTU):
            heard += self._ear.hear(data, now_s, complete_s)
        if len(heard) > 1 and self.wire.byte_time_s:
            # The first would be answered while the host still sends the second.
            self.wire.collisions += 1
            return
        for each in heard:
            if isinstance(each, RtuFrame):
                self._serve_modbus(each, complete_s + self._ear.silence_s)
            elif each.type == REQUEST:
                self._serve_stdbus(each, complete_s)

    def _listening(self, protocol: ProtocolKind) -> list[Simulated]:
        """Who speaks `protocol`, and has power; settings can change."""
        everybody = self.controllers.values()
        return [each for each in everybody if each.speaks is protocol and each not in self._off]

    def _serve_stdbus(self, frame: Frame, complete_s: float) -> None:
        controller = self._at(frame.destination)
        if controller is None:
            return
        try:
            answer = controller.answer(decode_payload(frame.payload))
        except WatlowFrameError:
            return
        if answer is not None:
            payload = encode_payload(answer)
            reply = encode_frame(Frame(REPLY, frame.source, frame.destination, payload))
            self._reply(controller, encode_frame(frame), reply, complete_s)

    def _at(self, mac: int) -> SimulatedController | None:
        """Who listens to Standard Bus at `mac`."""
        for controller in self.controllers.values():
            if (
                isinstance(controller, SimulatedController)
                and mac_of(controller.address) == mac
                and controller.speaks is ProtocolKind.STDBUS
                and controller not in self._off
            ):
                return controller
        return None

    def _serve_modbus(self, frame: RtuFrame, complete_s: float) -> None:
        for controller in self._listening(ProtocolKind.MODBUS_RTU):
            if frame.source == BROADCAST:
                controller.modbus.answer(frame.payload)
            elif controller.modbus_address == frame.source:
                reply = RtuFrame(frame.source, controller.modbus.answer(frame.payload))
                self._reply(controller, frame.raw, reply.raw, complete_s)
                return

    def _reply(self, controller: Simulated, request: bytes, reply: bytes, due_s: float) -> None:
        """Put the reply on the wire, `due_s` at the earliest, or what a fault makes of it."""
        fault = self.faults.draw()
        if fault is Fault.SILENT:
            self._off.add(controller)
        if fault is Fault.CLOSE:
            self._pull()
        # A controller answers one request after the other: a late reply is never overtaken.
        free_s = self._free_s.get(controller, 0.0)
        start_s = max(due_s + self._turnaround.draw_s(), free_s)
        for delay_s, data in self.faults.portions(fault, request, reply):
            start_s = self.wire.reply(start_s + delay_s, data)
            self._free_s[controller] = start_s


def _address_of(controller: Simulated) -> int:
    """Where it listens, in the protocol that it speaks."""
    modbus = controller.speaks is ProtocolKind.MODBUS_RTU
    return controller.modbus_address if modbus else controller.address
