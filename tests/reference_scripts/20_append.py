"""Record once more into files that an earlier recording of the library has left."""

import sys
from pathlib import Path

from watlowlib import WatlowSinkError
from watlowlib.sync import SyncCsvSink, SyncJsonlSink, SyncSqliteSink, Watlow

folder = Path(sys.argv[2])
with Watlow.open(sys.argv[1], address=2) as ctl:
    samples = ctl.poll(["setpoint", "process_value"])
sinks = [
    SyncCsvSink(folder / "run.csv"),
    SyncJsonlSink(folder / "run.jsonl"),
    SyncSqliteSink(folder / "run.sqlite", table="ovens"),
]
for sink in sinks:
    try:
        with sink:
            sink.write_many(samples)
    except WatlowSinkError:
        print(type(sink).__name__, "refused")
