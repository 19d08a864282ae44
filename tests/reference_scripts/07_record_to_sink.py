"""Record in one call, into a wrapped sink and into a bare one; print the summaries."""

import sys
from datetime import datetime
from pathlib import Path

from watlowlib import CsvSink, OverflowPolicy
from watlowlib.sync import SyncInMemorySink, SyncWatlowManager

with SyncWatlowManager() as mgr:
    mgr.add("top", sys.argv[1], address=1)
    mgr.add("bottom", sys.argv[1], address=2)
    with SyncInMemorySink(portal=mgr.portal) as sink:
        summary = mgr.record_to_sink(
            parameters=["setpoint"], rate_hz=2.0, duration=1.0, sink=sink, names=["bottom"]
        )
    print([(sample.device, sample.value) for sample in sink.samples])
    print(summary.samples_emitted, summary.samples_late, summary.disconnects)
    print(isinstance(summary.started_at, datetime), summary.finished_at > summary.started_at)
    print(summary.max_drift_ms >= 0.0)
    print(0.0 < summary.tick_duration_ms_p50 <= summary.tick_duration_ms_p99)
    summary = mgr.record_to_sink(
        parameters=["setpoint", 8003],
        rate_hz=2.0,
        duration=1.0,
        sink=CsvSink(Path(sys.argv[2]) / "bare.csv"),
        overflow=OverflowPolicy.DROP_NEWEST,
        buffer_size=8,
        batch_size=2,
        flush_interval=0.5,
    )
    print(summary.samples_emitted)
