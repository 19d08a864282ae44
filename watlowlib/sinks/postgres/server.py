"""The PostgreSQL server, as psycopg knows it: rows are sent, errors are sorted.

Rows go straight into the table by COPY. A row that is there already, because a commit got
through whose answer did not, makes that fail as a whole: then the rows go into a temporary
table, and from there those that are missing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.postgres.copy_format import HEADER, TRAILER, unpack
from watlowlib.sinks.postgres.sender import ServerUnavailable
from watlowlib.sinks.postgres.spool import SpooledRows
from watlowlib.sinks.postgres.table import Table
from watlowlib.sinks.rows import ColumnLayout, ColumnType, columns_of

RV = TypeVar("RV")

AS_BINARY = {
    ColumnType.TEXT: {"text", "varchar"},
    ColumnType.INTEGER: {"int8"},
    ColumnType.REAL: {"float8"},
    ColumnType.TIME: {"timestamptz"},
}
"""Types that take the binary form of a kind as it is; others get it from the server."""

KEYS = {"run_id": "uuid", "seq": "int8"}
"""The same for what each row is known by."""

HOPELESS = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "no pg_hba.conf entry",
)
"""Words of a connection refused for a reason that time does not heal."""

HEALS = (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError)
"""What a server says that is away, busy, full, starting or stopping, or only for reading."""

TEMPORARY = sql.Identifier("watlowlib_parcel")


class _Connection(psycopg.Connection[Any]):
    """A connection on which nothing takes longer than `timeout_s`."""

    timeout_s = 10.0
    refused = ""
    """Why the last attempt to connect has failed: the pool only says that it waited."""

    @classmethod
    def connect(cls, *where: Any, **options: Any) -> _Connection:
        """Connect, and remember why that has failed."""
        try:
            connection = super().connect(*where, **options)
        except psycopg.Error as error:
            cls.refused = str(error)
            raise
        cls.refused = ""
        return connection

    def wait(
        self, gen: Generator[Any, Any, RV], interval: float = 0.1, timeout: float | None = None
    ) -> RV:
        """Work on the connection until `gen` is through."""
        del timeout  # not in every version, and not what a command has as a whole
        return super().wait(self._limited(gen), interval)

    def _limited(self, gen: Generator[Any, Any, RV]) -> Generator[Any, Any, RV]:
        until_s = time.monotonic() + self.timeout_s
        try:
            state = next(gen)
            while True:
                ready = yield state
                if time.monotonic() > until_s:
                    raise psycopg.OperationalError(f"no answer for {self.timeout_s:g} s")
                state = gen.send(ready)
        except StopIteration as end:
            result: RV = end.value
            return result


@dataclass(frozen=True)
class _Way:
    """How rows of a layout get into the table."""

    binary: bool
    keys: sql.Composable


class Server:
    """The table on the server.

    Args:
        config: Where it is.

    Raises:
        WatlowConfigurationError: A connection string that cannot be.
    """

    def __init__(self, config: PostgresConfig) -> None:
        self._config = config
        self._table = Table(config)
        self._ways: dict[tuple[tuple[str, ColumnType], ...], _Way] = {}
        self._conninfo = ""
        with suppress(psycopg.Error):  # its message would have the password in it
            self._conninfo = make_conninfo(config.dsn or "", **_parts(config))
        if not self._conninfo:
            raise WatlowConfigurationError(
                "dsn: this is no connection string; give postgresql://user@host:5432/database "
                "or host=... user=... dbname=..."
            )
        self._secret = conninfo_to_dict(self._conninfo).get("password")
        limited = type("Connection", (_Connection,), {"timeout_s": config.command_timeout_s})
        self._connection_class: type[_Connection] = limited
        self._pool = ConnectionPool(
            self._conninfo,
            connection_class=limited,
            min_size=config.pool_min_size,
            max_size=config.pool_max_size,
            configure=self._configure,
            timeout=config.command_timeout_s,
            reconnect_timeout=config.command_timeout_s,
            open=False,
            name=config.target(),
        )

    def open(self, columns: tuple[str, ...]) -> None:
        """Look whether the server is there and has the table, and get ready to send.

        Raises:
            Unreachable: It is not there now.
            WatlowSinkError: What will not get better by waiting.
        """
        try:
            with self._translated(), self._connection_class.connect(self._conninfo) as connection:
                self._configure(connection)
                types = self._table.types(connection)
                if types or not self._config.create_table:
                    self._table.check(connection, types, columns)
        finally:
            self._pool.open()

    def send(self, parcel: SpooledRows) -> None:
        """Have the rows in the table, each of them once.

        Raises:
            Unreachable: They are perhaps not there: send them again.
            WatlowSinkError: The server will not have them.
        """
        try:
            with self._translated():
                self._send(parcel)
        except ServerUnavailable:
            self._ways.clear()  # who comes back may be without what was not yet on its disk
            raise

    def close(self) -> None:
        """Let go."""
        self._pool.close(timeout=5.0)

    def _send(self, parcel: SpooledRows) -> None:
        way = self._way(parcel.layout)
        if not way.binary:
            with self._pool.connection() as connection:
                self._insert(connection, parcel, way.keys)
            return
        try:
            with self._pool.connection() as connection:
                self._copy(connection, self._table.identifier, parcel)
        except errors.UniqueViolation:
            with self._pool.connection() as connection:
                self._add_missing(connection, parcel, way.keys)

    def _configure(self, connection: psycopg.Connection[Any]) -> None:
        # Who has waited for another to make the table is to see it, whatever is usual here.
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        connection.execute(
            sql.SQL("SET statement_timeout = {}").format(self._config.statement_timeout_ms)
        )
        connection.commit()

    def _way(self, layout: ColumnLayout) -> _Way:
        """Make sure of the table, and find out how it takes these rows."""
        key = tuple(layout.types.items())
        if key not in self._ways:
            with self._pool.connection() as connection:
                way = self._prepare(connection, columns_of(layout))
            self._ways[key] = way  # a table is there once it is committed
        return self._ways[key]

    def _prepare(self, connection: psycopg.Connection[Any], columns: dict[str, ColumnType]) -> _Way:
        types = self._table.types(connection)
        if not types and self._config.create_table:
            self._table.create(connection, columns)
            types = self._table.types(connection)
        keys = self._table.check(connection, types, tuple(columns))
        binary = (
            self._config.use_copy
            and all(types[name] in AS_BINARY[kind] for name, kind in columns.items())
            and all(types[name] == type_ for name, type_ in KEYS.items())
        )
        return _Way(binary, sql.SQL(", ").join(map(sql.Identifier, keys)))

    def _names(self, parcel: SpooledRows) -> sql.Composed:
        names = (*columns_of(parcel.layout), "run_id", "seq")
        return sql.SQL(", ").join(map(sql.Identifier, names))

    def _copy(
        self, connection: psycopg.Connection[Any], table: sql.Identifier, parcel: SpooledRows
    ) -> None:
        command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")
        with (
            connection.cursor() as cursor,
            cursor.copy(command.format(table, self._names(parcel))) as copy,
        ):
            copy.write(HEADER)
            copy.write(parcel.data)
            copy.write(TRAILER)

    def _add_missing(
        self, connection: psycopg.Connection[Any], parcel: SpooledRows, keys: sql.Composable
    ) -> None:
        names = self._names(parcel)
        self._table.run(
            connection,
            "CREATE TEMP TABLE {2} ON COMMIT DROP AS SELECT {1} FROM {0} WITH NO DATA",
            names,
            TEMPORARY,
        )
        self._copy(connection, TEMPORARY, parcel)
        self._table.run(
            connection,
            "INSERT INTO {0} ({1}) SELECT {1} FROM {2} ON CONFLICT ({3}) DO NOTHING",
            names,
            TEMPORARY,
            keys,
        )

    def _insert(
        self, connection: psycopg.Connection[Any], parcel: SpooledRows, keys: sql.Composable
    ) -> None:
        names = self._names(parcel)
        places = sql.SQL(", ").join([sql.Placeholder()] * (len(columns_of(parcel.layout)) + 2))
        command = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO NOTHING")
        with connection.cursor() as cursor:
            cursor.executemany(
                command.format(self._table.identifier, names, places, keys),
                unpack(parcel.layout, parcel.data),
            )

    def _translated(self) -> _Translated:
        return _Translated(self._told)

    def _told(self, error: BaseException) -> str:
        """What `error` says, on one line and without the password."""
        said = self._connection_class.refused if isinstance(error, PoolTimeout) else ""
        text = " ".join((said or str(error)).split()) or type(error).__name__
        return text.replace(str(self._secret), "***") if self._secret else text


class _Translated:
    """Turns psycopg's errors into the two that matter, without a way to the password."""

    def __init__(self, told: Callable[[BaseException], str]) -> None:
        self._told = told

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, (psycopg.Error, PoolTimeout)):
            return
        text = self._told(error)
        passing = isinstance(error, HEALS) and not isinstance(error, errors.ProgramLimitExceeded)
        # What has a code is no word on the connection; who has waited got in at first.
        connecting = error.sqlstate is None and not isinstance(error, PoolTimeout)
        if passing and not (connecting and any(word in text for word in HOPELESS)):
            raise ServerUnavailable(text) from None
        raise WatlowSinkError(f"the server refuses: {text}") from None


def _parts(config: PostgresConfig) -> dict[str, Any]:
    parts = {
        "host": config.host,
        "port": None if config.host is None else config.port,
        "user": config.user,
        "password": config.password,
        "dbname": config.database,
        "connect_timeout": max(2, round(config.command_timeout_s)),
        "client_encoding": "UTF8",  # whatever the database has: so the rows are packed
    }
    return {name: value for name, value in parts.items() if value is not None}
