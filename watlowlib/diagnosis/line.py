"""Checks of the line behind an open port: bytes without a request, and local echo."""

from __future__ import annotations

import time

from watlowlib._internal.clock import Deadline
from watlowlib.devices.stdbus_driver import HARDWARE_ID
from watlowlib.diagnosis.findings import Finding, Result
from watlowlib.model.text import counted
from watlowlib.protocol import trace
from watlowlib.protocol.exchange import MOST_RECEIVED
from watlowlib.protocol.stdbus.requests import frame_read_request
from watlowlib.transport.base import Transport

LISTEN_S = 1.0
"""How long the idle line is observed."""
ECHO_S = 0.3
"""How long an echo may take; a network adds its delay."""


def check_noise(transport: Transport) -> Finding:
    """Listen without sending anything."""
    data = _receive(transport, LISTEN_S)
    if not data:
        found = f"no byte in {LISTEN_S:g} s without a request"
        return Finding("idle line", transport.port, Result.OK, found)
    return Finding(
        "idle line",
        transport.port,
        Result.WARNING,
        f"{counted(len(data), 'byte')} in {LISTEN_S:g} s without a request",
        "another master is on the line, or it picks up noise: check termination, bias resistors "
        "and shield",
        {"bytes": len(data), "begin": data[:32].hex(" ")},
    )


def check_echo(transport: Transport, address: int) -> Finding:
    """Send one read on Standard Bus and look for the request in what comes back."""
    request = frame_read_request(min(address, 16), HARDWARE_ID)
    trace.sent(transport.port, request.address, request.frame)
    transport.write(request.frame)
    sent_s = time.monotonic()
    data = _receive(transport, ECHO_S)
    trace.received(transport.port, request.address, data, sent_s)
    if request.frame not in data:
        return Finding("echo", transport.port, Result.OK, "the port does not echo what it sends")
    return Finding(
        "echo",
        transport.port,
        Result.WARNING,
        "the port echoes what it sends",
        "the library skips the echo, which takes time: switch it off at the adapter, often with "
        "a jumper",
    )


def _receive(transport: Transport, seconds: float) -> bytes:
    """Return the bytes received in this time, at most `MOST_RECEIVED`."""
    deadline = Deadline.after(seconds)
    data = b""
    while (received := transport.read(deadline)) and len(data) < MOST_RECEIVED:
        data += received
    return data
