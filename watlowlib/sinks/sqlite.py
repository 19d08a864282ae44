"""A SQLite table: one transaction a `write_many`, readable by others while it grows."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.database import (
    NAME,
    connect,
    one_of,
    quoted,
    set_journal_mode,
    transaction,
)
from watlowlib.sinks.files import deleted
from watlowlib.sinks.rows import Column, ColumnLayout, ColumnType, Row, TimeText

_TYPES = {
    ColumnType.TEXT: " TEXT",
    ColumnType.INTEGER: " INTEGER",
    ColumnType.REAL: " REAL",
    ColumnType.TIME: " TEXT",
    # No type: a number stays the number it is, and a text parameter has a place.
    ColumnType.ANY: "",
}

ROWS_AT_ONCE = 16
"""Rows one INSERT takes: a third faster than one by one."""

VALUES_AT_ONCE = 999
"""Values one INSERT takes, in the oldest SQLite that Python can have."""


class SqliteSink(FileSink):
    """A table in a SQLite file, made with the first rows if it is not there.

    A table we make has an index on `device` and `requested_at`, which makes "this
    device, this hour" fast. Times are ISO 8601 text in UTC, which sorts as the times do.
    NaN becomes NULL: SQLite has no such number.

    Args:
        path: The file.
        table: The table: letters, digits and underscores, not beginning with a digit.
        create_table: Whether to make the table when it is not there.
        journal_mode: SQLite's journal; with WAL others can read while we write.
        synchronous: With WAL, NORMAL survives a crash of the program, FULL also a power cut.
        busy_timeout_ms: How long to wait for another program that writes to the file.
        columns: Names of the columns a table that is there must have, by default those
            of a Sample.

    Raises:
        WatlowConfigurationError: A name or mode that SQLite does not have.
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
    ) -> None:
        super().__init__(path, columns=columns)
        one_of("table", table, NAME, "letters, digits and underscores")
        one_of("journal_mode", journal_mode, "WAL|DELETE|TRUNCATE|PERSIST|MEMORY|OFF", None)
        one_of("synchronous", synchronous, "OFF|NORMAL|FULL|EXTRA", None)
        one_of("busy_timeout_ms", str(busy_timeout_ms), r"\d+", "milliseconds, 0 or more")
        self._table = quoted(table)  # it may be a word of SQL, such as order
        self._index = quoted(f"{table}_device_requested_at")
        self._create_table = create_table
        self._journal_mode = journal_mode
        self._synchronous = synchronous
        self._busy_timeout_s = busy_timeout_ms / 1000
        self._database: sqlite3.Connection | None = None
        self._place: Path | None = None

    def open(self) -> None:
        """Open the file, and look at the table if there is one.

        Raises:
            WatlowSinkError: No such folder, no permission, not a SQLite file, or a table
                with other columns.
        """
        if self._database is not None:
            return
        self._check_folder()
        try:
            database = connect(self.path, self._busy_timeout_s)
        except sqlite3.Error as error:
            raise self._failed("opened", error) from error
        try:
            set_journal_mode(database, self._journal_mode, self._busy_timeout_s)
            database.execute(f"PRAGMA synchronous={self._synchronous}")
            with transaction(database):
                # SQLite says only at a write that a file cannot be written to.
                (version,) = database.execute("PRAGMA user_version").fetchone()
                database.execute(f"PRAGMA user_version={version}")
                self._layout = self._look(database)
        except BaseException as error:
            database.close()
            if isinstance(error, sqlite3.Error):
                raise self._failed("opened", error) from error
            raise
        self._database = database
        place = self.path.resolve()  # wherever the program, or a link to it, goes meanwhile
        self._place = place if place.exists() else None  # it may be in memory

    def write_many(self, samples: Sequence[Row]) -> None:
        """Insert `samples` in one transaction."""
        if self._database is None:
            raise self._not_open()
        if not samples:
            return
        with suppress(PermissionError):  # who may not look may have been let in before
            # SQLite goes on with what nobody can read.
            if self._place is not None and not self._place.exists():
                raise deleted(self.path)
        try:
            with transaction(self._database):
                layout = self._layout or self._look(self._database)
                if layout is None:
                    layout = ColumnLayout.of(samples)
                    self._create(self._database, layout)
                self._insert(self._database, layout, layout.columns(samples, TimeText()))
        except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
            raise self._failed("written", error) from error
        self._layout = layout

    def close(self) -> None:
        """Close the file."""
        database, self._database = self._database, None
        self._layout = None
        if database is not None:
            try:
                database.close()
            except sqlite3.Error as error:
                raise self._failed("closed", error) from error

    def _look(self, database: sqlite3.Connection) -> ColumnLayout | None:
        names = [row[1] for row in database.execute(f"PRAGMA table_info({self._table})")]
        if names:
            return self._accept(names)
        if not self._create_table:
            raise WatlowSinkError(
                f"{self} has no table {self._table}; make it, or give create_table=True"
            )
        return None

    def _create(self, database: sqlite3.Connection, layout: ColumnLayout) -> None:
        columns = ", ".join(f"{quoted(name)}{_TYPES[kind]}" for name, kind in layout.types.items())
        database.execute(f"CREATE TABLE {self._table} ({columns})")
        if {"device", "requested_at"} <= set(layout.types):
            database.execute(
                f"CREATE INDEX IF NOT EXISTS {self._index} ON {self._table} (device, requested_at)"
            )

    def _insert(
        self, database: sqlite3.Connection, layout: ColumnLayout, columns: list[Column]
    ) -> None:
        """Insert all rows, most of them `ROWS_AT_ONCE`."""
        names = ", ".join(map(quoted, layout.types))
        row = f"({', '.join('?' * len(columns))})"
        at_once = max(1, min(ROWS_AT_ONCE, VALUES_AT_ONCE // len(columns)))
        whole = len(columns[0]) // at_once * at_once
        cells = chain.from_iterable(zip(*(column[:whole] for column in columns)))
        several = ", ".join([row] * at_once)
        insert = f"INSERT INTO {self._table} ({names}) VALUES "
        database.executemany(insert + several, zip(*[cells] * (at_once * len(columns))))
        database.executemany(insert + row, zip(*(column[whole:] for column in columns)))
