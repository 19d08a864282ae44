"""The parts of a table partitioned by time: creates them ahead, and removes old ones.

A part is created as a table of its own and then attached, and this blocks neither readers nor
writers. An advisory lock lets one recorder at a time do so. The sink makes no DEFAULT part:
as soon as that has rows of a month, no part can be created for this month.

Parts are in UTC. A row is in the part of its `requested_at`, which never changes: a row that is
sent twice comes both times from the spool, with the same bytes. Its key is thus the same, and
the unique index of its part refuses it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import psycopg
from psycopg import errors, sql

from watlowlib._internal.log import logger
from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.postgres.table import Table

log = logger(__name__)

MAINTENANCE_S = 3600.0
"""How often parts are created ahead and old ones removed."""

LOCK_MS = 1000
"""How long removing a part waits for readers; meanwhile, writers wait as well."""

REFUSALS = (
    errors.ProgrammingError,
    errors.DataError,
    errors.IntegrityError,
    errors.NotSupportedError,
)

EARLIEST, LATEST = (each.replace(tzinfo=timezone.utc) for each in (datetime.min, datetime.max))

Connect = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]


class Part(NamedTuple):
    """A part, from `start` to before `end`.

    Attributes:
        start: Its first time.
        end: The first time after it.
        schema: The schema of its table.
        name: The name of its table.
    """

    start: datetime
    end: datetime
    schema: str
    name: str


class Partitions:
    """The parts of the table of `config`, which has `partition`.

    Args:
        config: The table, and how long a part is and how long it is kept.
        table: The table.
        connect: Returns a connection whose transaction its `with` block commits.
    """

    def __init__(self, config: PostgresConfig, table: Table, connect: Connect) -> None:
        self._config = config
        self._table = table
        self._connect = connect
        self._due_s = 0.0
        self._warned = False

    def maintain(self) -> None:
        """Once an hour, create the current and the next part, and remove those before `keep`.

        A refusal is logged: rows go into the parts that exist.

        Raises:
            psycopg.OperationalError: The server is unavailable.
        """
        if time.monotonic() < self._due_s:
            return
        try:
            now, oldest = self._times()
            _, following = self._limits(now)
            self.create_for([now, following])
            self._remove_before(oldest)
        except errors.LockNotAvailable:
            log.info("%s: old parts are in use; the next attempt is later", self._config.target())
        except REFUSALS as error:
            if not self._warned:
                log.warning(
                    "%s: parts can be neither created ahead nor removed: %s",
                    self._config.target(), error.diag.message_primary,
                )  # fmt: skip
            self._warned = True
        self._due_s = time.monotonic() + MAINTENANCE_S

    def create_for(self, times: Iterable[datetime]) -> None:
        """Create the parts for `times` that are missing.

        Raises:
            psycopg.Error: The server refuses; a table with the name of a part may exist.
        """
        wanted = {self._limits(each) for each in times}
        with self._connect() as connection:
            if not self._missing(connection, wanted):
                return
            self._table.lock(connection)
            for start, end in sorted(self._missing(connection, wanted)):
                self._create(connection, start, end)

    def _missing(
        self, connection: psycopg.Connection[Any], wanted: Iterable[tuple[datetime, datetime]]
    ) -> set[tuple[datetime, datetime]]:
        """Return the gaps between parts within `wanted`; parts may have any length."""
        missing = set()
        parts = self._parts(connection)
        for start, end in wanted:
            for part in parts:
                if part.end <= start:
                    continue
                if part.start >= end:
                    break
                if start < part.start:
                    missing.add((start, part.start))
                start = part.end
            if start < end:
                missing.add((start, end))
        return missing

    def _create(self, connection: psycopg.Connection[Any], start: datetime, end: datetime) -> None:
        name = f"{self._config.table}_p{start:%Y%m%d}"
        part = sql.Identifier(self._config.schema, name)
        self._table.run(
            connection,
            "CREATE TABLE {1} (LIKE {0} INCLUDING ALL EXCLUDING INDEXES EXCLUDING IDENTITY)",
            part,
        )
        # CREATE TABLE ... PARTITION OF would wait for all readers, and all writers for it.
        limits = (sql.Literal(each.isoformat()) for each in (start, end))
        command = "ALTER TABLE {0} ATTACH PARTITION {1} FOR VALUES FROM ({2}) TO ({3})"
        self._table.run(connection, command, part, *limits)

    def _times(self) -> tuple[datetime, datetime]:
        """Return the server's time, and the earliest time of the rows to keep."""
        with self._connect() as connection:
            query = "SELECT now(), now() - %s::interval"
            ((now, oldest),) = connection.execute(query, [self._config.keep]).fetchall()
        return now, oldest or EARLIEST

    def _remove_before(self, oldest: datetime) -> None:
        """Drop or detach the parts that have only rows before `oldest`."""
        with self._connect() as connection:
            if not any(part.end <= oldest for part in self._parts(connection)):
                return
            self._table.lock(connection)
            connection.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
            detach = self._config.detach
            command = "ALTER TABLE {0} DETACH PARTITION {1}" if detach else "DROP TABLE {1}"
            old = [part for part in self._parts(connection) if part.end <= oldest]
            for part in old:
                self._table.run(connection, command, sql.Identifier(part.schema, part.name))
        for part in old:
            done = "detached" if detach else "dropped"
            log.info("%s: the part %s is %s", self._config.target(), part.name, done)

    def _parts(self, connection: psycopg.Connection[Any]) -> list[Part]:
        """Return the parts in the order of their times."""
        connection.execute("SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO'")
        found = connection.execute(
            "SELECT substring(limits FROM 'FROM \\(''(.*?)''\\)')::timestamptz, "
            "substring(limits FROM 'TO \\(''(.*?)''\\)')::timestamptz, nspname, relname "
            "FROM (SELECT pg_get_expr(relpartbound, c.oid) AS limits, nspname, relname "
            "FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid "
            "JOIN pg_namespace n ON n.oid = relnamespace WHERE inhparent = to_regclass(%s)) parts",
            [self._table.identifier.as_string(connection)],
        )
        # MINVALUE and MAXVALUE are in no quotes.
        return sorted(
            Part(start or EARLIEST, end or LATEST, *names) for start, end, *names in found
        )

    def _limits(self, when: datetime) -> tuple[datetime, datetime]:
        """Return the first time of the part that has `when`, and of the next part."""
        day = when.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
        if self._config.partition == "1 month":
            start = day.replace(day=1)
            return start, (start + timedelta(days=31)).replace(day=1)
        if self._config.partition == "1 week":
            start = day - timedelta(days=day.weekday())
            return start, start + timedelta(days=7)
        return day, day + timedelta(days=1)
