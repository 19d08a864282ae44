"""Names for scripts that were written for another library's blocking interface.

    from watlowlib.sync import SyncSqliteSink, SyncWatlowManager, pipe, record

Everything in `watlowlib` blocks already: these are its own classes and functions under those
names. `portal=` is accepted wherever such scripts pass it, and has no effect. Three things
behave as those scripts expect: if one controller of a fleet fails, its error is raised
without an exception group; coroutine functions are refused by name; and parameter names have
the numbers of `watlowlib.registry.script_names`.

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
from watlowlib.sync.recording import AcquisitionSummary, OverflowPolicy, pipe, record
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
