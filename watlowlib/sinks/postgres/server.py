"""Sends rows to a PostgreSQL server through psycopg, and translates its errors.

COPY writes rows directly into the table. COPY fails as a whole if the table already has one
of the rows, because an earlier commit succeeded but its reply was lost. Then the rows go into
a temporary table, and the missing ones are inserted from there.

Our errors have the text of psycopg's errors with the password masked, but not the errors
themselves as a cause or context, because these have the password.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from watlowlib._internal.log import logger
from watlowlib._internal.process import NotCopied, abandon_in_child
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.postgres.connection import (
    Connection,
    connection_parameters,
    mask,
    masking_filter,
    secrets_of,
    without_password,
)
from watlowlib.sinks.postgres.copy_format import (
    HEADER,
    TRAILER,
    times_of,
    unpack,
    without_columns,
)
from watlowlib.sinks.postgres.partitions import Partitions
from watlowlib.sinks.postgres.recordings import add_recording
from watlowlib.sinks.postgres.spool import (
    RowsRefusedError,
    ServerUnavailableError,
    SpooledRecording,
    SpooledRows,
)
from watlowlib.sinks.postgres.table import Table
from watlowlib.sinks.rows import LATER_COLUMNS, ColumnLayout, ColumnType, columns_of

log = logger(__name__)

EXIT_S = 1.0
"""How long each thread of a pool may take to end when the interpreter ends."""

Columns: TypeAlias = "dict[str, ColumnType]"

BINARY_TYPES = {
    ColumnType.TEXT: {"text", "varchar"},
    ColumnType.INTEGER: {"int8"},
    ColumnType.REAL: {"float8"},
    ColumnType.TIME: {"timestamptz"},
}
"""SQL types that accept a column's binary form; the server converts to others on INSERT."""

BINARY_KEY_TYPES = {"run_id": "uuid", "seq": "int8"}
"""The same for the columns that identify a row."""

PERMANENT_REASONS = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
)
"""Texts in a refusal to connect that a retry cannot change: a setting is wrong."""

RETRIED = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
"""Errors of a server that is down, busy, full, starting, stopping or read-only."""

TEMP_TABLE = sql.Identifier("watlowlib_spooled")


@dataclass(frozen=True)
class _InsertPlan:
    """How to insert rows of one layout.

    Attributes:
        binary: Whether by binary COPY.
        keys: The columns of the unique index.
        left_out: Columns of the layout that the table lacks.
    """

    binary: bool
    keys: sql.Composable
    left_out: frozenset[str] = frozenset()

    def fitted(self, spooled: SpooledRows) -> SpooledRows:
        """Return `spooled` without the columns that the table lacks."""
        if not self.left_out:
            return spooled
        types = spooled.layout.types
        layout = ColumnLayout({n: t for n, t in types.items() if n not in self.left_out})
        data = without_columns(spooled.layout, spooled.data, self.left_out)
        return replace(spooled, layout=layout, data=data)


def _close_pool(pool: ConnectionPool, process: int) -> None:
    if os.getpid() == process:
        pool.close(timeout=EXIT_S)


class Server(NotCopied):
    """A PostgreSQL server with one table, through a connection pool.

    Raises:
        WatlowConfigurationError: The connection string is invalid.
    """

    def __init__(self, config: PostgresConfig) -> None:
        self._config = config
        self._table = Table(config)
        self._plans: dict[tuple[tuple[str, ColumnType], ...], _InsertPlan] = {}
        self._warned = False
        self._conninfo = ""
        with suppress(psycopg.Error):  # its message would contain the password
            self._conninfo = make_conninfo(config.dsn or "", **connection_parameters(config))
        if not self._conninfo:
            raise WatlowConfigurationError(
                "dsn is not a valid connection string; give postgresql://user@host:5432/database "
                "or host=... user=... dbname=..."
            )
        self._secrets = secrets_of(self._conninfo)
        masking_filter.add(self._secrets)
        with_timeout = type("Connection", (Connection,), {"timeout_s": config.command_timeout_s})
        self._connection_class: type[Connection] = with_timeout
        self._pool = ConnectionPool(
            self._conninfo,
            connection_class=with_timeout,
            min_size=config.pool_min_size,
            # Rows are sent one after the other. After an outage a larger pool grows, and the pools
            # of many recorders then take all connections of the server.
            max_size=max(1, config.pool_min_size),
            configure=self._configure,
            timeout=config.command_timeout_s,
            reconnect_timeout=config.command_timeout_s,
            open=False,
            name=config.target(),
        )
        abandon_in_child(self._pool)
        self._partitions: Partitions | None = None
        if config.partition is not None:
            self._partitions = Partitions(config, self._table, self._pool.connection)
        # Without `close`, the pool would wait for its threads while the interpreter ends, when they
        # no longer run.
        weakref.finalize(self, _close_pool, self._pool, os.getpid())

    def open(self, columns: tuple[str, ...]) -> None:
        """Check that the server responds and has the table, and open the connection pool.

        Raises:
            ServerUnavailableError: A later attempt may succeed.
            WatlowSinkError: A later attempt would fail as well.
        """
        try:
            self._translating(lambda: self._open(columns))
        except RowsRefusedError as error:
            raise WatlowSinkError(str(error)) from None
        finally:
            self._pool.open()

    def start(self) -> None:
        """Open the connection pool without waiting for the server; `send` reports a refusal."""
        self._pool.open()

    def send(self, spooled: SpooledRows) -> None:
        """Insert the rows into the table, except those that it already has.

        Raises:
            ServerUnavailableError: The rows may not be in the table: send them again.
            RowsRefusedError: The server refuses the rows, or all rows: see `check`.
            WatlowSinkError: The server refuses the login or the table.
        """
        try:
            self._translating(lambda: self._send(spooled))
        except ServerUnavailableError:
            self._plans.clear()  # a restarted server may lack what was not yet on its disk
            raise

    def send_recording(self, recording: SpooledRecording) -> None:
        """Store what is known about a recording, unless the server has it.

        Raises:
            ServerUnavailableError: Send it again.
            RowsRefusedError: The server refuses it, or has no table for it.
            WatlowSinkError: The server refuses the login.
        """

        def send() -> None:
            with self._pool.connection() as connection:
                add_recording(connection, self._config, recording)

        self._translating(send)

    def check(self, layout: ColumnLayout) -> None:
        """Check the table again, and that it accepts rows of `layout`, by inserting none.

        Raises:
            ServerUnavailableError: A later attempt may succeed.
            WatlowSinkError: The server refuses the table as a whole, not only certain rows.
        """
        self._plans.clear()
        try:
            self._translating(lambda: self._insert_nothing(layout))
        except RowsRefusedError as error:
            raise WatlowSinkError(str(error)) from None

    def close(self) -> None:
        """Close all connections."""
        self._pool.close(timeout=5.0)

    def address(self) -> str:
        """Return the connection string without the password."""
        return without_password(self._conninfo)

    def _open(self, columns: tuple[str, ...]) -> None:
        with self._connection_class.connect(self._conninfo) as connection:
            self._configure(connection)
            types = self._table.types(connection)
            if types or not self._config.create_table:
                self._table.check(connection, types, columns)
            else:
                self._table.check_creatable(connection)

    def _insert_nothing(self, layout: ColumnLayout) -> None:
        plan = self._plan(layout)
        no_rows = plan.fitted(SpooledRows(layout, b"", 0, 0, 0))
        names = self._column_list(no_rows)
        nulls = sql.SQL(", ").join([sql.NULL] * (len(columns_of(no_rows.layout)) + 2))
        with self._pool.connection() as connection:
            if plan.binary:
                self._copy(connection, self._table.identifier, no_rows)
            else:  # executemany() without rows sends nothing
                command = "INSERT INTO {0} ({1}) SELECT {2} WHERE false"
                self._table.run(connection, command, names, nulls)

    def _send(self, spooled: SpooledRows) -> None:
        plan = self._plan(spooled.layout)
        spooled = plan.fitted(spooled)
        if self._partitions is None:
            self._store(spooled, plan)
            return
        self._partitions.maintain()
        try:
            self._store(spooled, plan)
        except errors.CheckViolation as error:
            if error.diag.constraint_name is not None:
                raise  # a constraint of the table; a missing part has no name
            self._partitions.create_for(times_of(spooled.layout, spooled.data))
            self._store(spooled, plan)

    def _store(self, spooled: SpooledRows, plan: _InsertPlan) -> None:
        if not plan.binary:
            with self._pool.connection() as connection:
                self._insert(connection, spooled, plan.keys)
            return
        try:
            with self._pool.connection() as connection:
                self._copy(connection, self._table.identifier, spooled)
        except errors.UniqueViolation:
            with self._pool.connection() as connection:
                self._insert_missing(connection, spooled, plan.keys)

    def _configure(self, connection: psycopg.Connection[Any]) -> None:
        # REPEATABLE READ would hide a table that another recorder has just created.
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        command = sql.SQL("SET statement_timeout = {}").format(self._config.statement_timeout_ms)
        try:
            connection.execute(command)
            connection.commit()
        except psycopg.Error as error:
            self._connection_class.connect_error = str(error)
            raise

    def _plan(self, layout: ColumnLayout) -> _InsertPlan:
        """Return the plan for rows of `layout`; the first time, check or create the table."""
        key = tuple(layout.types.items())
        if key not in self._plans:
            with self._pool.connection() as connection:
                plan = self._prepare(connection, columns_of(layout))
            self._plans[key] = plan  # after the commit, which may fail
        return self._plans[key]

    def _prepare(self, connection: psycopg.Connection[Any], columns: Columns) -> _InsertPlan:
        types = self._table.types(connection)
        if not types and self._config.create_table:
            self._table.create(connection, columns)
            types = self._table.types(connection)
        left_out = frozenset(LATER_COLUMNS) & columns.keys() - types.keys()
        self._warn_left_out(left_out)
        columns = {name: type_ for name, type_ in columns.items() if name not in left_out}
        keys = self._table.check(connection, types, tuple(columns))
        binary = (
            self._config.use_copy
            and all(types[name] in BINARY_TYPES[type_] for name, type_ in columns.items())
            and all(types[name] == type_ for name, type_ in BINARY_KEY_TYPES.items())
        )
        return _InsertPlan(binary, sql.SQL(", ").join(map(sql.Identifier, keys)), left_out)

    def _warn_left_out(self, names: Collection[str]) -> None:
        if names and not self._warned:
            self._warned = True
            log.warning(
                "%s has no column %s, which is left out of the rows; to store it, add the column "
                "(tick bigint, scheduled_at timestamptz) and open the sink again",
                self._config.target(),
                " and no column ".join(sorted(names, reverse=True)),
            )

    def _column_list(self, spooled: SpooledRows) -> sql.Composed:
        names = (*columns_of(spooled.layout), "run_id", "seq")
        return sql.SQL(", ").join(map(sql.Identifier, names))

    def _copy(
        self, connection: psycopg.Connection[Any], table: sql.Identifier, spooled: SpooledRows
    ) -> None:
        command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")
        with (
            connection.cursor() as cursor,
            cursor.copy(command.format(table, self._column_list(spooled))) as copy,
        ):
            copy.write(HEADER)
            copy.write(spooled.data)
            copy.write(TRAILER)

    def _insert_missing(
        self, connection: psycopg.Connection[Any], spooled: SpooledRows, keys: sql.Composable
    ) -> None:
        names = self._column_list(spooled)
        self._table.run(
            connection,
            "CREATE TEMP TABLE {2} ON COMMIT DROP AS SELECT {1} FROM {0} WITH NO DATA",
            names,
            TEMP_TABLE,
        )
        self._copy(connection, TEMP_TABLE, spooled)
        self._table.run(
            connection,
            "INSERT INTO {0} ({1}) SELECT {1} FROM {2} ON CONFLICT ({3}) DO NOTHING",
            names,
            TEMP_TABLE,
            keys,
        )

    def _insert(
        self, connection: psycopg.Connection[Any], spooled: SpooledRows, keys: sql.Composable
    ) -> None:
        names = self._column_list(spooled)
        values = sql.SQL(", ").join([sql.Placeholder()] * (len(columns_of(spooled.layout)) + 2))
        command = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO NOTHING")
        with connection.cursor() as cursor:
            cursor.executemany(
                command.format(self._table.identifier, names, values, keys),
                unpack(spooled.layout, spooled.data),
            )

    def _translating(self, call: Callable[[], None]) -> None:
        """Call `call`; replace psycopg's error by our own.

        Raises:
            ServerUnavailableError: A later attempt may succeed.
            RowsRefusedError: The server refuses what was sent.
            WatlowSinkError: The server refuses the login, or the table is not suitable.
        """
        try:
            call()
            return
        except psycopg.Error as error:
            ours = self._translated(error)
        # Outside of the `except` block, where psycopg's error would become its context.
        raise ours

    def _translated(self, error: psycopg.Error) -> Exception:
        text = self._describe(error)
        # Only a failure to connect, which has no SQLSTATE, refuses the login.
        if error.sqlstate is None and any(reason in text for reason in PERMANENT_REASONS):
            return WatlowSinkError(f"the server refuses: {text}")
        if isinstance(error, RETRIED) and not isinstance(error, errors.ProgramLimitExceeded):
            return ServerUnavailableError(text)
        summary = f"{error.sqlstate} {error.diag.message_primary}"
        return RowsRefusedError(f"the server refuses: {text}", summary)

    def _describe(self, error: BaseException) -> str:
        """Return the message of `error` on one line, with the password masked."""
        reason = self._connection_class.connect_error if isinstance(error, PoolTimeout) else ""
        text = mask(reason or str(error), self._secrets)
        return " ".join(text.split()) or type(error).__name__
