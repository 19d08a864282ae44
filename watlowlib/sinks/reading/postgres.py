"""Reads a table of a PostgreSQL server: as CSV through COPY, or through a server-side cursor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.sinks.parquet.arrow import arrow, schema_of
from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.postgres.connection import (
    Connection,
    connection_parameters,
    mask,
    masking_filter,
    secrets_of,
)
from watlowlib.sinks.postgres.recordings import stored_recordings
from watlowlib.sinks.postgres.table import Table
from watlowlib.sinks.reading.csv import typed_csv
from watlowlib.sinks.reading.query import Query
from watlowlib.sinks.reading.reader import ROWS_AT_ONCE, Recordings, Rows
from watlowlib.sinks.reading.tables import rounded
from watlowlib.sinks.rows import TEXTS, ColumnLayout, ColumnType

ARROW_TYPES = {
    **dict.fromkeys(("int8", "int4", "int2"), ColumnType.INTEGER),
    **dict.fromkeys(("float8", "float4"), ColumnType.REAL),
    "timestamptz": ColumnType.TIME,
}
"""The types of columns by the names of PostgreSQL's types."""

ROWS_OF_COPY = 100_000
"""Rows that are parsed together."""

LONGEST_WAIT_S = 600.0
"""Limit for one reply; the first one comes after the server has sorted the rows."""

KEYS = ("run_id", "seq")
"""The columns that the sink adds, which are no part of a row."""


class PatientConnection(Connection):
    """A connection that waits longer for a reply than one for writing."""

    timeout_s = LONGEST_WAIT_S


class PostgresTable:
    """A table of a `PostgresSink`, or another one with a column requested_at.

    Raises:
        WatlowConfigurationError: The URL is invalid.
    """

    def __init__(self, url: str, table: str) -> None:
        self.source = url
        self._config = PostgresConfig(dsn=url, table=table)
        self._table = Table(self._config)
        try:
            self._conninfo = make_conninfo(url, **connection_parameters(self._config))
        except psycopg.Error:  # its message would contain the password
            self._conninfo = ""
        if not self._conninfo:
            raise WatlowConfigurationError(
                "the URL is invalid; give postgresql://user@host:5432/database"
            )
        self._secrets = secrets_of(self._conninfo)
        masking_filter.add(self._secrets)

    def __str__(self) -> str:
        return self._config.target()

    def rows(self, query: Query) -> Rows:
        """Yield the rows as dicts, in the order of their times."""
        with self._connected() as connection:
            names, select = self._select(connection, query)
            texts = [name for name in names if name + TEXTS in names]
            with connection.cursor("watlowlib", row_factory=dict_row) as cursor:
                cursor.itersize = ROWS_AT_ONCE
                for row in cursor.execute(select):
                    for name in texts:
                        text = row.pop(name + TEXTS)
                        if text is not None:
                            row[name] = text if row[name] is None else int(text)
                    yield row

    def tables(self, query: Query) -> Iterator[Any]:
        """Yield the rows in tables, in the order of their times."""
        with self._connected() as connection:
            names, select = self._select(connection, query)
            types = self._arrow_types(connection, names)
            yield types.empty_table()
            command = sql.SQL("COPY ({}) TO STDOUT (FORMAT CSV)").format(select)
            with connection.cursor() as cursor, cursor.copy(command) as copy:
                # The server sends each row as a message of its own.
                while block := b"".join(islice(copy, ROWS_OF_COPY)):
                    quotes = b'"' in block
                    yield rounded(typed_csv(block, types, quotes=quotes, threads=True))

    def recordings(self) -> Recordings:
        """Return the rows of the table `recordings` that belong to this table."""
        with self._connected() as connection:
            return stored_recordings(connection, self._config)

    def _select(
        self, connection: psycopg.Connection[Any], query: Query
    ) -> tuple[list[str], sql.Composed]:
        """Return the columns to read, and the query for them.

        Raises:
            WatlowSinkError: The table, or a column for a filter, does not exist.
        """
        columns = self._table.types(connection)
        if not columns:
            raise WatlowSinkError(f"{self} does not exist; give the name of the table as table=")
        query.check(columns, self)
        names = query.arrow_columns(name for name in columns if name not in KEYS)
        order = [name for name in ("requested_at", *KEYS) if name in columns]
        ordered = sql.SQL(" ORDER BY {}").format(_listed(order)) if order else sql.SQL("")
        select = sql.SQL("SELECT {} FROM {}{}{}").format(
            _listed(names), self._table.identifier, _condition(query), ordered
        )
        return names, select

    def _arrow_types(self, connection: psycopg.Connection[Any], names: list[str]) -> Any:
        """Return the Arrow types of columns; those of unusual types are texts."""
        pa = arrow()
        found = self._table.types(connection)
        kinds = {name: ARROW_TYPES.get(found[name], ColumnType.TEXT) for name in names}
        fields = [schema_of(ColumnLayout({name: kind}))[0] for name, kind in kinds.items()]
        return pa.schema(fields)

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        """Connect, for reading only.

        Raises:
            WatlowSinkError: The server refuses, fails or does not reply; without the password.
        """
        ours: WatlowSinkError | None = None
        try:
            with PatientConnection.connect(self._conninfo, options="-c TimeZone=UTC") as connection:
                connection.read_only = True
                yield connection
        except psycopg.Error as error:
            text = " ".join(mask(str(error), self._secrets).split())
            ours = WatlowSinkError(f"{self} could not be read: {text or type(error).__name__}")
        if ours is not None:  # outside of `except`, where psycopg's error would be its context
            raise ours


class PostgresEvents(PostgresTable):
    """The table of the events, which need not exist."""

    def rows(self, query: Query) -> Rows:
        """Yield the rows as dicts."""
        with self._connected() as connection:
            exists = bool(self._table.types(connection))
        if exists:
            yield from super().rows(query)


def _listed(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _condition(query: Query) -> sql.Composed:
    """Return a WHERE clause."""
    parts: list[sql.Composable] = []
    if query.devices is not None:
        parts.append(sql.SQL("device = ANY({})").format(list(query.devices)))
    if query.parameters is not None:
        either = []
        if query.parameter_names:
            either.append(sql.SQL("parameter = ANY({})").format(list(query.parameter_names)))
        if query.parameter_ids:
            either.append(sql.SQL("parameter_id = ANY({})").format(list(query.parameter_ids)))
        parts.append(sql.SQL("({})").format(sql.SQL(" OR ").join(either)))
    if query.since is not None:
        parts.append(sql.SQL("requested_at >= {}").format(query.since))
    if query.until is not None:
        parts.append(sql.SQL("requested_at < {}").format(query.until))
    where = sql.SQL(" WHERE ") if parts else sql.SQL("")
    return sql.Composed([where, sql.SQL(" AND ").join(parts)])
