"""SQLite tables: one transaction per `write_many`; other programs can read meanwhile."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from watlowlib._internal.log import logger
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError, WatlowSinkSchemaError
from watlowlib.model import Sample
from watlowlib.model.events import EVENT_COLUMNS, EVENTS_TABLE, Event
from watlowlib.sinks.cells import TimeText
from watlowlib.sinks.database import (
    NAME,
    check_pattern,
    connect,
    quote_identifier,
    set_journal_mode,
    transaction,
)
from watlowlib.sinks.files import FileIdentity, replaced_error
from watlowlib.sinks.rotation.policy import Limits
from watlowlib.sinks.rotation.sink import RotatingSink
from watlowlib.sinks.rows import (
    LEAST_INTEGER,
    MOST_INTEGER,
    ROWS_ONE_BY_ONE,
    ColumnLayout,
    ColumnType,
    Row,
    SampleCells,
)
from watlowlib.streaming.metadata import RecordingInfo

log = logger(__name__)

_SQL_TYPES = {
    ColumnType.TEXT: " TEXT",
    ColumnType.INTEGER: " INTEGER",
    ColumnType.REAL: " REAL",
    ColumnType.TIME: " TEXT",
    # No type: SQLite then stores numbers and text as they are.
    ColumnType.ANY: "",
}

ROWS_AT_ONCE = 16
"""Rows per INSERT statement: a third faster than one row at a time."""

FIRST_ROWS = 1000
"""Rows of an existing table in which to look for units."""

VALUES_AT_ONCE = 999
"""Limit of values per statement in the oldest SQLite version that Python supports."""


RECORDINGS = "recordings"
"""The table with one row for each recording and the table that has its rows."""

CREATE_RECORDINGS = (
    f"CREATE TABLE IF NOT EXISTS {RECORDINGS} "
    "(id TEXT, table_name TEXT, started_at TEXT, info TEXT, PRIMARY KEY (id, table_name))"
)

CREATE_EVENTS = (
    f"CREATE TABLE IF NOT EXISTS {EVENTS_TABLE} "
    "(time TEXT, tick INTEGER, device TEXT, kind TEXT, text TEXT, value)"
)


def insert_recording(
    database: sqlite3.Connection, table: str, recording: Mapping[str, Any]
) -> None:
    """Insert `recording`, a `RecordingInfo` as dict, unless it is there for `table`."""
    database.execute(
        f"INSERT INTO {RECORDINGS} (id, table_name, started_at, info) "
        "SELECT :id, :table, :started_at, :info WHERE NOT EXISTS "
        f"(SELECT 1 FROM {RECORDINGS} WHERE id = :id AND table_name = :table)",
        {
            "id": recording.get("id"),
            "table": table,
            "started_at": recording.get("started_at"),
            "info": json.dumps(recording),
        },
    )


class SqliteSink(RotatingSink):
    """A table in a SQLite file; the first rows create it if it does not exist.

    A new table has an index on `device` and `requested_at`, for fast queries of one device
    and a time range. Times are ISO 8601 text in UTC, which sorts in order of time. NaN
    becomes NULL: SQLite has no NaN. What is known about each recording is in the table
    `recordings`, as JSON in its column `info`; events are in the table `events`.

    Args:
        path: The file.
        table: The table: letters, digits and underscores, not beginning with a digit.
        create_table: Whether to create the table if it does not exist.
        journal_mode: SQLite's journal mode; WAL lets others read while the sink writes.
        synchronous: With WAL, NORMAL survives a crash of the program, FULL also a power cut.
        busy_timeout_ms: Milliseconds to wait for another program that writes to the file.
        columns: Names of the columns that an existing table must have. Default: the
            columns of a Sample.
        on_replaced: What to do when another program moves, deletes or replaces the file:
            "raise" an error, or "reopen": continue in a file of the same name.
        rotate: When the file becomes a finished part with another name, and a new file is begun:
            "1 day" or "6 hours" (from midnight in UTC, or "1 day local"), "100 MB", or both as a
            tuple. `docs/rotation.md` describes this and the next options.
        keep: Which finished parts are kept: "90 days", "20 GB", or both as a tuple; None for all.
        compress: Not for this format.
        min_free: The free space, such as "1 GB", below which a warning is logged, and with
            `keep` the oldest parts are removed. Default: "500 MB".

    Raises:
        WatlowConfigurationError: An invalid table name, mode or timeout.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        table: str = "samples",
        create_table: bool = True,
        journal_mode: str = "WAL",
        synchronous: str = "NORMAL",
        busy_timeout_ms: int = 5000,
        columns: Sequence[str] | None = None,
        on_replaced: str = "raise",
        rotate: Limits = None,
        keep: Limits = None,
        compress: bool = False,
        min_free: str | None = None,
    ) -> None:
        super().__init__(path, columns, rotate, keep, compress, min_free)
        check_pattern("table", table, NAME, "letters, digits and underscores")
        check_pattern("journal_mode", journal_mode, "WAL|DELETE|TRUNCATE|PERSIST|MEMORY|OFF", None)
        check_pattern("synchronous", synchronous, "OFF|NORMAL|FULL|EXTRA", None)
        check_pattern("on_replaced", on_replaced, "raise|reopen", None)
        check_pattern("busy_timeout_ms", str(busy_timeout_ms), r"\d+", "milliseconds, 0 or more")
        if self._policy is not None and journal_mode != "WAL":
            # Another program that has the old file open would use the journal of the new one.
            raise WatlowConfigurationError(
                f"journal_mode={journal_mode!r}: with rotate, allowed is WAL; leave it out"
            )
        self._table_name = table
        self._table = quote_identifier(table)  # it may be an SQL keyword, such as order
        self._index = quote_identifier(f"{table}_device_requested_at")
        self._create_table = create_table
        self._journal_mode = journal_mode
        self._synchronous = synchronous
        self._busy_timeout_s = busy_timeout_ms / 1000
        self._database: sqlite3.Connection | None = None
        self._on_replaced = on_replaced
        self._identity: FileIdentity | None = None
        self._statements: _Statements | None = None
        self._cells = SampleCells()

    @property
    def table(self) -> str:
        """The name of the table."""
        return self._table_name

    def _open_file(self) -> None:
        """Open the file and check the columns of an existing table."""
        self._check_folder()
        try:
            database = connect(self.path, self._busy_timeout_s)
        except sqlite3.Error as error:
            raise self._failed("opened", error) from error
        try:
            set_journal_mode(database, self._journal_mode, self._busy_timeout_s)
            database.execute(f"PRAGMA synchronous={self._synchronous}")
            with transaction(database):
                # SQLite reports a read-only file only at a write.
                (version,) = database.execute("PRAGMA user_version").fetchone()
                database.execute(f"PRAGMA user_version={version}")
                self._layout = self._existing_layout(database)
        except BaseException as error:
            database.close()
            if isinstance(error, sqlite3.Error):
                raise self._failed("opened", error) from error
            raise
        self._database, self._pid = database, os.getpid()
        # Resolved now: the working directory or a link may change while the file is open.
        resolved = self.path.resolve()
        self._identity = FileIdentity(resolved) if resolved.exists() else None  # None: in memory

    def _append_rows(self, samples: Sequence[Row]) -> None:
        """Insert `samples` in one transaction."""
        assert self._database is not None
        database = self._check_in_place(self._database)
        try:
            with transaction(database):
                layout = self._layout or self._existing_layout(database)
                if layout is None:
                    layout = ColumnLayout.infer(samples)
                    self._create(database, layout)
                try:
                    self._insert(database, layout, samples)
                except OverflowError as error:
                    raise OverflowError(_beyond_64_bits(layout, samples) or error) from None
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise self._failed("written", error) from error
        self._layout = layout

    def write_recording(self, info: RecordingInfo) -> None:
        """Insert `info` into the table `recordings`, which is created with `create_table`."""
        if self._database is None:
            raise self._not_open()
        if self._table_name.lower() == RECORDINGS:
            raise WatlowSinkError(f"{self}: the table {RECORDINGS} has the rows, no metadata")
        self._recording = info
        database = self._check_in_place(self._database)
        try:
            with transaction(database):
                if self._create_table:
                    database.execute(CREATE_RECORDINGS)
                insert_recording(database, self._table_name, info.as_dict())
        except sqlite3.Error as error:
            raise WatlowSinkError(
                f"{self}: {error}; the metadata needs this table: {CREATE_RECORDINGS}"
            ) from error

    def write_events(self, events: Sequence[Event]) -> None:
        """Insert `events` into the table `events`, which is created with `create_table`."""
        if self._database is None:
            raise self._not_open()
        if self._table_name.lower() == EVENTS_TABLE:
            raise WatlowSinkError(f"{self}: the table {EVENTS_TABLE} has the rows, no events")
        database, time_text = self._check_in_place(self._database), TimeText()
        rows = [
            (time_text(each.time), each.tick, each.device, str(each.kind), each.text, each.value)
            for each in events
        ]
        names, marks = ", ".join(EVENT_COLUMNS), ", ".join("?" * len(EVENT_COLUMNS))
        try:
            with transaction(database):
                if self._create_table:
                    database.execute(CREATE_EVENTS)
                insert = f"INSERT INTO {EVENTS_TABLE} ({names}) VALUES ({marks})"
                database.executemany(insert, rows)
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise WatlowSinkError(
                f"{self}: {error}; events need this table: {CREATE_EVENTS}"
            ) from error

    def _close(self) -> None:
        database, self._database = self._database, None
        self._layout = self._recording = self._pid = None
        if database is not None:
            try:
                self._complete_moved_file(database)
                database.close()
            except sqlite3.Error as error:
                raise self._failed("closed", error) from error

    def _files(self, path: Path) -> list[Path]:
        return [path, path.with_name(path.name + "-wal")]

    def _size(self) -> int:
        if self._database is None or self._layout is None:
            return 0
        pages, page_bytes = (
            self._database.execute(f"PRAGMA {name}").fetchall()[0][0]
            for name in ("page_count", "page_size")
        )
        return int(pages * page_bytes)

    def _prepare_part(self, part: Path) -> None:
        """Move all rows from the write-ahead log into the file, and delete the log.

        Raises:
            WatlowSinkError: Another program has the file open. It would take the log of the next
                file for the one of the file that it has open.
        """
        del part
        assert self._database is not None
        try:
            set_journal_mode(self._database, "DELETE", 0.0)
        except sqlite3.OperationalError as error:
            raise WatlowSinkError(f"another program has it open ({error})") from error

    def _release(self) -> None:
        self._close()

    def _check_in_place(self, database: sqlite3.Connection) -> sqlite3.Connection:
        """Return the database, opened again if another program has replaced its file.

        SQLite itself keeps writing to a deleted file.

        Raises:
            WatlowSinkError: The file was replaced, and `on_replaced` is "raise".
        """
        if self._identity is None or self._identity.in_place():
            return database
        self._complete_moved_file(database)
        if self._on_replaced == "raise":
            raise replaced_error(self.path)
        log.warning("%s was moved by another program; it is opened again", self)
        recording = self._recording
        self._close()
        self._open_file()
        self._restore_recording(recording)
        assert self._database is not None
        return self._database

    def _complete_moved_file(self, database: sqlite3.Connection) -> None:
        """Move the rows that are still in the journal, under the old name, into the file."""
        if self._identity is not None and not self._identity.in_place():
            with suppress(sqlite3.Error):
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _existing_layout(self, database: sqlite3.Connection) -> ColumnLayout | None:
        names = [row[1] for row in database.execute(f"PRAGMA table_info({self._table})")]
        if names:
            first = f"SELECT unit FROM {self._table} LIMIT {FIRST_ROWS}"
            units = database.execute(first).fetchall() if "unit" in names else ()
            return self._accept(names, (unit for (unit,) in units))
        if not self._create_table:
            raise WatlowSinkSchemaError(
                f"{self} has no table {self._table}; create it, or give create_table=True"
            )
        return None

    def _create(self, database: sqlite3.Connection, layout: ColumnLayout) -> None:
        columns = ", ".join(quote_identifier(n) + _SQL_TYPES[t] for n, t in layout.types.items())
        database.execute(f"CREATE TABLE {self._table} ({columns})")
        if {"device", "requested_at"} <= set(layout.types):
            database.execute(
                f"CREATE INDEX IF NOT EXISTS {self._index} ON {self._table} (device, requested_at)"
            )

    def _insert(
        self, database: sqlite3.Connection, layout: ColumnLayout, rows: Sequence[Row]
    ) -> None:
        """Insert all rows, up to `ROWS_AT_ONCE` per statement; few samples one by one."""
        if self._statements is None or self._statements.layout is not layout:
            self._statements = _Statements(self._table, layout)
        statements = self._statements
        if layout.is_of_samples and len(rows) <= ROWS_ONE_BY_ONE and {*map(type, rows)} == {Sample}:
            database.executemany(statements.insert_one, map(self._cells, rows))  # type: ignore[arg-type]
            return
        columns = layout.columns(rows, TimeText().column)
        grouped = len(rows) // statements.at_once * statements.at_once
        cells = chain.from_iterable(zip(*(column[:grouped] for column in columns)))
        several = zip(*[cells] * (statements.at_once * len(columns)))
        database.executemany(statements.insert_several, several)
        database.executemany(statements.insert_one, zip(*(column[grouped:] for column in columns)))


def _beyond_64_bits(layout: ColumnLayout, rows: Sequence[Row]) -> str | None:
    """Return the message about the first integer in `rows` that SQLite cannot store."""
    from decimal import Decimal  # it has no limit of digits

    for name, column in zip(layout.types, layout.columns(rows, TimeText().column)):
        for cell in column:
            if isinstance(cell, int) and not LEAST_INTEGER <= cell <= MOST_INTEGER:
                return (
                    f"{name}={Decimal(cell):.20g}: SQLite stores integers from {LEAST_INTEGER} to "
                    f"{MOST_INTEGER}; give it as text, or use another format"
                )
    return None


class _Statements:
    """The INSERT statements for rows of one layout."""

    def __init__(self, table: str, layout: ColumnLayout) -> None:
        self.layout = layout
        names = ", ".join(map(quote_identifier, layout.types))
        row = f"({', '.join('?' * len(layout.types))})"
        self.at_once = max(1, min(ROWS_AT_ONCE, VALUES_AT_ONCE // len(layout.types)))
        self.insert_one = f"INSERT INTO {table} ({names}) VALUES {row}"
        self.insert_several = self.insert_one + f", {row}" * (self.at_once - 1)
