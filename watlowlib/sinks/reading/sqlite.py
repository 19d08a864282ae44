"""Reads a table of a SQLite file, also while a sink is writing to it."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from watlowlib.errors import WatlowSinkError
from watlowlib.model.events import EVENTS_TABLE
from watlowlib.sinks.csv import csv_row
from watlowlib.sinks.database import quote_identifier
from watlowlib.sinks.parquet.arrow import arrow, schema_of
from watlowlib.sinks.reading.query import Query
from watlowlib.sinks.reading.reader import ROWS_AT_ONCE, Recordings, Rows
from watlowlib.sinks.reading.tables import rounded, table_of
from watlowlib.sinks.rows import COLUMN_TYPES, TEXTS, ColumnLayout, ColumnType, split_numbers
from watlowlib.sinks.sqlite import RECORDINGS

SECOND = timedelta(seconds=1)
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-][0-9]+)?")
"""A number as SQLite writes it into a column of texts."""


class SqliteTable:
    """A table of a SQLite file."""

    def __init__(self, path: Path, table: str) -> None:
        self.source = str(path)
        self._path = path
        self._table = table

    def __str__(self) -> str:
        return self.source

    def rows(self, query: Query) -> Rows:
        """Yield the rows as dicts."""
        for names, cells in self._fetched(query):
            for row in cells:
                yield dict(zip(names, row))

    def tables(self, query: Query) -> Iterator[Any]:
        """Yield the rows in tables of `ROWS_AT_ONCE` rows."""
        for names, cells in self._fetched(query):
            yield _table(names, cells) if cells else arrow().table({name: [] for name in names})

    def recordings(self) -> Recordings:
        """Return the rows of the table `recordings` that belong to this table."""
        with self._opened() as database:
            info = database.execute(f"PRAGMA table_info({RECORDINGS})")
            if not {"table_name", "info"} <= {name for _, name, *_ in info}:
                return []  # there is no such table, or it is another program's
            query = f"SELECT info FROM {RECORDINGS} WHERE table_name = ? ORDER BY rowid"
            return [json.loads(info) for (info,) in database.execute(query, (self._table,))]

    def _fetched(self, query: Query) -> Iterator[tuple[list[str], list[Any]]]:
        """Yield the names of the columns and the cells of some rows; at first of none."""
        with self._opened() as database:
            types = self._columns(database)
            if not types:
                return
            names = list(types)
            query.check(names, self)
            names = [name for name in names if query.reads(name)] or names[:1]  # not none: SQL
            yield names, []
            # Another library declares `value` so if its first rows have a text: SQLite then
            # stores the numbers as texts.
            at = names.index("value") if types.get("value") == "TEXT" and "value" in names else None
            where, values = _condition(query)
            columns = ", ".join(map(quote_identifier, names))
            table = quote_identifier(self._table)
            cursor = database.execute(
                f"SELECT {columns} FROM {table}{where} ORDER BY rowid", values
            )
            while cells := cursor.fetchmany(ROWS_AT_ONCE):
                if at is not None:
                    cells = [(*row[:at], _number_or_text(row[at]), *row[at + 1 :]) for row in cells]
                yield names, cells

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Open the file for reading, and leave no files beside it that were not there.

        A connection that may write removes the files `-wal` and `-shm` when it is the last to
        close; one with mode=ro leaves them. After a crash, mode=ro leaves the file as it is. (With
        immutable=1, rows would be wrong if a sink began to write meanwhile.)
        """
        wal = self._path.with_name(self._path.name + "-wal")
        mode = "ro" if wal.exists() and wal.stat().st_size else "rw"
        uri = f"{self._path.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            database.execute("PRAGMA query_only = ON")
            yield database

    def _columns(self, database: sqlite3.Connection) -> dict[str, str]:
        """Return the declared types of the columns by their names."""
        tables = [
            name
            for (name,) in database.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
            )
        ]
        if self._table in tables:
            table = quote_identifier(self._table)
            info = database.execute(f"PRAGMA table_info({table})")
            return {name: type_ for _, name, type_, *_ in info}
        others = [
            name for name in tables if name not in (RECORDINGS, EVENTS_TABLE)
        ]  # before the rows
        if others:
            raise WatlowSinkError(
                f"{self._path} has no table {self._table!r}; there is {others[0]!r}"
            )
        return {}


class SqliteEvents(SqliteTable):
    """The events in a SQLite file, which may have none."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, EVENTS_TABLE)

    def _columns(self, database: sqlite3.Connection) -> dict[str, str]:
        info = database.execute(f"PRAGMA table_info({EVENTS_TABLE})")
        return {name: type_ for _, name, type_, *_ in info}


def _number_or_text(cell: Any) -> Any:
    return csv_row(cell)[0] if isinstance(cell, str) and NUMBER.fullmatch(cell) else cell


def _condition(query: Query) -> tuple[str, list[Any]]:
    """Return a WHERE clause and its values.

    Times are compared by whole seconds, as texts: with microseconds, a text without a fraction
    would be in the wrong place.
    """
    parts: list[str] = []
    values: list[Any] = []
    if query.devices is not None:
        parts.append(f"device IN ({_marks(query.devices)})")
        values += query.devices
    if query.parameters is not None:
        names, numbers = query.parameter_names, query.parameter_ids
        either = [f"parameter IN ({_marks(names)})"] if names else []
        either += [f"parameter_id IN ({_marks(numbers)})"] if numbers else []
        parts.append(f"({' OR '.join(either)})")
        values += [*names, *numbers]
    if query.since is not None:
        parts.append("requested_at >= ?")
        values.append(query.since.isoformat()[:19])
    if query.until is not None:
        parts.append("requested_at < ?")
        values.append((query.until + SECOND).isoformat()[:19])
    return " WHERE " + " AND ".join(parts) if parts else "", values


def _marks(values: tuple[Any, ...]) -> str:
    return ", ".join("?" * len(values))


def _table(names: list[str], cells: list[Any]) -> Any:
    """Return rows as a table."""
    pa = arrow()
    columns = dict(zip(names, zip(*cells)))
    if not COLUMN_TYPES.keys() >= columns.keys():
        return table_of([dict(zip(names, row)) for row in cells])
    arrays: dict[str, Any] = {}
    try:
        for name, column in columns.items():
            type_ = COLUMN_TYPES[name]
            if type_ is ColumnType.ANY:
                numbers, texts = split_numbers(column)
                arrays[name] = pa.array(numbers, pa.float64())
                arrays[name + TEXTS] = pa.array(texts, pa.string())
            elif type_ is ColumnType.TIME:
                arrays[name] = pa.array(column, pa.string()).cast(pa.timestamp("us", "UTC"))
            else:
                arrays[name] = pa.array(column, schema_of(ColumnLayout({name: type_}))[0].type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return table_of([dict(zip(names, row)) for row in cells])
    return rounded(pa.table(arrays))
