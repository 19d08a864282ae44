"""Reads and writes registers over Modbus RTU, on a port that may be shared.

minimalmodbus builds the requests and takes the replies apart; this is the only file that knows
it. What it takes for a serial port is an object of ours: what it writes there becomes the
question of an exchange on our port, and what it reads is the one frame that fits. So the
lock, the deadline, the counters and what is believed are those of Standard Bus
(`protocol/conversation.py`), an exception is an answer like any other, and the state that
minimalmodbus keeps of its ports, by name, is of one client alone.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Sequence

import minimalmodbus

from watlowlib.errors import ErrorContext, WatlowDeviceError, WatlowFrameError
from watlowlib.model import SerialSettings
from watlowlib.protocol.client import ProtocolClient
from watlowlib.protocol.exchange import (
    Call,
    Reply,
    ReplyContent,
    Request,
    RetryPolicy,
    WriteOptions,
)
from watlowlib.protocol.modbus.frames import RtuDecoder, RtuFrame, reply_sizes
from watlowlib.protocol.modbus.requests import RtuRequest, exception, is_exception
from watlowlib.protocol.port import Port

_numbers = itertools.count(1)


class ModbusClient(ProtocolClient[RtuFrame]):
    """Reads and writes registers of the slaves on one port, from any thread.

    The content of an answer is the registers' bytes, high byte first.

    Args:
        port: The port.
        settings: How its line is set: how long bytes take, and the silence between frames.
    """

    protocol_name = "Modbus RTU"

    def __init__(self, port: Port, settings: SerialSettings) -> None:
        super().__init__(port)
        self.byte_time_s = settings.byte_time_s
        self._baudrate = settings.baudrate
        # minimalmodbus keeps the time of the last read by the name of the port.
        self._key = f"watlowlib port {next(_numbers)}"

    def read(
        self, slave: int, register: int, count: int, policy: RetryPolicy, *, urgent: bool = False
    ) -> Reply:
        """Read `count` registers from `register` on, again after a timeout or a damaged answer.

        Raises:
            WatlowTimeoutError: No answer that fits, also when asked again.
            WatlowCRCError: Only damaged answers, also when asked again.
            WatlowDeviceError: The controller answered with an exception.
            WatlowConnectionError: The port is gone.
        """
        request = RtuRequest(slave, register, count, None, self.byte_time_s)
        return self._ask(request, policy, urgent=urgent)

    def write(
        self,
        slave: int,
        register: int,
        words: Sequence[int],
        policy: RetryPolicy,
        options: WriteOptions = WriteOptions(),  # noqa: B008 - a frozen value
    ) -> Reply:
        """Store registers with function 16, and read them back: its answer does not name them.

        Args:
            slave: 1 to 247.
            register: The first one.
            words: What to store.
            policy: How long to wait, and how often to try again.
            options: Whether the registers can be read back, and what else there is to know.

        Raises:
            WatlowWriteError: The controller answers, but holds another value.
            WatlowTimeoutError: No answer; whether the value was stored is not known.
            WatlowCRCError: Only damaged answers; whether it was stored is not known.
            WatlowDeviceError: The controller answered with an exception.
            WatlowConnectionError: The port is gone.
        """
        wanted = _packed(words)
        reply = self._store(
            RtuRequest(slave, register, len(words), tuple(words), self.byte_time_s),
            RtuRequest(slave, register, len(words), None, self.byte_time_s),
            wanted,
            policy,
            options,
        )
        return reply if reply.content else reply._replace(content=wanted)

    def close(self) -> None:
        """Close the port for good."""
        super().close()
        minimalmodbus._latest_read_times.pop(self._key, None)

    def _exchange_once(self, call: Call, request: Request[RtuFrame]) -> ReplyContent:
        assert isinstance(request, RtuRequest)
        pipe = _Pipe(self._key, self._baudrate, lambda: self._exchange(call, request), request)
        # It takes whatever has the methods of a serial port.
        slave = minimalmodbus.Instrument(pipe, request.station)  # type: ignore[arg-type]
        try:
            if request.words is None:
                words = slave.read_registers(request.register, request.count)
                return ReplyContent(_packed(words), pipe.raw)
            slave.write_registers(request.register, list(request.words))
        except minimalmodbus.ModbusException as error:
            raise WatlowFrameError(
                f"the reply is not what was asked for: {error}",
                context=self._context(call, request, pipe.raw),
            ) from error
        return ReplyContent(b"", pipe.raw)

    def _decoder(self) -> RtuDecoder:
        return RtuDecoder(reply_sizes)

    def _is_error_reply(self, payload: bytes) -> bool:
        return is_exception(payload)

    def _error_from(self, payload: bytes, context: ErrorContext) -> WatlowDeviceError:
        return exception(payload, context)

    def _describe(self, content: bytes) -> object:
        return f"registers {content.hex(' ', 2)}"


class _Pipe:
    """What minimalmodbus takes for its serial port: one exchange."""

    is_open = True
    timeout = None

    def __init__(
        self, port: str, baudrate: int, exchange: Callable[[], ReplyContent], request: RtuRequest
    ) -> None:
        self.port = port
        self.baudrate = baudrate
        """From which minimalmodbus knows the silence to keep before it writes."""
        self.raw = b""
        self._exchange = exchange
        self._request = request

    def write(self, data: bytes) -> None:
        """The question is ready to be sent."""
        self._request.frame = data

    def read(self, size: int) -> bytes:
        """Send it and return the frame that answers it.

        Raises:
            WatlowError: None does.
        """
        self.raw = self._exchange().raw
        return self.raw

    def open(self) -> None:
        """Nothing: the port opens when it is needed."""

    def close(self) -> None:
        """Nothing."""

    def reset_input_buffer(self) -> None:
        """Nothing: the line is emptied before it is asked."""

    def reset_output_buffer(self) -> None:
        """Nothing."""


def _packed(words: Sequence[int]) -> bytes:
    return struct.pack(f">{len(words)}H", *words)
