"""Sends rows to a PostgreSQL server through psycopg, and translates its errors.

COPY writes rows directly into the table. COPY fails as a whole if the table already has one
of the rows, because an earlier commit succeeded but its reply was lost. Then the rows go into
a temporary table, and the missing ones are inserted from there.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.postgres.copy_format import HEADER, TRAILER, unpack
from watlowlib.sinks.postgres.spool import ServerUnavailableError, SpooledRows
from watlowlib.sinks.postgres.table import Table
from watlowlib.sinks.rows import ColumnLayout, ColumnType, columns_of

RV = TypeVar("RV")
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
"""Texts in a refusal to connect that mean that a retry is useless."""

RETRIED = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
"""Errors of a server that is down, busy, full, starting, stopping or read-only."""

TEMP_TABLE = sql.Identifier("watlowlib_spooled")


class _Connection(psycopg.Connection[Any]):
    """A connection on which no operation takes longer than `timeout_s`."""

    timeout_s = 10.0
    connect_error = ""
    """Why the last attempt to connect failed; the pool itself only reports a timeout."""

    @classmethod
    def connect(cls, *args: Any, **options: Any) -> _Connection:
        """Connect; keep the reason of a failure in `connect_error`."""
        try:
            connection = super().connect(*args, **options)
        except psycopg.Error as error:
            cls.connect_error = str(error)
            raise
        cls.connect_error = ""
        return connection

    def wait(
        self, gen: Generator[Any, Any, RV], interval: float = 0.1, timeout: float | None = None
    ) -> RV:
        """Run `gen` to its end, at most for `timeout_s`."""
        del timeout  # not in every psycopg version, and not the limit of a whole command
        return super().wait(self._with_time_limit(gen), interval)

    def _with_time_limit(self, gen: Generator[Any, Any, RV]) -> Generator[Any, Any, RV]:
        deadline_s = time.monotonic() + self.timeout_s
        try:
            state = next(gen)
            while True:
                ready = yield state
                if time.monotonic() > deadline_s:
                    raise psycopg.OperationalError(f"no reply for {self.timeout_s:g} s")
                state = gen.send(ready)
        except StopIteration as end:
            result: RV = end.value
            return result


@dataclass(frozen=True)
class _InsertPlan:
    """How to insert rows of one layout: by binary COPY or not, and the unique index's columns."""

    binary: bool
    keys: sql.Composable


class Server:
    """A PostgreSQL server with one table, through a connection pool.

    Raises:
        WatlowConfigurationError: The connection string is invalid.
    """

    def __init__(self, config: PostgresConfig) -> None:
        self._config = config
        self._table = Table(config)
        self._plans: dict[tuple[tuple[str, ColumnType], ...], _InsertPlan] = {}
        self._conninfo = ""
        with suppress(psycopg.Error):  # its message would contain the password
            self._conninfo = make_conninfo(config.dsn or "", **_connection_parameters(config))
        if not self._conninfo:
            raise WatlowConfigurationError(
                "dsn is not a valid connection string; give postgresql://user@host:5432/database "
                "or host=... user=... dbname=..."
            )
        self._password = conninfo_to_dict(self._conninfo).get("password")
        with_timeout = type("Connection", (_Connection,), {"timeout_s": config.command_timeout_s})
        self._connection_class: type[_Connection] = with_timeout
        self._pool = ConnectionPool(
            self._conninfo,
            connection_class=with_timeout,
            min_size=config.pool_min_size,
            max_size=config.pool_max_size,
            configure=self._configure,
            timeout=config.command_timeout_s,
            reconnect_timeout=config.command_timeout_s,
            open=False,
            name=config.target(),
        )

    def open(self, columns: tuple[str, ...]) -> None:
        """Check that the server responds and has the table, and open the connection pool.

        Raises:
            ServerUnavailableError: A later attempt may succeed.
            WatlowSinkError: A later attempt would fail as well.
        """
        try:
            with self._translated(), self._connection_class.connect(self._conninfo) as connection:
                self._configure(connection)
                types = self._table.types(connection)
                if types or not self._config.create_table:
                    self._table.check(connection, types, columns)
        finally:
            self._pool.open()

    def send(self, spooled: SpooledRows) -> None:
        """Insert the rows into the table, except those that it already has.

        Raises:
            ServerUnavailableError: The rows may not be in the table: send them again.
            WatlowSinkError: The server refuses the rows.
        """
        try:
            with self._translated():
                self._send(spooled)
        except ServerUnavailableError:
            self._plans.clear()  # a restarted server may lack what was not yet on its disk
            raise

    def close(self) -> None:
        """Close all connections."""
        self._pool.close(timeout=5.0)

    def _send(self, spooled: SpooledRows) -> None:
        plan = self._plan(spooled.layout)
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
        connection.execute(
            sql.SQL("SET statement_timeout = {}").format(self._config.statement_timeout_ms)
        )
        connection.commit()

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
        keys = self._table.check(connection, types, tuple(columns))
        binary = (
            self._config.use_copy
            and all(types[name] in BINARY_TYPES[type_] for name, type_ in columns.items())
            and all(types[name] == type_ for name, type_ in BINARY_KEY_TYPES.items())
        )
        return _InsertPlan(binary, sql.SQL(", ").join(map(sql.Identifier, keys)))

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

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Replace psycopg's errors by our own, without a cause: its text may have the password."""
        try:
            yield
        except (psycopg.Error, PoolTimeout) as error:
            text = self._describe(error)
            retried = isinstance(error, RETRIED)
            limit_exceeded = isinstance(error, errors.ProgramLimitExceeded)
            # Only a failure to connect, which has no SQLSTATE, can be permanent. A timeout of the
            # pool is retried, because `open` has found no permanent reason.
            connecting = error.sqlstate is None and not isinstance(error, PoolTimeout)
            permanent = connecting and any(reason in text for reason in PERMANENT_REASONS)
            if retried and not limit_exceeded and not permanent:
                raise ServerUnavailableError(text) from None
            raise WatlowSinkError(f"the server refuses: {text}") from None

    def _describe(self, error: BaseException) -> str:
        """Return the message of `error` on one line, with the password masked."""
        reason = self._connection_class.connect_error if isinstance(error, PoolTimeout) else ""
        text = " ".join((reason or str(error)).split()) or type(error).__name__
        return text.replace(str(self._password), "***") if self._password else text


def _connection_parameters(config: PostgresConfig) -> dict[str, Any]:
    parameters = {
        "host": config.host,
        "port": None if config.host is None else config.port,
        "user": config.user,
        "password": config.password,
        "dbname": config.database,
        "connect_timeout": max(2, round(config.command_timeout_s)),
        "client_encoding": "UTF8",  # the encoding of packed rows, whatever the database uses
    }
    return {name: value for name, value in parameters.items() if value is not None}
