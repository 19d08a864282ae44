"""Logs the frames on the wire: logger `watlowlib.wire`, level DEBUG.

Each line has the port, the address of the exchange, the bytes in hex and, for a received frame,
the milliseconds since the request was sent. Callers test `enabled` first, so that tracing costs
almost nothing while it is off. `bytes_of` reads a line back.
"""

from __future__ import annotations

import re
import sys
import time

from watlowlib._internal.log import logger

log = logger("watlowlib.wire")
DEBUG = 10

_LINE = (
    r" address \d+ (?:(?:sent|received) (?P<frame>[0-9a-f ]+?)(?: after [\d.]+ ms)?"
    r"|no reply after [\d.]+ ms: (?:nothing|(?P<rest>[0-9a-f ]+)))$"
)


def enabled() -> bool:
    """Whether frames are logged; False until the program has imported `logging`."""
    return "logging" in sys.modules and log.isEnabledFor(DEBUG)


def sent(port: str, address: int, frame: bytes) -> None:
    """Log a request."""
    log.debug("%s address %d sent %s", port, address, frame.hex(" "))


def received(port: str, address: int, frame: bytes, sent_s: float) -> None:
    """Log a whole frame, received after a request that was sent at `sent_s`."""
    elapsed_ms = 1e3 * (time.monotonic() - sent_s)
    log.debug("%s address %d received %s after %.1f ms", port, address, frame.hex(" "), elapsed_ms)


def unusable(port: str, address: int, data: bytes, sent_s: float) -> None:
    """Log the bytes of an exchange that ends without a reply."""
    elapsed_ms = 1e3 * (time.monotonic() - sent_s)
    shown = data.hex(" ") or "nothing"
    log.debug("%s address %d no reply after %.1f ms: %s", port, address, elapsed_ms, shown)


def bytes_of(line: str) -> bytes | None:
    """Return the bytes of a line of this log; None for another line."""
    found = re.search(_LINE, line)
    return bytes.fromhex(found["frame"] or found["rest"] or "") if found else None
