"""The connection settings of a PostgreSQL table: `PostgresConfig`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from watlowlib._internal.validation import as_int, as_positive
from watlowlib.errors import WatlowConfigurationError
from watlowlib.sinks.database import NAME, check_pattern

KEEP_ROWS = 'a number of days, weeks, months or years, such as "90 days" or "2 years"'


def check_keep_rows(given: object) -> None:
    """Check a value of `PostgresConfig.keep`.

    Raises:
        WatlowConfigurationError: It is not allowed.
    """
    pattern = "[1-9][0-9]{,3} (day|week|month)s?|[1-9][0-9]{,2} years?"
    check_pattern("keep", given, pattern, KEEP_ROWS)


@dataclass(frozen=True)
class PostgresConfig:
    """The server, the table and the limits for a `PostgresSink`.

    Give either `dsn`, or `host`, `user` and `database`. The password never appears in a log,
    an error message or a repr.

    Attributes:
        dsn: A connection string: postgresql://user:password@host:5432/database or
            host=... user=... dbname=...
        host: The server's host name, or the folder of its Unix socket.
        port: The server's port, 1 to 65535.
        user: The name of the role.
        password: The role's password; may also be in ~/.pgpass or PGPASSWORD.
        database: The name of the database.
        schema: The schema: up to 63 letters, digits and underscores, not beginning with a digit.
        table: The table; the same rules as for `schema`.
        pool_min_size: Number of connections to keep open, 0 or more.
        pool_max_size: `pool_min_size` or more and at least 1. The sink sends through one connection
            at a time, and opens no more than `pool_min_size` or 1.
        statement_timeout_ms: Limit for one statement on the server, milliseconds; 0 is no limit.
        command_timeout_s: Limit for connecting and for one command, seconds.
        create_table: Whether to create the table if it does not exist.
        use_copy: Whether to send rows by binary COPY, or else by INSERT, which is slower,
            for servers and proxies without COPY.
        partition: The length of a part of a table partitioned by time, "1 day", "1 week" (from
            Monday) or "1 month", in UTC; None for a table that is not partitioned. Parts are
            created when needed and ahead.
        keep: How long rows are kept, such as "90 days" or "2 years"; None for ever. Parts with
            only older rows are dropped, by the server's clock; needs `partition`.
        detach: Whether parts are detached instead of dropped: they stay as tables of their own.
        hypertable: Whether a table that is created becomes a hypertable of TimescaleDB.

    Raises:
        WatlowConfigurationError: A setting is missing or out of range.
    """

    dsn: str | None = field(default=None, repr=False)
    host: str | None = None
    port: int = 5432
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    schema: str = "public"
    table: str = "samples"
    pool_min_size: int = 1
    pool_max_size: int = 4
    statement_timeout_ms: int = 30_000
    command_timeout_s: float = 10.0
    create_table: bool = False
    use_copy: bool = True
    partition: str | None = None
    keep: str | None = None
    detach: bool = False
    hypertable: bool = False

    def __post_init__(self) -> None:
        if self.dsn is None and None in (self.host, self.user, self.database):
            raise WatlowConfigurationError("give dsn, or host, user and database")
        if self.dsn is not None and (self.host or self.user or self.password or self.database):
            raise WatlowConfigurationError("give dsn, or host, user and database, not both")
        for name in ("schema", "table"):
            allowed = "up to 63 letters, digits and underscores"
            check_pattern(name, getattr(self, name), rf"(?=.{{,63}}\Z){NAME}", allowed)
        minimum = max(1, as_int("pool_min_size", self.pool_min_size, 0, None, "give 0 or more"))
        as_int("port", self.port, 1, 65535, "give 1 to 65535")
        as_int("pool_max_size", self.pool_max_size, minimum, None, f"give {minimum} or more")
        as_int("statement_timeout_ms", self.statement_timeout_ms, 0, None, "give 0 or more")
        as_positive("command_timeout_s", self.command_timeout_s, 86_400.0, "seconds")
        self._check_parts()

    def _check_parts(self) -> None:
        """Check the options about parts."""
        if self.partition is not None:
            allowed = "'1 day', '1 week' and '1 month'"
            check_pattern("partition", self.partition, "1 (day|week|month)", allowed)
            # The name of a part is longer, and the server would shorten it.
            check_pattern("table", self.table, ".{,53}", "up to 53 characters with partition")
        if self.keep is not None:
            check_keep_rows(self.keep)
        if self.detach and self.keep is None:
            raise WatlowConfigurationError("detach=True needs keep: give keep, such as '2 years'")
        if self.keep is not None and self.partition is None:
            raise WatlowConfigurationError(
                f"keep={self.keep!r} needs partition: give partition, such as '1 month'"
            )
        if self.hypertable and self.partition is not None:
            raise WatlowConfigurationError(
                "give partition or hypertable, not both: TimescaleDB makes its own parts"
            )

    def table_id(self) -> str:
        """Return database.schema.table, which does not depend on the server's host."""
        return self.target().rpartition("/")[2]

    def target(self) -> str:
        """Return host:port/database.schema.table, without user and password, for messages."""
        database = f"{self.host}:{self.port}/{self.database}"
        if self.dsn is not None:
            database = _database_of(self.dsn)
        return f"{database}.{self.schema}.{self.table}"


def _database_of(dsn: str) -> str:
    """Return only host:port/database of a connection string; "?" if it cannot be parsed."""
    if "://" in dsn:
        path, _, query = dsn.partition("?")
        if "@" in path.partition("://")[2].partition("/")[2]:
            return "?"  # the password contains a slash, which should be written as %2F
        try:
            parts = urlsplit(path)
            host, port, database = parts.hostname, parts.port, parts.path.strip("/")
        except ValueError:
            return "?"
        options = dict(re.findall(r"(\w+)=([^&]*)", query))
    else:
        host, port, database = None, None, ""
        options = dict(
            re.findall(r"(\w+)\s*=\s*((?:[^'\s\\]|\\.)(?:[^\s\\]|\\.)*|'(?:[^'\\]|\\.)*')", dsn)
        )
    host = host or options.get("host", "localhost")
    port = port or options.get("port", 5432)
    return f"{host}:{port}/{database or options.get('dbname', '?')}"
