"""Counts the writes of this program to a controller's EEPROM, rated for a million writes."""

from __future__ import annotations

import threading
import time
from collections import deque

from watlowlib._internal.log import logger

log = logger(__name__)

RATED_WRITES = 1_000_000
"""Writes the EEPROM is rated for. Source: Watlow's manuals."""

HOUR_S = 3600.0
YEAR_H = 8766
MOST_PER_HOUR = RATED_WRITES // YEAR_H
"""More writes per hour than this use up the EEPROM within a year: 114."""


class EepromCounter:
    """Counts the EEPROM writes to one controller; warns at most once an hour."""

    def __init__(self) -> None:
        self.writes = 0
        self._recent: deque[float] = deque(maxlen=MOST_PER_HOUR + 1)
        self._warned_s = float("-inf")
        self._lock = threading.Lock()

    def note(self, controller: str, now_s: float | None = None) -> str:
        """Count one write; return the warning that was logged, or "".

        `now_s` is on the monotonic clock, None for now.
        """
        now_s = time.monotonic() if now_s is None else now_s
        with self._lock:
            self.writes += 1
            self._recent.append(now_s)
            too_many = len(self._recent) > MOST_PER_HOUR and now_s - self._recent[0] < HOUR_S
            warn = too_many and now_s - self._warned_s >= HOUR_S
            if warn:
                self._warned_s = now_s
        if not warn:
            return ""
        warning = (
            f"{len(self._recent)} EEPROM writes within an hour; at this rate its {RATED_WRITES} "
            "writes are used up within a year"
        )
        log.warning(
            "%s: %s. Use ramp_to for ramps, write less often, or set non_volatile_save (17051) to "
            "No on the controller's keys",
            controller,
            warning,
        )
        return warning
