"""Asking a simulated Modbus slave, without a line between."""

from __future__ import annotations

import struct

from watlowlib.simulator import SimulatedController, SimulatedSD


class ExceptionReplyError(Exception):
    """The exception reply's code."""


def ask(unit: SimulatedController | SimulatedSD, payload: bytes) -> bytes:
    """What comes after the function in the reply.

    Raises:
        ExceptionReplyError: It is an exception.
    """
    reply = unit.modbus.answer(payload)
    if reply[0] != payload[0]:
        assert (reply[0], len(reply)) == (payload[0] + 0x80, 2)
        raise ExceptionReplyError(reply[1])
    return reply[1:]


def read(
    unit: SimulatedController | SimulatedSD, start: int, count: int = 1, function: int = 3
) -> list[int]:
    """The words at `count` registers."""
    reply = ask(unit, struct.pack(">BHH", function, start, count))
    assert reply[0] == 2 * count == len(reply) - 1
    return list(struct.unpack(f">{count}H", reply[1:]))


def write(unit: SimulatedController | SimulatedSD, start: int, *words: int) -> None:
    """Write with function 16."""
    count = len(words)
    head = struct.pack(">HH", start, count)
    body = struct.pack(f">B{count}H", 2 * count, *words)
    assert ask(unit, b"\x10" + head + body) == head


def write_one(unit: SimulatedController | SimulatedSD, register: int, word: int) -> None:
    """Write with function 06."""
    body = struct.pack(">HH", register, word)
    assert ask(unit, b"\x06" + body) == body


def code_of(call: object, *arguments: object) -> int:
    """The exception that a call of the above brings; 0 for none."""
    try:
        call(*arguments)  # type: ignore[operator]
    except ExceptionReplyError as answer:
        return int(answer.args[0])
    return 0
