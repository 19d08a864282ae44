"""The table `recordings` on a PostgreSQL server: what is known about each recording.

One table serves all tables of samples in its schema. `run_id` is that of the rows.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.postgres.spool import RECORDINGS, SpooledRecording
from watlowlib.sinks.postgres.table import Table

COLUMNS = (
    "id uuid, run_id uuid, table_name text, started_at timestamptz, info jsonb, "
    "PRIMARY KEY (id, run_id)"
)


def add_recording(
    connection: psycopg.Connection[Any], config: PostgresConfig, recording: SpooledRecording
) -> None:
    """Insert a row, unless it is there; with `create_table` create the table if it is missing."""
    table = sql.Identifier(config.schema, RECORDINGS)
    if config.create_table:
        _create(connection, table)
    connection.execute(
        sql.SQL(
            "INSERT INTO {} (id, run_id, table_name, started_at, info) VALUES (%s, %s, %s, %s, %s) "
            "ON CONFLICT DO NOTHING"
        ).format(table),
        (
            recording.id,
            UUID(bytes=recording.run_id),
            config.table,
            json.loads(recording.info)["started_at"],
            recording.info,
        ),
    )


def stored_recordings(
    connection: psycopg.Connection[Any], config: PostgresConfig
) -> list[dict[str, Any]]:
    """Return the recordings of the table of `config`, the first one first.

    There are none without the table `recordings`, or if it is another program's.
    """
    recordings = Table(replace(config, table=RECORDINGS))
    if not {"table_name", "started_at", "info"} <= recordings.types(connection).keys():
        return []
    query = sql.SQL("SELECT info FROM {} WHERE table_name = %s ORDER BY started_at")
    found = connection.execute(query.format(recordings.identifier), [config.table])
    return [info for (info,) in found]


def _create(connection: psycopg.Connection[Any], table: sql.Identifier) -> None:
    name = table.as_string(connection)
    # Two recorders at the same time: IF NOT EXISTS alone may fail.
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
    (exists,) = connection.execute("SELECT to_regclass(%s)", [name]).fetchone() or (None,)
    if exists is None:
        connection.execute(sql.SQL("CREATE TABLE {} (" + COLUMNS + ")").format(table))
