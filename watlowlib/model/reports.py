"""The summary of a recording, with a report for each sink and each rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from watlowlib.model.html import fields, table
from watlowlib.model.text import counted


@dataclass(frozen=True)
class SinkReport:
    """How many rows one sink has written and lost, and how many wait.

    Attributes:
        name: The sink's own description of itself.
        rows_written: Rows stored in their final place: the file, or the table on the server.
        rows_lost: Rows that the sink was given, or should have been given, and did not store.
        error: Why rows were lost, or None.
        rows_waiting: Rows in the sink's spool on disk, to be sent to the server later.
    """

    name: str
    rows_written: int
    rows_lost: int
    error: str | None = None
    rows_waiting: int = 0

    def __str__(self) -> str:
        return sink_line(self)


@dataclass(frozen=True)
class RateReport:
    """The slots of one rate of a recording: in the end each is emitted, skipped or dropped.

    Attributes:
        rate_hz: Slots per second.
        parameters: The parameters read at this rate, as the caller named them.
        emitted: Slots whose samples were delivered.
        skipped: Slots skipped because an earlier tick took longer than a period.
        dropped: Slots that were read, but dropped because the consumer was too slow.
    """

    rate_hz: float
    parameters: tuple[str | int, ...]
    emitted: int = 0
    skipped: int = 0
    dropped: int = 0


@dataclass(frozen=True)
class AcquisitionSummary:
    """The summary of a recording: live while the recording runs, final when it has ended.

    With several rates, a tick is an instant at which at least one of them is due.

    Attributes:
        started_at: Wall clock (UTC) at the first scheduled tick.
        finished_at: Wall clock (UTC) when the recorder ended; while it runs, now.
        samples_emitted: The same as `ticks_emitted`, under an older name.
        samples_late: Slots of all rates without a batch: `ticks_skipped` plus `ticks_dropped`.
        max_drift_ms: The largest delay of a tick's reads behind its slot, in milliseconds.
        disconnects: How often a port was lost, summed over all ports.
        ticks_skipped: Slots skipped because an earlier tick took longer than a period.
        ticks_dropped: Slots dropped because the consumer did not keep up.
        ticks_emitted: Ticks whose batch was delivered, even if every read in it failed.
        rows: Samples in the delivered batches.
        gaps: Samples without a value among these rows.
        sinks: One report per sink, once `pipe` has run; as it was when the summary was read.
        duration_s: Seconds from the first tick to the end, by the monotonic clock.
        tick_p50_ms: The median duration of a tick's reads, at most 1.6 % too high.
        tick_p99_ms: The 99th percentile of the same durations, with the same error.
        rates: One report per rate.
        clock_steps: How often the wall clock was set by more than a second during the recording.
    """

    started_at: datetime
    finished_at: datetime
    samples_emitted: int
    samples_late: int
    max_drift_ms: float
    disconnects: int = 0
    ticks_skipped: int = 0
    ticks_dropped: int = 0
    ticks_emitted: int = 0
    rows: int = 0
    gaps: int = 0
    sinks: tuple[SinkReport, ...] = ()
    duration_s: float = 0.0
    tick_p50_ms: float = 0.0
    tick_p99_ms: float = 0.0
    rates: tuple[RateReport, ...] = ()
    clock_steps: int = 0

    def __str__(self) -> str:
        return "\n".join([*map(str, self.sinks), recording_line(self)])

    def _repr_html_(self) -> str:
        """Return the tables that notebooks show."""
        shown = {**vars(self), "sinks": None, "rates": None, "samples_emitted": None}
        parts = [fields("Recording", shown)]
        if self.rates:
            head = ("parameters", "rate_hz", "emitted", "skipped", "dropped")
            parts.append(_reports("Rates", head, self.rates))
        if self.sinks:
            head = ("name", "rows_written", "rows_waiting", "rows_lost", "error")
            parts.append(_reports("Sinks", head, self.sinks))
        return "".join(parts)


def sink_line(report: SinkReport, place: str = "") -> str:
    """Return the counters of a sink as text; `place` says where the waiting rows are."""
    waiting = f", {report.rows_waiting:,} waiting{place}" * bool(report.rows_waiting)
    error = f" ({report.error})" * bool(report.error)
    return (
        f"{report.name}: {counted(report.rows_written, 'row')} written{waiting}, "
        f"{report.rows_lost:,} lost{error}"
    )


def recording_line(summary: AcquisitionSummary) -> str:
    """Return the counters of a recording as text, without those of its sinks."""
    return (
        f"{summary.duration_s:,.1f} s, {counted(summary.ticks_emitted, 'tick')}, "
        f"{summary.samples_late:,} late, largest drift {summary.max_drift_ms:.1f} ms, "
        f"{summary.gaps:,} of {counted(summary.rows, 'read')} without a value"
    )


def _reports(
    caption: str, head: tuple[str, ...], reports: tuple[SinkReport | RateReport, ...]
) -> str:
    return table(caption, head, [[getattr(each, name) for name in head] for each in reports])
