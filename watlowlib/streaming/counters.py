"""The counters of a recording: slots, rows, gaps and lost ports.

The recorder's thread updates them. After its end, the thread that leaves the recording counts
the batches still queued. Any thread may read the summary. Memory use is constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from watlowlib._internal.histogram import Histogram
from watlowlib.model import AcquisitionSummary, RateReport, Sample, SinkReport
from watlowlib.model.events import Event

DISCONNECTED = "disconnected"
NOT_REQUESTED = frozenset({"stopped", "closed", "offline", "busy"})
"""Statuses of samples without a request; they say nothing about the port."""


class Batch(NamedTuple):
    """The samples of one tick, the rates in Hz that were due, and the events since the last one.

    The last batch of a recording may have only events.
    """

    samples: list[Sample]
    rates: tuple[float, ...] = ()
    events: tuple[Event, ...] = ()


class Counters:
    """The counters from which the summary is made.

    `ports` has the port of each device by name; devices without an entry count as one port.
    """

    def __init__(self, rates: Sequence[RateReport], ports: Mapping[str, str]) -> None:
        self.started_at: datetime | None = None
        self.finished_at: datetime | None = None
        self.duration_ns = 0
        self.emitted = 0
        self.dropped = 0
        self.clock_steps = 0
        self.sinks: tuple[Callable[[], SinkReport], ...] = ()
        self._rates: dict[float, RateReport] = {}
        self.continue_with(rates, ports)
        self._lost_ports: set[str] = set()
        self._disconnects = 0
        self._rows = 0
        self._gaps = 0
        self._max_drift_ns = 0
        self.durations = Histogram()
        """The durations of the reads of each tick."""

    def continue_with(self, rates: Sequence[RateReport], ports: Mapping[str, str]) -> None:
        """Count these rates and ports from now on; rates that had been counted are kept."""
        self._ports = ports
        for rate in rates:
            before = self._rates.get(rate.rate_hz, rate)
            self._rates[rate.rate_hz] = replace(before, parameters=rate.parameters)

    def skip(self, slots: Mapping[float, int]) -> None:
        """Add the number of skipped slots of each rate."""
        for hz, skipped in slots.items():
            rate = self._rates[hz]
            self._rates[hz] = replace(rate, skipped=rate.skipped + skipped)

    def add_drift(self, drift_ns: int) -> None:
        """Record the delay of a tick behind its slot."""
        self._max_drift_ns = max(self._max_drift_ns, drift_ns)

    def count_disconnects(self, samples: Iterable[Sample]) -> str | None:
        """Count each lost port once; a reply or a timeout on it ends the loss.

        Returns:
            The first device whose port is newly lost, or None.
        """
        first: str | None = None
        for sample in samples:
            port = self._ports.get(sample.device, "")
            if sample.status == DISCONNECTED and port not in self._lost_ports:
                self._lost_ports.add(port)
                self._disconnects += 1
                first = first or sample.device
            elif sample.status != DISCONNECTED and sample.status not in NOT_REQUESTED:
                self._lost_ports.discard(port)
        return first

    def emit(self, batch: Batch, times: int = 1) -> None:
        """Count a batch as delivered."""
        self.emitted += times
        self._rows += times * len(batch.samples)
        self._gaps += times * sum(sample.value is None for sample in batch.samples)
        for hz in batch.rates:
            rate = self._rates[hz]
            self._rates[hz] = replace(rate, emitted=rate.emitted + times)

    def drop(self, batch: Batch) -> None:
        """Count a batch as dropped instead of delivered."""
        self.emit(batch, -1)
        self.dropped += 1
        for hz in batch.rates:
            rate = self._rates[hz]
            self._rates[hz] = replace(rate, dropped=rate.dropped + 1)

    def summary(self, now: datetime, duration_ns: int) -> AcquisitionSummary:
        """Return the summary at `now`, `duration_ns` after the start; the final one if ended."""
        rates = (*self._rates.values(),)
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
            ticks_emitted=self.emitted,
            rows=self._rows,
            gaps=self._gaps,
            sinks=tuple(report() for report in self.sinks),
            duration_s=(self.duration_ns if self.finished_at else duration_ns) / 1e9,
            tick_p50_ms=self.durations.percentile_ns(50) / 1e6,
            tick_p99_ms=self.durations.percentile_ns(99) / 1e6,
            rates=rates,
            clock_steps=self.clock_steps,
        )
