"""Reports to systemd: ready, a slot was handled, loading the file again, stopping.

A report is a datagram to the socket that $NOTIFY_SOCKET names; see sd_notify(3). The watchdog
gets a signal only when a slot was handled: its samples, gaps included, went to the writers of the
sinks.
Without the variable nothing is sent.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from watlowlib._internal.log import logger
from watlowlib._internal.process import NotCopied
from watlowlib.protocol.stats import OFFLINE_AFTER
from watlowlib.rig.values import Rig

log = logger(__name__)

SEND_S = 1.0
"""How long a report may take."""

STATUS_S = 10.0
"""Seconds between two texts for `systemctl status`."""

SPARE_S = 30.0
PERIODS = 3


def watchdog_s(rig: Rig) -> int:
    """Return how long systemd should wait for a handled slot: several times the longest period.

    The time for reads that all fail is added: of a controller that does not reply, a tick waits
    for `OFFLINE_AFTER` replies at most.
    """
    record = rig.record
    rates = list(record.rates.values()) or [record.rate_hz or 1.0]
    waits = dict.fromkeys(rig.ports, 0.0)
    for controller in rig.controllers.values():
        waits[controller.port] += (OFFLINE_AFTER + 1) * (rig.ports[controller.port].timeout + 0.2)
    return math.ceil(SPARE_S + PERIODS * (1 / min(rates) + max(waits.values())))


class Notifier(NotCopied):
    """Sends reports to systemd; `environment` has the variables that systemd sets."""

    def __init__(self, environment: Mapping[str, str] = {}) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # An address that begins with @ is abstract: it is no file.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self._watchdog_s = float(environment.get("WATCHDOG_USEC", 0)) / 1e6 if ours else 0.0
        self._ready = False
        self._fed_s = self._told_s = -math.inf

    def slot_handled(self, status: Callable[[], str]) -> None:
        """Report that a slot was handled; the first one makes the service ready.

        `status` returns the text for `systemctl status`.
        """
        if not self._address:
            return
        now_s = time.monotonic()
        lines = []
        if not self._ready:
            self._ready = True
            lines.append("READY=1")
        # Twice in the time that systemd waits, or at each slot if that is less often.
        if self._watchdog_s and now_s - self._fed_s >= self._watchdog_s / 2:
            self._fed_s = now_s
            lines.append("WATCHDOG=1")
        if now_s - self._told_s >= STATUS_S:
            self._told_s = now_s
            lines.append(f"STATUS={status()}")
        self._send(*lines)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Report that the file is loaded again within a `with` block."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            if self._ready:
                self._send("READY=1")

    def raise_watchdog(self, seconds: float) -> None:
        """Let systemd wait `seconds` for a handled slot, unless it waits longer already."""
        if 0 < self._watchdog_s < seconds:
            self._watchdog_s = seconds
            self._send(f"WATCHDOG_USEC={round(seconds * 1e6)}")

    def stopping(self) -> None:
        """Report that the service ends."""
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if not self._address or not lines:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(SEND_S)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("systemd did not get the report %s: %s", " ".join(lines), error)
