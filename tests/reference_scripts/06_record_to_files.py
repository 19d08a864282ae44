"""Record a fleet into one file of each format."""

import sys
from pathlib import Path

from watlowlib.sync import (
    SyncCsvSink,
    SyncJsonlSink,
    SyncParquetSink,
    SyncSqliteSink,
    SyncWatlowManager,
    pipe,
    record,
)

port, folder = sys.argv[1], Path(sys.argv[2])
sinks = [
    SyncCsvSink(folder / "run.csv"),
    SyncJsonlSink(folder / "run.jsonl"),
    SyncSqliteSink(folder / "run.sqlite", table="ovens", journal_mode="DELETE"),
    SyncParquetSink(folder / "run.parquet", compression="zstd"),
]
with SyncWatlowManager() as mgr:
    mgr.add("top", port, address=1)
    mgr.add("bottom", port, address=2)
    for sink in sinks:
        with sink:
            with record(
                mgr,
                parameters=["process_value", "setpoint", "control_mode"],
                rate_hz=2.0,
                duration=1.0,
            ) as recording:
                summary = pipe(recording.stream, sink, batch_size=4, flush_interval=0.5)
        print(type(sink).__name__, summary.samples_emitted, recording.rate_hz)
