"""How often a program has written to a controller's EEPROM, which lasts about a million writes."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque

log = logging.getLogger(__name__)

LIFETIME_WRITES = 1_000_000
"""Writes the EEPROM is rated for. Source: Watlow's manuals."""

HOUR_S = 3600.0
YEAR_H = 8766
TOO_MANY_AN_HOUR = LIFETIME_WRITES // YEAR_H
"""More writes an hour than this spend the EEPROM within a year: 114."""


class EepromCounter:
    """Counts the writes of one program to one controller; warns once an hour at the most."""

    def __init__(self) -> None:
        self.writes = 0
        self._last: deque[float] = deque(maxlen=TOO_MANY_AN_HOUR + 1)
        self._warned_s = float("-inf")
        self._lock = threading.Lock()

    def note(self, who: str, now_s: float | None = None) -> None:
        """Count one write.

        Args:
            who: The controller, for the warning.
            now_s: Seconds on the monotonic clock; None for now.
        """
        now_s = time.monotonic() if now_s is None else now_s
        with self._lock:
            self.writes += 1
            self._last.append(now_s)
            often = len(self._last) > TOO_MANY_AN_HOUR and now_s - self._last[0] < HOUR_S
            warn = often and now_s - self._warned_s >= HOUR_S
            if warn:
                self._warned_s = now_s
        if warn:
            log.warning(
                "%s: %d writes to its EEPROM within an hour; at this rate its %d writes are "
                "spent within a year. Let the controller ramp by itself (ramp_to), write less "
                "often, or set non_volatile_save (17051) to No on its keys",
                who,
                len(self._last),
                LIFETIME_WRITES,
            )
