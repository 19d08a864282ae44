"""Whether a controller replies: one that does not is polled less and less often.

Each request to a controller that is switched off costs its line a timeout, which delays the
other controllers on the line. After `OFFLINE_AFTER` attempts in a row without a reply, a poll
skips the controller and only probes it, with a back-off that grows to `BACKOFF_MOST_S`. The
first reply to any request makes it available again.

A probe must fit into the rest of a tick, so it waits for `PROBE_S` only, which is enough on a
direct line. Behind a network a reply may take longer. With a timeout above the default every
probe waits for the whole timeout; after a late reply on the line the next probe does too.

After a failed probe no other probe is sent on the line for a while, so that no tick has two.
The back-off also grows with the number of offline controllers on the line: together their
probes use about a tenth of the line's time, and each of sixteen is found within a minute.

When one controller is back, those that went offline with it are probed at once: a blown fuse
switches off several controllers and its replacement switches all of them on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Hashable
from typing import Protocol

from watlowlib._internal.backoff import Backoff
from watlowlib._internal.clock import Deadline
from watlowlib._internal.log import logger
from watlowlib._internal.process import NotCopied
from watlowlib.errors import WatlowOfflineError, WatlowTimeoutError
from watlowlib.protocol.port import Port
from watlowlib.protocol.stats import OFFLINE_AFTER, DeviceStats

log = logger(__name__)

BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.5, 10.0
"""Longest back-off after the first failure, and after many."""

PROBE_S = 0.1
"""How long a probe waits. Real PM3s reply within 50 ms."""

PROBE_SHARE = 9
"""The average back-off, in multiples of the time that probing all offline controllers takes."""

PAUSES_PER_BACKOFF = 4
"""After a failed probe, the next one waits for its duration times `PROBE_SHARE` / this."""

TOGETHER_S = 60.0
"""Controllers that went offline within this time are taken to have one cause."""


class Ping(Protocol):
    """Sends one read to the controller; any reply counts. Raises WatlowTimeoutError."""

    def __call__(self, *, within_s: float | None = None) -> None:
        """Wait at most `within_s`."""


class Availability(NotCopied):
    """Tracks whether one controller replies; `port` has the state that its controllers share."""

    def __init__(
        self, name: str, station: Hashable, port: Port, stats: DeviceStats, ping: Ping
    ) -> None:
        self._name = name
        self._station = station
        self._port = port
        self._stats = stats
        self._ping = ping
        self._backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_MOST_S)
        self._offline_since_s = self._probed_s = 0.0
        self._strays = 0

    @property
    def last_probe_s(self) -> float:
        """Time of the last probe on the monotonic clock; 0 while the controller replies."""
        return self._probed_s if self._offline else 0.0

    def check(self) -> bool:
        """Return whether to poll the controller, probing it when the back-off has passed.

        Raises:
            WatlowError: The probe failed for another reason than a timeout.
        """
        if not self._update():
            return True
        offline_s, back_s = self._port.last_outage
        together = back_s > self._probed_s and abs(offline_s - self._offline_since_s) < TOGETHER_S
        if not together and (self._backoff.left_s() or self._port.probe_pause.left_s()):
            return False
        self._probe()
        return not self._update()

    def error(self) -> WatlowOfflineError:
        """Return the error of a read that was skipped."""
        return WatlowOfflineError(
            f"{self._name} did not reply lately and is probed again in "
            f"{self._backoff.left_s():.1f} s; is it switched on?"
        )

    def release(self) -> None:
        """Stop counting the controller as offline on its port."""
        self._port.offline.discard(self._station)

    @property
    def _offline(self) -> bool:
        return self._stats.unanswered >= OFFLINE_AFTER

    def _update(self) -> bool:
        """Return whether the controller is offline; log and store a change."""
        offline = self._offline
        if not offline and self._backoff.failures:
            self._backoff.succeeded()
            self._port.note_return(self._station, self._offline_since_s)
            log.warning("%s replies again", self._name)
        elif offline and not self._backoff.failures:
            self._backoff.failed()
            self._offline_since_s = self._probed_s = time.monotonic()
            self._strays = self._port.stats.strays
            self._port.offline.add(self._station)
            log.warning("%s does not reply; it is probed less often from now on", self._name)
        return offline

    def _probe(self) -> None:
        stray_came = self._strays != self._port.stats.strays
        self._strays = self._port.stats.strays
        self._probed_s = time.monotonic()
        try:
            self._ping(within_s=math.inf if stray_came else PROBE_S)
        except WatlowTimeoutError:
            took_s = time.monotonic() - self._probed_s + self._port.line.quiet_s
            self._backoff.failed(about_s=PROBE_SHARE * took_s * len(self._port.offline))
            self._port.probe_pause = Deadline.after(PROBE_SHARE * took_s / PAUSES_PER_BACKOFF)
