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
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
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
)
from watlowlib.sinks.postgres.early import EarlyBatch, NotSentError
from watlowlib.sinks.postgres.partitions import Partitions
from watlowlib.sinks.postgres.plan import InsertPlan, LayoutKey, column_list, key_of, make_plan
from watlowlib.sinks.postgres.recordings import add_recording
from watlowlib.sinks.postgres.spool import (
    RowsRefusedError,
    ServerUnavailableError,
    SpooledRecording,
    SpooledRows,
)
from watlowlib.sinks.postgres.table import Table
from watlowlib.sinks.rows import COLUMN_TYPES, LATER_COLUMNS, ColumnLayout, ColumnType, columns_of

log = logger(__name__)

EXIT_S = 1.0
"""How long each thread of a pool may take to end when the interpreter ends."""

Columns: TypeAlias = "dict[str, ColumnType]"

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
        self._plans: dict[LayoutKey, InsertPlan] = {}
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
        self._sending(lambda: self._send(spooled))

    def send_early(self, batch: EarlyBatch) -> None:
        """Insert the rows of `batch` while they are packed; commit when it is in the spool.

        Raises:
            NotSentError: No row is inserted: the batch is not in the spool, or the table does not
                allow it.
            ServerUnavailableError: As `send`.
            RowsRefusedError: As `send`, or a part of the table is missing, which `send` creates.
            WatlowSinkError: As `send`.
        """
        self._sending(lambda: self._send_early(batch))

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
                keys = self._table.check(connection, types, columns)
                self._plan_samples(types, keys)
            else:
                self._table.check_creatable(connection)

    def _plan_samples(self, types: dict[str, str], keys: list[str]) -> None:
        """Make the plan for samples now; otherwise the first rows would wait for it."""
        layout = ColumnLayout(COLUMN_TYPES)
        columns = columns_of(layout)
        if columns.keys() <= types.keys():
            plan = make_plan(columns, types, keys, use_copy=self._config.use_copy)
            self._plans[key_of(layout)] = plan

    def _insert_nothing(self, layout: ColumnLayout) -> None:
        plan = self._plan(layout)
        no_rows = plan.fitted(SpooledRows(layout, b"", 0, 0, 0))
        names = column_list(no_rows.layout)
        nulls = sql.SQL(", ").join([sql.NULL] * (len(columns_of(no_rows.layout)) + 2))
        with self._pool.connection() as connection:
            if plan.binary:
                self._copy(connection, self._table.identifier, no_rows.layout, ())
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

    def _send_early(self, batch: EarlyBatch) -> None:
        plan = self._plan(batch.layout)
        if not plan.binary or plan.left_out:
            raise NotSentError
        if self._partitions is not None:
            self._partitions.maintain()
        with self._pool.connection() as connection:
            self._copy(connection, self._table.identifier, batch.layout, batch.parts())

    def _store(self, spooled: SpooledRows, plan: InsertPlan) -> None:
        if not plan.binary:
            with self._pool.connection() as connection:
                self._insert(connection, spooled, plan.keys)
            return
        try:
            with self._pool.connection() as connection:
                self._copy(connection, self._table.identifier, spooled.layout, [spooled.data])
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

    def _plan(self, layout: ColumnLayout) -> InsertPlan:
        """Return the plan for rows of `layout`; the first time, check or create the table."""
        key = key_of(layout)
        if key not in self._plans:
            with self._pool.connection() as connection:
                plan = self._prepare(connection, columns_of(layout))
            self._plans[key] = plan  # after the commit, which may fail
        return self._plans[key]

    def _prepare(self, connection: psycopg.Connection[Any], columns: Columns) -> InsertPlan:
        types = self._table.types(connection)
        if not types and self._config.create_table:
            self._table.create(connection, columns)
            types = self._table.types(connection)
        left_out = frozenset(LATER_COLUMNS) & columns.keys() - types.keys()
        self._warn_left_out(left_out)
        columns = {name: type_ for name, type_ in columns.items() if name not in left_out}
        keys = self._table.check(connection, types, tuple(columns))
        plan = make_plan(columns, types, keys, use_copy=self._config.use_copy)
        return replace(plan, left_out=left_out)

    def _warn_left_out(self, names: Collection[str]) -> None:
        if names and not self._warned:
            self._warned = True
            log.warning(
                "%s has no column %s, which is left out of the rows; to store it, add the column "
                "(tick bigint, scheduled_at timestamptz) and open the sink again",
                self._config.target(),
                " and no column ".join(sorted(names, reverse=True)),
            )

    def _copy(
        self,
        connection: psycopg.Connection[Any],
        table: sql.Identifier,
        layout: ColumnLayout,
        data: Iterable[bytes],
    ) -> None:
        command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")
        with (
            connection.cursor() as cursor,
            cursor.copy(command.format(table, column_list(layout))) as copy,
        ):
            copy.write(HEADER)
            for part in data:
                copy.write(part)
            copy.write(TRAILER)

    def _insert_missing(
        self, connection: psycopg.Connection[Any], spooled: SpooledRows, keys: sql.Composable
    ) -> None:
        names = column_list(spooled.layout)
        self._table.run(
            connection,
            "CREATE TEMP TABLE {2} ON COMMIT DROP AS SELECT {1} FROM {0} WITH NO DATA",
            names,
            TEMP_TABLE,
        )
        self._copy(connection, TEMP_TABLE, spooled.layout, [spooled.data])
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
        names = column_list(spooled.layout)
        values = sql.SQL(", ").join([sql.Placeholder()] * (len(columns_of(spooled.layout)) + 2))
        command = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO NOTHING")
        with connection.cursor() as cursor:
            cursor.executemany(
                command.format(self._table.identifier, names, values, keys),
                unpack(spooled.layout, spooled.data),
            )

    def _sending(self, call: Callable[[], None]) -> None:
        try:
            self._translating(call)
        except ServerUnavailableError:
            self._plans.clear()  # a restarted server may lack what was not yet on its disk
            raise

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
