"""Reads the rows of the sinks back, also while a sink is writing or after a crash.

for row in read_samples("run.parquet"):
    print(row["device"], row["value"])
frame = read_samples("run.sqlite", device="oven_top").to_pandas()
read_samples("run.sqlite").wide().plot()
"""

from watlowlib.sinks.reading.events import read_events
from watlowlib.sinks.reading.samples import StoredSamples, read_samples

__all__ = ["StoredSamples", "read_events", "read_samples"]
