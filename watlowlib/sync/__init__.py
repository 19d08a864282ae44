"""The names of scripts that were written for another library's blocking interface.

    from watlowlib.sync import SyncSqliteSink, SyncWatlowManager, pipe, record

Everything in `watlowlib` blocks already, so these are its own classes and functions under
those names. `portal=` is taken wherever such scripts give it, and changes nothing. Two
things are as those scripts expect them: when one controller of a fleet fails, its error is
raised by itself, without a group around it; and coroutine functions are refused by name.

New scripts need none of this.
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
