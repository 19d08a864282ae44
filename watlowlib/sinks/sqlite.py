"""A SQLite table: one transaction a `write_many`, readable by others while it grows."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Sequence

from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import Sample
from watlowlib.sinks.base import COLUMNS, FileSink, samples_to_values

_TYPES = {
    "address": " INTEGER",
    "parameter_id": " INTEGER",
    "instance": " INTEGER",
    "latency_s": " REAL",
    # No type: a number stays the number it is, and a text parameter has a place.
    "value": "",
}


class SqliteSink(FileSink):
    """A table in a SQLite file, made if it is not there.

    Args:
        path: The file.
        table: The table: letters, digits and underscores, not beginning with a digit.
        create_table: Whether to make the table when it is not there.
        journal_mode: SQLite's journal; with WAL others can read while we write.
        synchronous: With WAL, NORMAL survives a crash of the program, FULL also a power cut.
        busy_timeout_ms: How long to wait for another program that writes to the file.

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
    ) -> None:
        super().__init__(path)
        _one_of("table", table, r"[A-Za-z_][A-Za-z0-9_]*", "letters, digits and underscores")
        _one_of("journal_mode", journal_mode, "WAL|DELETE|TRUNCATE|PERSIST|MEMORY|OFF", None)
        _one_of("synchronous", synchronous, "OFF|NORMAL|FULL|EXTRA", None)
        _one_of("busy_timeout_ms", str(busy_timeout_ms), r"\d+", "milliseconds, 0 or more")
        self._table = table
        self._create_table = create_table
        self._pragmas = (f"journal_mode={journal_mode}", f"synchronous={synchronous}")
        self._busy_timeout_s = busy_timeout_ms / 1000
        self._database: sqlite3.Connection | None = None
        self._insert = (
            f"INSERT INTO {table} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"
        )

    def open(self) -> None:
        """Open the file and the table.

        Raises:
            WatlowSinkError: No such folder, no permission, not a SQLite file, or a table
                with other columns.
        """
        if self._database is not None:
            return
        self._check_folder()
        try:
            database = sqlite3.connect(
                self.path,
                timeout=self._busy_timeout_s,
                isolation_level=None,
                # Opened by the caller, written by the sink's writer thread: never both at once.
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise self._failed("opened", error) from error
        try:
            self._prepare(database)
        except sqlite3.Error as error:
            database.close()
            raise self._failed("opened", error) from error
        self._database = database

    def _prepare(self, database: sqlite3.Connection) -> None:
        for pragma in self._pragmas:
            database.execute(f"PRAGMA {pragma}")
        if self._create_table:
            columns = ", ".join(f"{name}{_TYPES.get(name, ' TEXT')}" for name in COLUMNS)
            database.execute(f"CREATE TABLE IF NOT EXISTS {self._table} ({columns})")
        database.execute(f"SELECT {', '.join(COLUMNS)} FROM {self._table} LIMIT 0")

    def write_many(self, samples: Sequence[Sample]) -> None:
        """Insert `samples` in one transaction."""
        if self._database is None:
            raise self._not_open()
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._database.executemany(self._insert, samples_to_values(samples))
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self._failed("written", error) from error

    def close(self) -> None:
        """Close the file."""
        database, self._database = self._database, None
        if database is not None:
            try:
                database.close()
            except sqlite3.Error as error:
                raise self._failed("closed", error) from error


def _one_of(name: str, given: object, pattern: str, what: str | None) -> None:
    if not isinstance(given, str) or not re.fullmatch(pattern, given, re.ASCII):
        allowed = what or pattern.replace("|", ", ")
        raise WatlowConfigurationError(f"{name}={given!r}: allowed are {allowed}")
