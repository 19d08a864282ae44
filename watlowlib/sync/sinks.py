"""Sinks, under the names of another library's blocking interface."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import cast

from watlowlib.errors import WatlowSinkError
from watlowlib.model import Sample
from watlowlib.model.events import Event
from watlowlib.sinks.base import SampleSink, Sink, store_events, store_recording
from watlowlib.sinks.csv import CsvSink
from watlowlib.sinks.jsonl import JsonlSink
from watlowlib.sinks.memory import InMemorySink
from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.rows import Row
from watlowlib.sinks.sqlite import SqliteSink
from watlowlib.streaming.metadata import RecordingInfo
from watlowlib.sync.portal import CallerPortal, SyncPortal, check_portal

__all__ = [
    "PostgresConfig",
    "SyncCsvSink",
    "SyncInMemorySink",
    "SyncJsonlSink",
    "SyncParquetSink",
    "SyncPostgresSink",
    "SyncSampleSink",
    "SyncSinkAdapter",
    "SyncSqliteSink",
]

SyncSampleSink = SampleSink


class SinkNotOpenError(WatlowSinkError, RuntimeError):
    """The sink is not open."""


class SyncSinkAdapter(Sink):
    """A wrapper that makes any sink, also a user's own, usable in a `with` statement."""

    def __init__(self, async_sink: SampleSink, *, portal: SyncPortal | None = None) -> None:
        check_portal(portal)
        self._sink = async_sink
        self._portal = portal or CallerPortal()
        self._closed = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._sink!r}>"

    @property
    def async_sink(self) -> SampleSink:
        """The sink itself, which is not asynchronous."""
        return self._sink

    @property
    def portal(self) -> SyncPortal:
        """The given portal, or one that runs calls in the calling thread.

        Raises:
            RuntimeError: The sink is not open.
        """
        self._check_open()
        return self._portal

    @property
    def rows_waiting(self) -> int:
        """How many of the rows given to the sink are not yet in their final place."""
        return int(getattr(self._sink, "rows_waiting", 0))

    def open(self) -> None:
        """Open the sink."""
        self.check_process()
        self._sink.open()
        self._pid, self._closed = os.getpid(), False

    def write_many(self, samples: Sequence[Row]) -> None:
        """Write `samples`."""
        self.check_process()
        if self._closed:
            self._check_open()
        self._sink.write_many(cast("Sequence[Sample]", samples))

    def write_recording(self, info: RecordingInfo) -> None:
        """Store what is known about a recording, if the sink does."""
        store_recording(self._sink, info)

    def write_events(self, events: Sequence[Event]) -> None:
        """Store events, if the sink does."""
        store_events(self._sink, events)

    def close(self) -> None:
        """Close the sink."""
        if not self.in_other_process:
            self._sink.close()
            self._pid, self._closed = None, True

    def _check_open(self) -> None:
        if not self.is_open:
            raise SinkNotOpenError(f"{self} is not open; use it in a with statement")


class SyncInMemorySink(SyncSinkAdapter):
    """`watlowlib.InMemorySink`."""

    def __init__(self, *, portal: SyncPortal | None = None) -> None:
        self._memory = InMemorySink()
        super().__init__(self._memory, portal=portal)

    @property
    def samples(self) -> list[Sample]:
        """The samples written so far."""
        return self._memory.samples


class SyncCsvSink(SyncSinkAdapter):
    """`watlowlib.CsvSink`."""

    def __init__(self, path: str | os.PathLike[str], *, portal: SyncPortal | None = None) -> None:
        super().__init__(CsvSink(path), portal=portal)


class SyncJsonlSink(SyncSinkAdapter):
    """`watlowlib.JsonlSink`."""

    def __init__(self, path: str | os.PathLike[str], *, portal: SyncPortal | None = None) -> None:
        super().__init__(JsonlSink(path), portal=portal)


class SyncSqliteSink(SyncSinkAdapter):
    """`watlowlib.SqliteSink`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        table: str = "samples",
        create_table: bool = True,
        journal_mode: str = "WAL",
        synchronous: str = "NORMAL",
        busy_timeout_ms: int = 5000,
        portal: SyncPortal | None = None,
    ) -> None:
        sink = SqliteSink(
            path,
            table=table,
            create_table=create_table,
            journal_mode=journal_mode,
            synchronous=synchronous,
            busy_timeout_ms=busy_timeout_ms,
        )
        super().__init__(sink, portal=portal)


class SyncParquetSink(SyncSinkAdapter):
    """`watlowlib.ParquetSink`; needs pyarrow once it is opened."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        compression: str = "zstd",
        use_dictionary: bool | Sequence[str] = True,
        row_group_size: int | None = None,
        portal: SyncPortal | None = None,
    ) -> None:
        from watlowlib.sinks.parquet.sink import ParquetSink  # imported on first use

        sink = ParquetSink(
            path,
            compression=compression,
            use_dictionary=use_dictionary,
            row_group_size=row_group_size,
        )
        super().__init__(sink, portal=portal)


class SyncPostgresSink(SyncSinkAdapter):
    """`watlowlib.PostgresSink`; needs psycopg once it is opened."""

    def __init__(self, config: PostgresConfig, *, portal: SyncPortal | None = None) -> None:
        from watlowlib.sinks.postgres.sink import PostgresSink  # imported on first use

        super().__init__(PostgresSink(config), portal=portal)
