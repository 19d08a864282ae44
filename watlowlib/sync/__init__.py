"""Names for scripts that were written for another library's blocking interface.

    from watlowlib.sync import SyncSqliteSink, SyncWatlowManager, pipe, record

Everything in `watlowlib` blocks already: these are its own classes and functions under those
names, or subclasses with further names. `portal=` is accepted wherever such scripts pass it, and
has no effect. Where the other library behaves differently, this package does as it does: `poll`
returns a list of the samples that have a value, the summary of `pipe` counts samples, and a single
error of a fleet is raised without an exception group. Parameter names have the
numbers of `watlowlib.registry.script_names`. Coroutine functions are refused by name.

New scripts do not need this package.
"""

from watlowlib.sync.controller import (
    SyncController,
    SyncControllerLoop,
    Watlow,
    unwrap_sync_controller,
    wrap_controller,
)
from watlowlib.sync.manager import DeviceResult, ErrorPolicy, SyncWatlowManager
from watlowlib.sync.portal import SyncAsyncIterator, SyncPortal, run_sync
from watlowlib.sync.recording import AcquisitionSummary, OverflowPolicy, SyncRecording, pipe, record
from watlowlib.sync.sinks import (
    PostgresConfig,
    SyncCsvSink,
    SyncInMemorySink,
    SyncJsonlSink,
    SyncParquetSink,
    SyncPostgresSink,
    SyncSampleSink,
    SyncSinkAdapter,
    SyncSqliteSink,
)

__all__ = [
    "AcquisitionSummary",
    "DeviceResult",
    "ErrorPolicy",
    "OverflowPolicy",
    "PostgresConfig",
    "SyncAsyncIterator",
    "SyncController",
    "SyncControllerLoop",
    "SyncCsvSink",
    "SyncInMemorySink",
    "SyncJsonlSink",
    "SyncParquetSink",
    "SyncPortal",
    "SyncPostgresSink",
    "SyncRecording",
    "SyncSampleSink",
    "SyncSinkAdapter",
    "SyncSqliteSink",
    "SyncWatlowManager",
    "Watlow",
    "pipe",
    "record",
    "run_sync",
    "unwrap_sync_controller",
    "wrap_controller",
]
