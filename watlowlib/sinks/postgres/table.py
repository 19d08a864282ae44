"""The table on a PostgreSQL server: what it must have, and how it is made."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.rows import ColumnType

TYPES = {
    ColumnType.TEXT: "text",
    ColumnType.INTEGER: "bigint",
    ColumnType.REAL: "double precision",
    ColumnType.TIME: "timestamptz",
}


class Table:
    """The table that `config` names."""

    def __init__(self, config: PostgresConfig) -> None:
        self.identifier = sql.Identifier(config.schema, config.table)
        self._config = config

    def types(self, connection: psycopg.Connection[Any]) -> dict[str, str]:
        """The columns and their types; none where there is no table."""
        found = connection.execute(
            "SELECT attname, typname FROM pg_attribute JOIN pg_type t ON t.oid = atttypid "
            "WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
            [self.identifier.as_string(connection)],
        )
        return dict(found.fetchall())

    def create(self, connection: psycopg.Connection[Any], columns: dict[str, ColumnType]) -> None:
        """Make the table and its indexes, unless another recorder just has."""
        name = f"{self._config.schema}.{self._config.table}"
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
        if self.types(connection):
            return
        definitions: list[sql.Composable] = [
            sql.SQL("{} {}").format(
                sql.Identifier(name),
                sql.SQL(TYPES[kind] + (" NOT NULL" if name == "requested_at" else "")),
            )
            for name, kind in columns.items()
        ]
        definitions.append(sql.SQL("run_id uuid NOT NULL, seq bigint NOT NULL"))
        self.run(connection, "CREATE TABLE IF NOT EXISTS {} ({})", sql.SQL(", ").join(definitions))
        # A hypertable or partitioned table wants its time in each unique index.
        time_column = ", requested_at" if "requested_at" in columns else ""
        # The server finds names for them: the table's may be as long as a name can be.
        self.run(connection, "CREATE UNIQUE INDEX ON {0} (run_id, seq" + time_column + ")")
        if {"device", "requested_at"} <= set(columns):
            self.run(connection, "CREATE INDEX ON {0} (device, requested_at)")

    def check(
        self, connection: psycopg.Connection[Any], types: dict[str, str], columns: tuple[str, ...]
    ) -> list[str]:
        """Whether the table has the columns, and the index that keeps rows from doubling.

        Returns:
            The columns of that index.

        Raises:
            WatlowSinkError: It has not, or there is none.
        """
        target = self._config.target()
        missing = [name for name in (*columns, "run_id", "seq") if name not in types]
        if not types:
            raise WatlowSinkError(
                f"{target} is not there; make the table, or give create_table=True"
            )
        if missing:
            raise WatlowSinkError(
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
            raise WatlowSinkError(
                f"{target} has no unique index on run_id and seq, so that rows could double (one "
                "that is partial, deferrable or invalid does not keep them out): "
                f"CREATE UNIQUE INDEX ON {self.identifier.as_string(connection)} "
                "(run_id, seq, requested_at)"
            )
        return min(keys, key=len)

    def run(
        self, connection: psycopg.Connection[Any], command: str, *parts: sql.Composable
    ) -> None:
        """Have `command` done, `{0}` in it being the table and `{1}` ... the `parts`."""
        connection.execute(sql.SQL(command).format(self.identifier, *parts))
