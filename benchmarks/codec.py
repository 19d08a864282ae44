"""Microseconds to encode a request and to decode a reply, without a port.

    stdbus    beside pywatlow, which builds and parses the same frames
    modbus    beside minimalmodbus, the functions that it calls for each exchange

The contestants alternate in short rounds.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace

import minimalmodbus
from figures import HEADER, Figure, Size, alternate, cells, figure
from harness import print_table
from reads import REPLY, REQUEST, Watlow

from watlowlib.protocol.modbus.frames import READ_HOLDING, RtuDecoder, RtuFrame, reply_sizes
from watlowlib.protocol.stdbus.frames import FrameDecoder
from watlowlib.protocol.stdbus.payloads import ReadRequest
from watlowlib.protocol.stdbus.requests import frame_read_request

RTU_PAYLOAD = struct.pack(">BHH", READ_HOLDING, 360, 2)
RTU_REPLY = RtuFrame(1, bytes([READ_HOLDING, 4]) + bytes.fromhex("D4A7451E")).raw
ROUNDS, CALLS = 15, 500


def encode_stdbus() -> object:
    return frame_read_request(1, ReadRequest(4, 1, 1)).frame


def decode_stdbus() -> object:
    (frame,) = FrameDecoder().feed(REPLY)
    return struct.unpack(">f", frame.payload[-4:])


def encode_modbus() -> object:
    return RtuFrame(1, RTU_PAYLOAD).raw


def decode_modbus() -> object:
    (frame,) = RtuDecoder(reply_sizes).feed(RTU_REPLY)
    return frame.payload[1:]


def encode_minimalmodbus() -> object:
    return minimalmodbus._embed_payload(1, "rtu", READ_HOLDING, RTU_PAYLOAD[1:])


def decode_minimalmodbus() -> object:
    return minimalmodbus._extract_payload(RTU_REPLY, 1, "rtu", READ_HOLDING)


def pywatlow_calls() -> dict[str, Callable[[], object]]:
    """Return pywatlow's functions, or none if it is not installed."""
    if Watlow is None:
        return {}
    device = Watlow(serial=SimpleNamespace(port=""))
    assert device._buildReadRequest(4001) == REQUEST
    assert device._parseResponse(REPLY)["data"] == struct.unpack(">f", REPLY[-6:-2])[0]
    return {
        "pywatlow encode": lambda: device._buildReadRequest(4001),
        "pywatlow decode": lambda: device._parseResponse(REPLY),
    }


def figures(size: Size) -> Iterator[Figure]:
    """Yield the microseconds a frame of each contestant."""
    assert encode_stdbus() == REQUEST
    assert encode_modbus() == encode_minimalmodbus()
    assert decode_modbus() == decode_minimalmodbus()
    calls = {
        "stdbus encode": encode_stdbus,
        "stdbus decode": decode_stdbus,
        **pywatlow_calls(),
        "modbus encode": encode_modbus,
        "modbus decode": decode_modbus,
        "minimalmodbus encode": encode_minimalmodbus,
        "minimalmodbus decode": decode_minimalmodbus,
    }
    times = alternate(
        {name: partial(us_per_call, call, size.of(10, 200, CALLS)) for name, call in calls.items()},
        size.of(2, 9, ROUNDS),
    )
    for protocol, peer in (("stdbus", "pywatlow"), ("modbus", "minimalmodbus")):
        for task in ("encode", "decode"):
            theirs = times.get(f"{peer} {task}", [])
            ours = times[f"{protocol} {task}"]
            yield figure(f"{protocol}, {task}", ours, "us", peer, theirs)


def us_per_call(call: Callable[[], object], calls: int) -> float:
    start_s = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start_s) / calls * 1e6


def main() -> None:
    print_table(HEADER, cells(figures(Size.FULL)))


if __name__ == "__main__":
    main()
