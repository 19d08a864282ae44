"""Use the wrapping functions and the adapter of sinks."""

import sys
from pathlib import Path

from watlowlib import InMemorySink, JsonlSink, WatlowError
from watlowlib.sync import SyncCsvSink, SyncPortal, SyncSinkAdapter, Watlow
from watlowlib.sync.controller import SyncController, unwrap_sync_controller, wrap_controller

folder = Path(sys.argv[2])
with SyncPortal() as portal, Watlow.open(sys.argv[1], address=1, portal=portal) as ctl:
    print(isinstance(ctl, SyncController))
    bare = unwrap_sync_controller(ctl)
    again = wrap_controller(bare, portal)
    print(isinstance(again, SyncController), again.read_setpoint().value)
    print(unwrap_sync_controller(bare) is bare, unwrap_sync_controller("/dev/ttyUSB0"))
    samples = ctl.poll(["setpoint", "process_value"])
    memory = InMemorySink()
    with SyncSinkAdapter(memory, portal=portal) as sink:
        sink.write_many(samples)
        print(sink.async_sink is memory, memory.is_open)
    print(len(memory.samples), memory.is_open)
    with SyncSinkAdapter(JsonlSink(folder / "run.jsonl")) as sink:
        sink.write_many(samples)
    with SyncCsvSink(folder / "run.csv") as csv:
        csv.write_many(samples[:1])
        csv.write_many(samples[1:])
        print(type(csv.async_sink).__name__, csv.async_sink.path == folder / "run.csv")
    try:
        csv.write_many(samples)
    except (RuntimeError, WatlowError) as error:
        print(isinstance(error, RuntimeError))
