"""Checks and creates the table on a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from watlowlib.errors import WatlowSinkSchemaError
from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.postgres.spool import ServerUnavailableError
from watlowlib.sinks.rows import ColumnType

SQL_TYPES = {
    ColumnType.TEXT: "text",
    ColumnType.INTEGER: "bigint",
    ColumnType.REAL: "double precision",
    ColumnType.TIME: "timestamptz",
}


class Table:
    """The table named in `config`."""

    def __init__(self, config: PostgresConfig) -> None:
        self.identifier = sql.Identifier(config.schema, config.table)
        self._config = config

    def types(self, connection: psycopg.Connection[Any]) -> dict[str, str]:
        """Return the columns and their types; empty if the table does not exist."""
        found = connection.execute(
            "SELECT attname, typname FROM pg_attribute JOIN pg_type t ON t.oid = atttypid "
            "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [self.identifier.as_string(connection)],
        )
        return dict(found.fetchall())

    def create(self, connection: psycopg.Connection[Any], columns: dict[str, ColumnType]) -> None:
        """Create the table and its indexes, unless another recorder has just done so."""
        self.lock(connection)
        if self.types(connection):
            return
        self._check_times(columns)
        definitions: list[sql.Composable] = [
            sql.SQL("{} {}").format(
                sql.Identifier(name),
                sql.SQL(SQL_TYPES[type_] + (" NOT NULL" if name == "requested_at" else "")),
            )
            for name, type_ in columns.items()
        ]
        definitions.append(sql.SQL("run_id uuid NOT NULL, seq bigint NOT NULL"))
        by_time = " PARTITION BY RANGE (requested_at)" if self._config.partition else ""
        command = "CREATE TABLE IF NOT EXISTS {} ({})" + by_time
        self.run(connection, command, sql.SQL(", ").join(definitions))
        # Hypertables and partitioned tables need the time column in each unique index.
        time_column = ", requested_at" if "requested_at" in columns else ""
        # The server names the indexes: with a long table name, our own might be too long.
        self.run(connection, "CREATE UNIQUE INDEX ON {0} (run_id, seq" + time_column + ")")
        if {"device", "requested_at"} <= set(columns):
            self.run(connection, "CREATE INDEX ON {0} (device, requested_at)")
        if self._config.hypertable:
            self.check_extension(connection)
            connection.execute(
                "SELECT create_hypertable(%s::regclass, 'requested_at', "
                "create_default_indexes => false)",
                [self.identifier.as_string(connection)],
            )

    def lock(self, connection: psycopg.Connection[Any]) -> None:
        """Wait until no other recorder creates the table or parts of it; until the commit."""
        name = f"{self._config.schema}.{self._config.table}"
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])

    def check_creatable(self, connection: psycopg.Connection[Any]) -> None:
        """Check that the table can be created.

        Raises:
            ServerUnavailableError: The role may not create it; a later attempt may succeed.
            WatlowSinkError: It is to be a hypertable, and the extension is missing.
        """
        if self._config.hypertable:
            self.check_extension(connection)
        schema = self._config.schema
        allowed = connection.execute(
            "SELECT has_schema_privilege(to_regnamespace(quote_ident(%s)), 'CREATE'), current_user",
            [schema],
        ).fetchone()
        if allowed and allowed[0] is False:
            raise ServerUnavailableError(
                f"the role {allowed[1]} may not create tables in the schema {schema}; let its "
                f"owner create the table, or run: GRANT CREATE ON SCHEMA {schema} TO {allowed[1]}"
            )

    def check_extension(self, connection: psycopg.Connection[Any]) -> None:
        """Check that the database has TimescaleDB.

        Raises:
            WatlowSinkSchemaError: It has not.
        """
        found = connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'")
        if not found.fetchall():
            raise WatlowSinkSchemaError(
                f"hypertable=True: the database of {self._config.target()} has no extension "
                "timescaledb; install it and run CREATE EXTENSION timescaledb, or give "
                "partition='1 month' instead"
            )

    def check(
        self, connection: psycopg.Connection[Any], types: dict[str, str], columns: tuple[str, ...]
    ) -> list[str]:
        """Check that the table has `columns` and a unique index against duplicate rows.

        Returns:
            The columns of that index.

        Raises:
            WatlowSinkError: The table, a column or the index is missing.
        """
        target = self._config.target()
        missing = [name for name in (*columns, "run_id", "seq") if name not in types]
        if not types:
            raise WatlowSinkSchemaError(
                f"{target} does not exist; create the table, or give create_table=True"
            )
        if missing:
            raise WatlowSinkSchemaError(
                f"{target} has no column {', '.join(missing)}; add it, or give another table"
            )
        found = connection.execute(
            "SELECT array_agg(attname::text) FROM pg_index "
            "JOIN pg_attribute ON attrelid = indrelid "
            "AND attnum = ANY((indkey::int2[])[0:indnkeyatts - 1]) "
            "WHERE indrelid = to_regclass(%s) AND indisunique AND indisvalid AND indimmediate "
            "AND indpred IS NULL AND indexprs IS NULL "
            "GROUP BY indexrelid",
            [self.identifier.as_string(connection)],
        )
        keys = [names for (names,) in found if {"run_id", "seq"} <= set(names)]
        if not keys:
            raise WatlowSinkSchemaError(
                f"{target} has no unique index on run_id and seq, which prevents duplicate rows (a "
                "partial, deferrable or invalid index does not); create one: "
                f"CREATE UNIQUE INDEX ON {self.identifier.as_string(connection)} "
                "(run_id, seq, requested_at)"
            )
        self._check_times(columns)
        if self._config.partition:
            self._check_partitioned(connection)
        return min(keys, key=len)

    def _check_times(self, columns: Iterable[str]) -> None:
        if self._config.partition and "requested_at" not in columns:
            raise WatlowSinkSchemaError(
                f"partition={self._config.partition!r} needs rows with requested_at; leave it out"
            )

    def _check_partitioned(self, connection: psycopg.Connection[Any]) -> None:
        """Check that the table is partitioned by range of `requested_at`, without a DEFAULT part.

        Raises:
            WatlowSinkSchemaError: It is not.
        """
        target = self._config.target()
        found = connection.execute(
            "SELECT partdefid::regclass::text, partstrat = 'r' AND partnatts = 1 AND attname = "
            "'requested_at' FROM pg_partitioned_table LEFT JOIN pg_attribute "
            "ON attrelid = partrelid AND attnum = partattrs[0] WHERE partrelid = to_regclass(%s)",
            [self.identifier.as_string(connection)],
        ).fetchone()
        if found is None or not found[1]:
            raise WatlowSinkSchemaError(
                f"{target} exists and is not partitioned by range of requested_at; it is left as "
                "it is: leave partition out, give another table, or rename this one"
            )
        if found[0] not in (None, "-"):
            raise WatlowSinkSchemaError(
                f"{target} has the DEFAULT part {found[0]}, with which parts cannot be "
                "created; detach it, or leave partition out"
            )

    def run(
        self, connection: psycopg.Connection[Any], command: str, *parts: sql.Composable
    ) -> None:
        """Execute `command`; `{0}` stands for the table and `{1}`, `{2}` ... for `parts`."""
        connection.execute(sql.SQL(command).format(self.identifier, *parts))
