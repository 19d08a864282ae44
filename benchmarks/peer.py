"""Controllers whose every value names its origin, on a line with one kind of fault.

`NumberingControllers` count the requests that they receive. The value in a reply encodes the
address and parameter of the request, and its number. So a value is classified without a clock:

    right    from a reply to a request that was received after the read began
    stale    from a reply to an earlier request for the same parameter of the same controller
    wrong    of another parameter or controller, or never sent

A `FaultyLine` decides what arrives instead of a reply, and when. With the last two of `KINDS`
replies overtake others; the other kinds keep their order. Neither waits: a `Peer` serves them on
a pty in real time, a test in simulated time.
"""

from __future__ import annotations

import heapq
import itertools
import random
import select
import socket
import struct
import time
from typing import Any, NamedTuple

from watlowlib._internal.threads import Worker
from watlowlib.protocol.modbus.frames import READ_HOLDING, RtuDecoder, RtuFrame, request_sizes
from watlowlib.protocol.stdbus.frames import (
    HOST_MAC,
    REPLY,
    REQUEST,
    Frame,
    FrameDecoder,
    ReceivedFrame,
    encode_frame,
    mac_of,
)
from watlowlib.protocol.stdbus.payloads import READ_REPLY, READ_REQUEST, Tag
from watlowlib.simulator.endpoints import PtyEndpoint

COUNT_BITS = 20
"""A float has 24 exact bits: 4 for the source, 20 for the number of the request."""
JOIN_S = 5.0


class Source(NamedTuple):
    """A parameter of a controller, and its Modbus register in data map 1."""

    address: int
    parameter: int
    register: int


SOURCES = (
    Source(1, 4001, 360),
    Source(2, 4001, 360),
    Source(1, 7001, 2160),
    Source(2, 7001, 2160),
    Source(1, 8011, 1904),
    Source(2, 8011, 1904),
)
"""Floats, so that over Modbus every reply has the same form."""

Arrivals = list[tuple[float, bytes]]
"""The bytes that arrive at the client, each with its time on the monotonic clock."""

ONE_REPLY = ("damaged", "truncated", "dropped", "noise", "echo", "late", "stalled")
"""The kinds of fault with at most one reply to a request, in the order of the requests."""

EXTRA_REPLIES = ("foreign", "duplicated")
"""The kinds of fault with replies that no request asked for, in order."""

MIXED = {"mixed": ONE_REPLY, "mixed extra": (*ONE_REPLY, *EXTRA_REPLIES)}
"""Kinds of fault that are others in equal parts."""

PROMISED = ("none", *ONE_REPLY, *EXTRA_REPLIES, "mixed")
"""The kinds of fault with which no read of watlowlib may return a wrong or a stale value."""

KINDS = (*PROMISED, "mixed extra", "overtaking", "duplicated late")


class FaultyLine:
    """Turns replies into what arrives.

    Args:
        kind: One of `KINDS`.
        fraction: The share of the replies that have the fault.
        late_s: How late a reply arrives at most.
        turnaround_s: The range of the time between a request and an ordinary reply.
        seed: Seed of the faults.
    """

    def __init__(
        self,
        kind: str,
        fraction: float,
        late_s: float,
        *,
        turnaround_s: tuple[float, float] = (0.002, 0.04),
        seed: int = 0,
    ) -> None:
        self.kind = kind
        self._fraction = fraction
        self._late_s = late_s
        self._turnaround_s = turnaround_s
        self._random = random.Random(seed)
        self._free_s = 0.0

    def arrivals(self, now_s: float, request: bytes, reply: bytes, foreign: bytes) -> Arrivals:
        """Return what arrives instead of `reply`; `foreign` is a reply to another request."""
        kind = self._draw()
        if kind == "overtaking":
            return [(now_s + self._lateness_s(), reply)]
        due_s = self._due_s(now_s, kind)
        if kind == "duplicated late":
            return [(due_s, reply), (now_s + self._lateness_s(), reply)]
        return [(due_s, self._altered(kind, request, reply, foreign))]

    def _draw(self) -> str:
        if self._random.random() >= self._fraction:
            return "none"
        return self._random.choice(MIXED.get(self.kind, (self.kind,)))

    def _due_s(self, now_s: float, kind: str) -> float:
        """Return when the reply arrives: after all earlier ones."""
        turnaround_s = self._random.uniform(*self._turnaround_s)
        if kind == "late":
            # The controller takes long for this reply, then replies to each request behind it.
            due_s = min(now_s + self._late_s, max(now_s, self._free_s) + self._lateness_s())
        elif kind == "stalled":
            due_s = now_s + self._lateness_s()
        elif self.kind == "stalled":
            # After a stall all replies arrive at once.
            due_s = now_s + turnaround_s
        else:
            due_s = max(now_s, self._free_s) + turnaround_s
        self._free_s = max(due_s, self._free_s)
        return self._free_s

    def _lateness_s(self) -> float:
        return self._random.uniform(0.0, self._late_s)

    def _altered(self, kind: str, request: bytes, reply: bytes, foreign: bytes) -> bytes:
        chance = self._random
        if kind == "damaged":
            bits = int.from_bytes(reply, "big")
            for place in chance.sample(range(8 * len(reply)), chance.randint(1, 4)):
                bits ^= 1 << place
            return bits.to_bytes(len(reply), "big")
        if kind == "noise":
            before, after = (chance.randbytes(chance.randint(0, 20)) for _ in range(2))
            return before + reply + after
        return {
            "truncated": reply[: chance.randrange(1, len(reply))],
            "dropped": b"",
            "echo": request + reply,
            "foreign": foreign + chance.choice((reply, b"")),
            "duplicated": reply + reply,
        }.get(kind, reply)


class NumberingControllers:
    """The controllers on a line: numbered replies to reads, and the origin of each value.

    They reply to reads of other parameters too; the value of such a reply is always wrong.

    Args:
        protocol: "stdbus" or "modbus_rtu".
        line: What arrives of the replies.
        seed: Seed of the choice of foreign replies.
    """

    def __init__(self, protocol: str, line: FaultyLine, seed: int = 0) -> None:
        self.requests = 0
        """The number of requests received so far."""
        self._codec: Any = StdBusCodec() if protocol == "stdbus" else ModbusCodec()
        self._reads = [self._codec.request(source) for source in SOURCES]
        self._line = line
        self._random = random.Random(seed)

    def receive(self, now_s: float, data: bytes) -> Arrivals:
        """Return what arrives at the client in reply to the requests in `data`."""
        return [
            arrival for request in self._codec.feed(data) for arrival in self._reply(now_s, request)
        ]

    def _reply(self, now_s: float, request: ReceivedFrame | RtuFrame) -> Arrivals:
        self.requests += 1
        others = [each for each in self._reads if self._codec.differ(each, request)]
        foreign = self._random.choice(others)
        replies = (self._codec.reply(each, self._value(each)) for each in (request, foreign))
        return self._line.arrivals(now_s, request.raw, *replies)

    def _value(self, request: Frame | ReceivedFrame | RtuFrame) -> float:
        read = self._codec.read_of(request)
        origin = self._reads.index(read) if read in self._reads else len(SOURCES)
        return float(origin << COUNT_BITS | self.requests)

    def classify(self, value: object, source: Source, requests_before: int) -> str:
        """Return "right", "stale" or "wrong" for a value that a read of `source` returned.

        Args:
            value: The value.
            source: What was read.
            requests_before: `requests` when the read began.
        """
        if not isinstance(value, float) or not value.is_integer():
            return "wrong"
        origin, number = divmod(int(value), 1 << COUNT_BITS)
        if origin != SOURCES.index(source) or not 0 < number <= self.requests:
            return "wrong"
        return "right" if number > requests_before else "stale"


class Peer:
    """Serves such controllers on a pty, at `port`, in a with statement."""

    def __init__(self, controllers: NumberingControllers) -> None:
        self._controllers = controllers
        self._arriving: list[tuple[float, int, bytes]] = []
        self._order = itertools.count()
        self._endpoint = PtyEndpoint()
        self._stop, self._stopper = socket.socketpair()
        self._worker = Worker("peer", self._run, lambda: self._stopper.sendall(b"\0"))

    @property
    def port(self) -> str:
        """The name of the pty."""
        return self._endpoint.port

    def __enter__(self) -> Peer:
        self._worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._worker.stop()
        self._worker.join(JOIN_S)
        for each in (self._endpoint, self._stop, self._stopper):
            each.close()
        self._worker.reraise()

    def _run(self) -> None:
        while True:
            wait_s = max(0.0, self._arriving[0][0] - time.monotonic()) if self._arriving else None
            ready, _, _ = select.select([self._stop, *self._endpoint.descriptors()], [], [], wait_s)
            if self._stop in ready:
                return
            now_s = time.monotonic()
            for due_s, data in self._controllers.receive(now_s, self._endpoint.receive()):
                heapq.heappush(self._arriving, (due_s, next(self._order), data))
            due = b""
            while self._arriving and self._arriving[0][0] <= now_s:
                due += heapq.heappop(self._arriving)[2]
            self._endpoint.send(due)


class StdBusCodec:
    """Standard Bus: a reply names its address and parameter."""

    def __init__(self) -> None:
        self.feed = FrameDecoder().feed

    def request(self, source: Source) -> Frame:
        """Return the request that reads `source`."""
        name = bytes((*divmod(source.parameter, 1000), 1))
        return Frame(REQUEST, mac_of(source.address), HOST_MAC, READ_REQUEST + name)

    def read_of(self, request: Frame | ReceivedFrame) -> Frame:
        """Return the request as `request` returns it, from whatever host it came."""
        return Frame(request.type, request.destination, HOST_MAC, request.payload)

    def reply(self, request: Frame | ReceivedFrame, value: float) -> bytes:
        """Return the reply to a read of any parameter."""
        payload = READ_REPLY + request.payload[3:6] + bytes((Tag.FLOAT,)) + struct.pack(">f", value)
        return encode_frame(Frame(REPLY, request.source, request.destination, payload))

    def differ(self, one: Frame, other: Frame | ReceivedFrame) -> bool:
        """Whether the replies to two requests differ apart from the value."""
        return one != self.read_of(other)


class ModbusCodec:
    """Modbus RTU: a reply names its address and the number of registers."""

    def __init__(self) -> None:
        self.feed = RtuDecoder(request_sizes).feed

    def request(self, source: Source) -> RtuFrame:
        """Return the request that reads `source`."""
        return RtuFrame(source.address, struct.pack(">BHH", READ_HOLDING, source.register, 2))

    def read_of(self, request: RtuFrame) -> RtuFrame:
        """Return the request as `request` returns it."""
        return request

    def reply(self, request: RtuFrame, value: float) -> bytes:
        """Return the reply to a read of any registers; the first two show the value."""
        size = 2 * int.from_bytes(request.payload[3:5], "big")
        high, low = struct.unpack(">HH", struct.pack(">f", value))
        words = struct.pack(">HH", low, high).ljust(size, b"\0")[:size]
        return RtuFrame(request.source, bytes((READ_HOLDING, size)) + words).raw

    def differ(self, one: RtuFrame, other: RtuFrame) -> bool:
        """Whether the replies to two requests differ apart from the value."""
        return one.source != other.source
