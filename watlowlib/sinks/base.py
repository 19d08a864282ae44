"""The sink interface: an object that is opened, receives samples and is closed.

A sink has no queue of its own. When `write_many` returns, the rows have left this
program, and a crash of the program does not lose them. A custom sink needs three methods:

    class PrintSink:
        def open(self) -> None:
            print("device", "parameter", "value")

        def write_many(self, samples: Sequence[Sample]) -> None:
            for row in map(sample_to_row, samples):
                print(row["device"], row["parameter"], row["value"])

        def close(self) -> None:
            print("that is all")

    sink = PrintSink()
    sink.open()
    pipe(stream, sink)
    sink.close()

An exception from `write_many` ends the writing to this sink. Its `SinkReport` has the error
and counts the rows that were lost; `pipe` raises the error at the end. A sink that stores rows
in an intermediate place counts them in its attribute `rows_waiting`. Two more methods are optional.
`pipe` calls `write_recording(info)` with a `RecordingInfo` before the first rows of each recording,
and `write_events(events)` after the rows that were read with these events.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, SupportsIndex, TypeVar

from watlowlib._internal.log import logger
from watlowlib._internal.process import OneProcess
from watlowlib._internal.validation import shown
from watlowlib.errors import (
    WatlowConfigurationError,
    WatlowSinkError,
    WatlowSinkSchemaError,
    WatlowSinkWriteError,
)
from watlowlib.model import Sample
from watlowlib.model.events import Event
from watlowlib.sinks.rows import (
    COLUMN_TYPES,
    OTHER_LIBRARY_LACKS,
    REQUIRED_COLUMNS,
    SHORT_UNITS,
    ColumnLayout,
    ColumnType,
    Row,
)
from watlowlib.streaming.metadata import RecordingInfo

log = logger(__name__)

S = TypeVar("S", bound="Sink")


class SampleSink(Protocol):
    """Interface of everything that samples can be written to."""

    def open(self) -> None:
        """Open the sink; do nothing if it is already open.

        Raises:
            WatlowSinkError: The sink cannot be opened; the message says what to do.
        """

    def write_many(self, samples: Sequence[Sample]) -> None:
        """Store `samples`, all of them or none.

        Raises:
            WatlowSinkError: They could not be stored.
        """

    def close(self) -> None:
        """Close the sink; do nothing if it is already closed."""


def store_recording(sink: SampleSink, info: RecordingInfo) -> None:
    """Give `info` to `sink`, if it stores what is known about recordings."""
    write_recording = getattr(sink, "write_recording", None)
    if write_recording is not None:
        write_recording(info)


def store_events(sink: SampleSink, events: Sequence[Event]) -> None:
    """Give `events` to `sink`, if it stores events."""
    write_events = getattr(sink, "write_events", None)
    if write_events is not None:
        write_events(events)


class Sink(OneProcess):
    """Base class of the sinks in this package; a `with` statement opens and closes them.

    A sink belongs to the process that opened it: `open` and `write_many` raise an error in a
    forked child, and `close` does nothing there. While it is open it cannot be copied.
    """

    _kind = "sink"

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        if self._pid is None:
            return object.__reduce_ex__(self, protocol)
        return super().__reduce_ex__(protocol)

    @property
    def is_open(self) -> bool:
        """Whether the sink is open."""
        return self._pid is not None

    @property
    def rows_waiting(self) -> int:
        """How many of the rows given to `write_many` are not yet in their final place."""
        return 0

    def open(self) -> None:
        """Open the sink."""
        raise NotImplementedError

    def write_many(self, samples: Sequence[Row]) -> None:
        """Append `samples`; a row may also be a mapping of column names to cells."""
        raise NotImplementedError

    def write_recording(self, info: RecordingInfo) -> None:
        """Store what is known about a recording, before its first rows; once for each `info.id`.

        Raises:
            WatlowSinkError: It could not be stored. Rows can still be written.
        """

    def write_events(self, events: Sequence[Event]) -> None:
        """Store events of a recording, after the rows that were read with them.

        Raises:
            WatlowSinkError: They could not be stored. Rows can still be written.
        """

    def close(self) -> None:
        """Close the sink."""
        raise NotImplementedError

    def __enter__(self: S) -> S:
        self.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _not_open(self) -> WatlowSinkError:
        return WatlowSinkError(f"{self} is not open; use it in a with statement")

    def _failed(self, doing: str, error: BaseException) -> WatlowSinkError:
        kind = WatlowSinkWriteError if doing == "written" else WatlowSinkError
        return kind(f"{self} could not be {doing}: {error}")


class TableSink(Sink):
    """Base class of the sinks with columns.

    Args:
        columns: Names of the columns that an existing file or table must have. Default: the
            columns of a Sample, but `tick` and `scheduled_at` may be missing, as in files of
            earlier versions, and `midpoint_at` and `status`, as in files of another library.
            Give them to add other rows than samples.
    """

    _layout: ColumnLayout | None = None
    _recording: RecordingInfo | None = None
    _event_sink: TableSink | None = None
    """The sink of the events beside the rows, once there are some."""

    def __init__(self, columns: Sequence[str] | None = None) -> None:
        if isinstance(columns, str) or (columns is not None and not columns):
            raise WatlowConfigurationError(f"columns={shown(columns)}: give a list of names")
        self._required_columns = tuple(
            columns or [name for name in REQUIRED_COLUMNS if name not in OTHER_LIBRARY_LACKS]
        )

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns of the file or table; None while they are not known."""
        return None if self._layout is None else tuple(self._layout.types)

    def write_events(self, events: Sequence[Event]) -> None:
        """Store events beside the rows, in a file or table that the first ones create."""
        if not self.is_open:
            raise self._not_open()
        if self._event_sink is None:
            sink = self._new_event_sink()
            sink.open()
            self._event_sink = sink
        self._event_sink.write_many([vars(each) for each in events])

    def _new_event_sink(self) -> TableSink:
        """Return the sink of the events, which is not open."""
        raise WatlowSinkError(f"{self} cannot store events")

    def _close_event_sink(self) -> None:
        sink, self._event_sink = self._event_sink, None
        if sink is not None:
            sink.close()

    def _restore_recording(self, info: RecordingInfo | None) -> None:
        """Store the current recording again, after the file was replaced and opened again."""
        if info is not None:
            try:
                self.write_recording(info)
            except WatlowSinkError as error:
                log.warning("%s: the metadata is not stored: %s", self, error)

    def _accept(self, names: Sequence[str], units: Iterable[object]) -> ColumnLayout:
        """Return the layout of an existing file or table.

        Args:
            names: Its columns.
            units: The units in its first rows: where temperatures are in `F` or `C`, they stay so.

        Raises:
            WatlowSinkError: A required column is missing.
        """
        missing = ", ".join(name for name in self._required_columns if name not in names)
        if missing:
            raise WatlowSinkSchemaError(
                f"{self} has another header ({','.join(names)!r}); give a new name, or, if the "
                f"rows are not samples, its column names as columns=[...] (missing: {missing})"
            )
        found = set(units)
        short = found & set(SHORT_UNITS.values()) or (
            "t_utc" in names and not found & {*SHORT_UNITS}
        )
        return ColumnLayout(
            {name: COLUMN_TYPES.get(name, ColumnType.ANY) for name in names},
            short_units="unit" in names and bool(short),
        )


class FileSink(TableSink):
    """Base class of the sinks that write the file `path`, whose folder must exist."""

    def __init__(
        self, path: str | os.PathLike[str], *, columns: Sequence[str] | None = None
    ) -> None:
        super().__init__(columns)
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown(self.path)})"

    def _check_folder(self) -> None:
        folder = self.path.absolute().parent
        if not folder.is_dir():
            raise WatlowSinkError(f"{self}: there is no folder {shown(folder)}; make it first")
