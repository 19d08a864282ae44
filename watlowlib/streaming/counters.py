"""What a recording amounts to: every slot, row and lost port counted, once.

Written by the recorder's thread, and after its end by whoever takes back what nobody
took; any thread may ask for the summary. Nothing here grows with the recording.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from watlowlib._internal.histogram import Histogram
from watlowlib.model import AcquisitionSummary, RateReport, Sample, SinkReport

LOST = "disconnected"
UNASKED = frozenset({"stopped", "closed", "offline", "busy"})
"""What a sample says that was not asked for, so that it tells nothing of its port."""


class Batch(NamedTuple):
    """The samples of one tick, and the numbers of the rates that were due."""

    samples: list[Sample]
    rates: tuple[int, ...]


class Counters:
    """The summary in the making.

    Args:
        rates: The rates of the recording, with nothing counted yet.
        ports: By a device's name the port it is on; devices that are not in it are all
            on one.
    """

    def __init__(self, rates: Sequence[RateReport], ports: Mapping[str, str]) -> None:
        self.started_at: datetime | None = None
        self.finished_at: datetime | None = None
        self.duration_ns = 0
        self.emitted = 0
        self.dropped = 0
        self.sinks: tuple[SinkReport, ...] = ()
        self._rates = list(rates)
        self._ports = ports
        self._lost: set[str] = set()
        self._disconnects = 0
        self._rows = 0
        self._gaps = 0
        self._max_drift_ns = 0
        self._durations = Histogram()

    def skip(self, slots: Sequence[int]) -> None:
        """Count the slots of each rate that went by."""
        for number, skipped in enumerate(slots):
            if skipped:
                rate = self._rates[number]
                self._rates[number] = replace(rate, skipped=rate.skipped + skipped)

    def late(self, drift_ns: int) -> None:
        """Note how long after its slot a tick begins."""
        self._max_drift_ns = max(self._max_drift_ns, drift_ns)

    def took(self, duration_ns: int) -> None:
        """Note how long the reads of a tick took."""
        self._durations.add(duration_ns)

    def look_at_ports(self, samples: Iterable[Sample]) -> str | None:
        """Count the ports that were lost, each once until it answers or is silent again.

        Returns:
            A device on a port that has just been lost, if there is one.
        """
        first: str | None = None
        for sample in samples:
            port = self._ports.get(sample.device, "")
            if sample.status == LOST and port not in self._lost:
                self._lost.add(port)
                self._disconnects += 1
                first = first or sample.device
            elif sample.status != LOST and sample.status not in UNASKED:
                self._lost.discard(port)
        return first

    def emit(self, batch: Batch, times: int = 1) -> None:
        """Count a batch as handed over."""
        self.emitted += times
        self._rows += times * len(batch.samples)
        self._gaps += times * sum(sample.value is None for sample in batch.samples)
        for number in batch.rates:
            rate = self._rates[number]
            self._rates[number] = replace(rate, emitted=rate.emitted + times)

    def drop(self, batch: Batch) -> None:
        """Count a batch as dropped that was counted as handed over."""
        self.emit(batch, -1)
        self.dropped += 1
        for number in batch.rates:
            rate = self._rates[number]
            self._rates[number] = replace(rate, dropped=rate.dropped + 1)

    def summary(self, now: datetime, duration_ns: int) -> AcquisitionSummary:
        """What it has come to, `now` and `duration_ns` after the start, or at the end."""
        rates = tuple(self._rates)
        skipped, dropped = (sum(r.skipped for r in rates), sum(r.dropped for r in rates))
        return AcquisitionSummary(
            started_at=self.started_at or now,
            finished_at=self.finished_at or now,
            samples_emitted=self.emitted,
            samples_late=skipped + dropped,
            max_drift_ms=self._max_drift_ns / 1e6,
            disconnects=self._disconnects,
            ticks_skipped=skipped,
            ticks_dropped=dropped,
            rows=self._rows,
            gaps=self._gaps,
            sinks=self.sinks,
            duration_s=(self.duration_ns if self.finished_at else duration_ns) / 1e9,
            tick_p50_ms=self._durations.percentile_ns(50) / 1e6,
            tick_p99_ms=self._durations.percentile_ns(99) / 1e6,
            rates=rates,
        )
