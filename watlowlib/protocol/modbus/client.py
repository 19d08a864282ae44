"""Reads and writes of registers over Modbus RTU, on a port that may be shared.

minimalmodbus builds the requests and parses the replies; only this module uses it. Instead of
a serial port it gets a stand-in: a request that it writes is sent in an exchange on our port,
and it reads the one frame that matches. So the lock, the deadline, the counters and the checks
are the same as on Standard Bus (`protocol/client.py`), and an exception ends the exchange like
any other reply. minimalmodbus keeps state by port name; each client uses its own name.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Hashable, Set
from functools import partial

import minimalmodbus

from watlowlib.errors import WatlowFrameError
from watlowlib.protocol.exchange import Call, Reply, Request
from watlowlib.protocol.modbus.frames import READ_HOLDING, RtuDecoder, RtuFrame, reply_sizes
from watlowlib.protocol.modbus.registers import RegisterClient, pack_words
from watlowlib.protocol.modbus.requests import RtuRequest
from watlowlib.protocol.port import Port
from watlowlib.transport.settings import SerialSettings

GAP_CHARACTERS, LEAST_GAP_S = 3.5, 0.00175
"""The silence between frames. Source: Modbus over serial line 1.02."""

MARKER_COUNTS = range(1, 17)
"""Numbers of registers that a marker reads from register 0; an exception is a reply, too."""

_numbers = itertools.count(1)


class ModbusClient(RegisterClient[RtuFrame]):
    """Reads and writes registers of the slaves on one port, from any thread.

    The serial settings determine the byte time and the silence between frames.
    """

    protocol_name = "Modbus RTU"
    _decoder = staticmethod(partial(RtuDecoder, reply_sizes))

    def __init__(self, port: Port, settings: SerialSettings) -> None:
        super().__init__(port)
        self.byte_time_s = settings.byte_time_s
        self._frame_gap_s = max(LEAST_GAP_S, GAP_CHARACTERS * self.byte_time_s)
        self._baudrate = settings.baudrate
        # minimalmodbus keeps the time of the last read by the name of the port.
        self._key = f"watlowlib port {next(_numbers)}"

    def _request(
        self,
        slave: int,
        register: int,
        count: int,
        words: tuple[int, ...] | None,
        zone: Hashable,
    ) -> RtuRequest:
        return RtuRequest(slave, register, count, words, self.byte_time_s, zone=zone)

    def _marker(self, request: Request[RtuFrame], keys: Set[Hashable]) -> RtuRequest | None:
        for count in MARKER_COUNTS:
            payload = struct.pack(">BHH", READ_HOLDING, 0, count)
            frame = RtuFrame(request.station, payload).raw
            marker = RtuRequest(request.station, 0, count, None, self.byte_time_s, frame)
            if marker.reply_key not in keys:
                return marker
        return None

    def close(self) -> None:
        """Close the port for good."""
        super().close()
        minimalmodbus._latest_read_times.pop(self._key, None)

    def _exchange(self, call: Call, request: Request[RtuFrame]) -> Reply:
        assert isinstance(request, RtuRequest)
        exchange = partial(super()._exchange, call, request)
        port = _PortStandIn(self._key, self._baudrate, exchange, request)
        # minimalmodbus accepts any object with the methods of a serial port.
        slave = minimalmodbus.Instrument(port, request.station)  # type: ignore[arg-type]
        try:
            if request.words is None:
                words = slave.read_registers(request.register, request.count)
                return port.reply._replace(content=pack_words(words))
            slave.write_registers(request.register, list(request.words))
        except minimalmodbus.ModbusException as error:
            raise WatlowFrameError(
                f"the reply does not match the request: {error}",
                context=self._context(call, request, port.raw),
            ) from error
        return port.reply


class _PortStandIn:
    """The stand-in for minimalmodbus's serial port; good for one exchange."""

    is_open = True
    timeout = None
    reply: Reply

    def __init__(
        self, port: str, baudrate: int, exchange: Callable[[], Reply], request: RtuRequest
    ) -> None:
        self.port = port
        self.baudrate = baudrate
        """minimalmodbus computes from it the silence before a write."""
        self.raw = b""
        self._exchange = exchange
        self._request = request

    def write(self, data: bytes) -> None:
        """Keep the request; `read` sends it."""
        self._request.frame = data

    def read(self, size: int) -> bytes:
        """Send the request and return the frame of its reply.

        Raises:
            WatlowError: There is no valid reply.
        """
        self.reply = self._exchange()
        self.raw = self.reply.raw
        return self.raw

    def open(self) -> None:
        """Do nothing: the port opens when it is needed."""

    def close(self) -> None:
        """Do nothing."""

    def reset_input_buffer(self) -> None:
        """Do nothing: the line is emptied before each request."""

    def reset_output_buffer(self) -> None:
        """Do nothing."""
