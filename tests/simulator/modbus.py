"""Requests to a simulated Modbus slave, without a line."""

from __future__ import annotations

import struct

from watlowlib.simulator import SimulatedController, SimulatedSD


class ExceptionReplyError(Exception):
    """An exception reply; the argument is its code."""


def request(unit: SimulatedController | SimulatedSD, payload: bytes) -> bytes:
    """Return the data after the function code of the reply.

    Raises:
        ExceptionReplyError: The reply is an exception.
    """
    reply = unit.modbus.reply_to(payload)
    if reply[0] != payload[0]:
        assert (reply[0], len(reply)) == (payload[0] + 0x80, 2)
        raise ExceptionReplyError(reply[1])
    return reply[1:]


def read(
    unit: SimulatedController | SimulatedSD, start: int, count: int = 1, function: int = 3
) -> list[int]:
    """Return the words of `count` registers."""
    reply = request(unit, struct.pack(">BHH", function, start, count))
    assert reply[0] == 2 * count == len(reply) - 1
    return list(struct.unpack(f">{count}H", reply[1:]))


def write(unit: SimulatedController | SimulatedSD, start: int, *words: int) -> None:
    """Write with function 16."""
    count = len(words)
    head = struct.pack(">HH", start, count)
    body = struct.pack(f">B{count}H", 2 * count, *words)
    assert request(unit, b"\x10" + head + body) == head


def write_one(unit: SimulatedController | SimulatedSD, register: int, word: int) -> None:
    """Write with function 06."""
    body = struct.pack(">HH", register, word)
    assert request(unit, b"\x06" + body) == body


def exception_code(call: object, *arguments: object) -> int:
    """Return the exception code of a call of a function above; 0 for none."""
    try:
        call(*arguments)  # type: ignore[operator]
    except ExceptionReplyError as error:
        return int(error.args[0])
    return 0
