"""The time that reads take, computed from their bytes, the baud rate and the turnaround."""

from __future__ import annotations

from collections.abc import Sequence

from watlowlib.devices.driver import Target
from watlowlib.devices.session import Session

TURNAROUND_S = 0.021
"""Usual time from a request to its reply: a PM3 takes 2 to 40 ms."""


def wire_time_s(session: Session, targets: Sequence[Target]) -> float:
    """Return the seconds that a read of `targets` takes.

    Over Modbus the layout of the registers must be known, or it is read first.

    Raises:
        WatlowError: The layout could not be read.
    """
    exchanges = session.driver.exchange_bytes(targets)
    return sum(exchanges) * session.port.byte_time_s + len(exchanges) * TURNAROUND_S
