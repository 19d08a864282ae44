"""The texts of the summary of a recording and of its parts."""

from __future__ import annotations

from datetime import datetime, timezone

from watlowlib import AcquisitionSummary, SinkReport

AT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def test_a_summary_is_printed_as_a_line_for_each_sink_and_one_for_the_recording() -> None:
    sinks = (
        SinkReport("CsvSink('run.csv')", 5760, 0),
        SinkReport("FullSink", 5750, 10, "the disk is full", 7),
    )
    summary = AcquisitionSummary(
        AT,
        AT,
        samples_emitted=5760,
        samples_late=1,
        max_drift_ms=81.06,
        ticks_emitted=960,
        rows=5760,
        gaps=940,
        sinks=sinks,
        duration_s=192.04,
    )
    assert str(summary).splitlines() == [
        "CsvSink('run.csv'): 5,760 rows written, 0 lost",
        "FullSink: 5,750 rows written, 7 waiting, 10 lost (the disk is full)",
        "192.0 s, 960 ticks, 1 late, largest drift 81.1 ms, 940 of 5,760 reads without a value",
    ]
    assert str(sinks[0]) == str(summary).splitlines()[0]
    assert repr(summary).startswith("AcquisitionSummary(started_at=datetime.datetime(2026")
