"""Any iterable of batches, in the form in which `pipe` reads a recording."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import AcquisitionSummary, Sample, SinkReport
from watlowlib.model.events import EventKind
from watlowlib.streaming.counters import Batch


class BatchStream:
    """Counts the batches of an iterable, and can be stopped between two of them."""

    id = info = None
    """Nothing is known about a recording."""

    def __init__(self, batches: Iterable[Sequence[Sample]]) -> None:
        if isinstance(batches, str) or not isinstance(batches, Iterable):
            raise WatlowConfigurationError(
                f"{shown(batches)} cannot be piped: give a recording, made with record(...), or "
                "an iterable of lists of samples"
            )
        self._batches = batches
        self._stopped = False
        self._ticks = self._rows = self._gaps = 0
        self._started_at = datetime.now(timezone.utc)
        self._started_s = time.monotonic()
        self._sinks: tuple[Callable[[], SinkReport], ...] = ()

    def batches(self) -> Iterator[Batch]:
        """Yield the batches."""
        for batch in self._batches:
            if isinstance(batch, Sample) or not isinstance(batch, Iterable):
                raise WatlowConfigurationError(
                    f"{shown(batch)} is not a batch: give lists of samples, such as pipe([samples])"
                )
            samples = list(batch)
            self._ticks += 1
            self._rows += len(samples)
            self._gaps += sum(getattr(each, "value", 0) is None for each in samples)
            yield Batch(samples)
            if self._stopped:
                return

    def stop(self) -> None:
        """End after the present batch."""
        self._stopped = True

    def tell(self, kind: EventKind, text: str) -> None:
        """Discard an event about a sink: an iterable stores no events."""

    def note_sinks(self, reports: Sequence[Callable[[], SinkReport]]) -> None:
        """Set the functions that return the sink reports of the summary."""
        self._sinks = tuple(reports)

    @property
    def summary(self) -> AcquisitionSummary:
        """The summary so far."""
        return AcquisitionSummary(
            started_at=self._started_at,
            finished_at=datetime.now(timezone.utc),
            samples_emitted=self._ticks,
            samples_late=0,
            max_drift_ms=0.0,
            ticks_emitted=self._ticks,
            rows=self._rows,
            gaps=self._gaps,
            sinks=tuple(report() for report in self._sinks),
            duration_s=time.monotonic() - self._started_s,
        )
