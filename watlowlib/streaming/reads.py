"""The reads of a recording: how many had which status, and the latest of each parameter."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import TypeAlias

from watlowlib.model import Sample

Series: TypeAlias = "tuple[str, str, int]"
"""The name of a controller, a parameter, and the instance."""


class Reads:
    """Counts the reads of all ticks, also of those that are dropped; any thread may ask."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._latest: dict[Series, Sample] = {}
        self._valued_at: dict[Series, datetime] = {}
        self._lock = threading.Lock()

    def add(self, samples: Iterable[Sample]) -> None:
        """Count the samples of a tick."""
        with self._lock:
            for each in samples:
                series = (each.device, each.parameter, each.instance)
                self._counts[each.device, each.status] += 1
                self._latest[series] = each
                if each.value is not None:
                    self._valued_at[series] = each.received_at

    def by_status(self) -> dict[str, dict[str, int]]:
        """Return the number of reads with each status, by controller."""
        found: dict[str, dict[str, int]] = {}
        with self._lock:
            for (device, status), count in self._counts.items():
                found.setdefault(device, {})[status] = count
        return found

    def latest(self) -> list[Sample]:
        """Return the latest sample of each parameter."""
        with self._lock:
            return list(self._latest.values())

    def valued_at(self) -> dict[Series, datetime]:
        """Return when the latest value of each parameter was received."""
        with self._lock:
            return dict(self._valued_at)
