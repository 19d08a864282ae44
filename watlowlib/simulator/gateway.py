"""A Modbus TCP server with simulated controllers, opened like a real one.

    with SimulatedGateway([1, 2]) as gateway, open_device(gateway.port, address=2) as ctl:
        print(ctl.read_pv())

One thread serves all clients. It answers the requests of a client in order, also those that it
has sent without waiting for the replies. What is not published about real servers is an option:
how many clients they serve, when they close an idle connection, and what they reply for a
controller that is switched off.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from watlowlib._internal.clock import SystemClock, Ticking
from watlowlib.errors import WatlowClosedError, WatlowConfigurationError, WatlowFrameError
from watlowlib.protocol.modbus.frames import READ_HOLDING, READ_INPUT, WRITE_MANY
from watlowlib.protocol.modbus.mbap import TcpFrame, encode_frame, split_frames, whole_size
from watlowlib.simulator.bus import ScaledClock, Simulated
from watlowlib.simulator.faults import Fault, FaultPlan
from watlowlib.simulator.server_thread import ServerThread
from watlowlib.simulator.zones import Stations

CHUNK = 4096
BACKLOG = 8
REGISTERS_PER_PARAMETER = 2


@dataclass(eq=False)
class _Client:
    """A connection, with the bytes of an incomplete request and the replies in their order."""

    connection: socket.socket
    active_s: float
    buffer: bytes = b""
    replies: deque[tuple[float, bytes]] = field(default_factory=deque)
    idle_from_s: float = 0.0


class SimulatedGateway(ServerThread):
    """A Modbus TCP server on this machine, available at `port` while it is running.

    Args:
        controllers: The controllers, or the unit ids of EZ-ZONE PM. Each has a Modbus address of
            its own. Without `gateway_offset` that is its unit id, and others get no reply.
        gateway_offset: The controllers are zones of a gateway: the registers of the one with the
            Modbus address `n` are `(n - 1) * gateway_offset` higher, and any unit id is answered.
        offsets: The offset of single zones, by Modbus address.
        dead: What is replied for a controller that is switched off: "exception" (11), "failure"
            (exception 04), "silence", or "stale": the last reply to the same read, but exception
            11 for one with the input error.
        max_clients: The most clients; a further one is disconnected at once.
        latency_s: Seconds before each reply.
        parameter_s: Seconds for each two registers of a request, which a gateway may need to read
            them over its line.
        idle_s: Seconds after which an idle connection is closed; None for never.
        faults: The faults of the replies.
        tcp_number: The number of the TCP port; 0 for any that is free.
        speed: Speed of the ovens' time relative to real time.
        clock: The clock of the ovens; a `ManualClock` lets a test set the time.
    """

    _kind = "simulated gateway"

    def __init__(
        self,
        controllers: Iterable[Simulated | int],
        *,
        gateway_offset: int | None = None,
        offsets: Mapping[int, int] | None = None,
        dead: str = "exception",
        max_clients: int = 4,
        latency_s: float = 0.0,
        parameter_s: float = 0.0,
        idle_s: float | None = None,
        faults: FaultPlan | None = None,
        tcp_number: int = 0,
        speed: float = 1.0,
        clock: Ticking | None = None,
    ) -> None:
        self._stations = Stations(controllers, gateway_offset, offsets, dead)
        super().__init__("simulated-gateway")
        self._stations.set_clock(ScaledClock(clock or SystemClock(), speed))
        self.controllers = self._stations.controllers
        self.faults = faults or FaultPlan()
        self.connections = 0
        """How many connections were accepted."""
        self.refused = 0
        """How many of them were closed at once."""
        self._max_clients = max_clients
        self._latency_s, self._parameter_s = latency_s, parameter_s
        self._idle_s = idle_s
        self._number = tcp_number
        self._listener: socket.socket | None = None
        self._clients: list[_Client] = []

    def __repr__(self) -> str:
        where = f"on {self.port}" if self._listener is not None else "not running"
        return f"<SimulatedGateway of {', '.join(map(repr, self.controllers.values()))}, {where}>"

    @property
    def port(self) -> str:
        """The port for `open_device`."""
        if self._listener is None:
            raise WatlowClosedError(
                "the simulated gateway is not running: use it in a with statement"
            )
        return f"tcp://127.0.0.1:{self._number}"

    def power_off(self, address: int) -> None:
        """Switch off the controller with a Modbus address; its oven continues."""
        self._stations.off.add(self._known(address))

    def power_on(self, address: int) -> None:
        """Switch it on again."""
        self._stations.off.discard(self._known(address))

    def replug(self) -> None:
        """Listen again after `unplug`, on the same port."""
        self._run_on_thread(self._plug_in)

    def disconnect(self) -> None:
        """Close all connections with a reset, as when the power of the server fails."""
        self._run_on_thread(self._reset_all)

    def _known(self, address: int) -> int:
        self.check_process()
        if address not in self.controllers:
            raise WatlowConfigurationError(f"address={address!r}: no controller has this address")
        return address

    def _plug_in(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self._number), backlog=BACKLOG)
            self._listener.setblocking(False)
            self._number = self._listener.getsockname()[1]

    def _unplug(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()
        self._reset_all()

    def _reset_all(self) -> None:
        for client in list(self._clients):
            self._close(client, reset=True)

    def _run(self) -> None:
        while not self._stopping:
            by_fd = {client.connection.fileno(): client for client in self._clients}
            listening = [self._listener.fileno()] if self._listener else []
            waiting = [self._wake_descriptor, *listening, *by_fd]
            ready, _, _ = select.select(waiting, [], [], self._timeout_s())
            if self._wake_descriptor in ready:
                self._carry_out_commands()
                continue
            for descriptor in ready:
                if descriptor in by_fd:
                    self._receive(by_fd[descriptor])
                else:
                    self._accept()
            self._send_due()

    def _timeout_s(self) -> float | None:
        due = [client.replies[0][0] for client in self._clients if client.replies]
        if self._idle_s is not None:
            due += [each.active_s + self._idle_s for each in self._clients if not each.replies]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _accept(self) -> None:
        assert self._listener is not None
        with suppress(OSError):
            connection, _ = self._listener.accept()
            self.connections += 1
            if len(self._clients) >= self._max_clients:
                self.refused += 1
                connection.close()
                return
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._clients.append(_Client(connection, time.monotonic()))

    def _receive(self, client: _Client) -> None:
        if client not in self._clients:
            return  # a fault has just closed it
        try:
            data = client.connection.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(client)
            return
        client.active_s = time.monotonic()
        client.buffer += data
        try:
            size = whole_size(client.buffer)
        except WatlowFrameError:
            self._close(client)
            return
        frames, client.buffer = split_frames(client.buffer[:size]), client.buffer[size:]
        for frame in frames:
            self._serve(client, frame)

    def _serve(self, client: _Client, frame: TcpFrame) -> None:
        payload = self._stations.answer(frame.source, frame.payload)
        if payload is None:
            return
        fault = self.faults.draw()
        if fault is Fault.SILENT:
            self._stations.off.update(self._stations.find(frame.source, frame.payload)[:1])
        if fault is Fault.CLOSE:
            self._close(client, reset=True)
        took_s = self._latency_s + _parameters(frame.payload) * self._parameter_s
        start_s = max(time.monotonic() + took_s, client.idle_from_s)
        reply = encode_frame(frame.transaction, frame.source, payload)
        for delay_s, data in self.faults.portions(fault, frame.raw, reply, tcp=True):
            start_s += delay_s
            client.replies.append((start_s, data))
        client.idle_from_s = start_s

    def _send_due(self) -> None:
        now_s = time.monotonic()
        for client in list(self._clients):
            while client.replies and client.replies[0][0] <= now_s:
                client.active_s = now_s
                with suppress(OSError):
                    client.connection.send(client.replies.popleft()[1])
            idle = self._idle_s is not None and now_s - client.active_s >= self._idle_s
            if idle and not client.replies:
                self._close(client)

    def _close(self, client: _Client, *, reset: bool = False) -> None:
        with suppress(ValueError):
            self._clients.remove(client)
            if reset:
                linger = struct.pack("ii", 1, 0)
                with suppress(OSError):
                    client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            client.connection.close()


def _parameters(payload: bytes) -> int:
    """Return about how many parameters a request is for."""
    if payload[0] not in (READ_HOLDING, READ_INPUT, WRITE_MANY):
        return 1
    (count,) = struct.unpack_from(">H", payload, 3)
    return -(-int(count) // REGISTERS_PER_PARAMETER)
