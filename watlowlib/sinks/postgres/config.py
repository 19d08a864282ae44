"""Where a PostgreSQL table is, and how to get there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from watlowlib._internal.validation import as_int, as_positive
from watlowlib.errors import WatlowConfigurationError
from watlowlib.sinks.database import NAME, check_pattern


@dataclass(frozen=True)
class PostgresConfig:
    """Where a PostgreSQL table is, and how to get there.

    Give either `dsn`, or `host`, `user` and `database`. The password is in no log, error
    or repr.

    Attributes:
        dsn: A connection string: postgresql://user:password@host:5432/database or
            host=... user=... dbname=...
        host: The server's name, or the folder of its socket.
        port: Its port, 1 to 65535.
        user: The role.
        password: The role's password; may also be in ~/.pgpass or PGPASSWORD.
        database: The database.
        schema: The schema: up to 63 letters, digits and underscores, not beginning with a digit.
        table: The table, likewise.
        pool_min_size: Connections to keep open, 0 or more.
        pool_max_size: Connections at the most, `pool_min_size` or more and at least 1.
        statement_timeout_ms: How long the server may take for one command, 0 for ever.
        command_timeout_s: How long to wait for any answer of the server, seconds.
        create_table: Whether to make the table when it is not there.
        use_copy: Whether rows are sent by binary COPY, or else by INSERT, which is
            slower, for servers and proxies that have no COPY.

    Raises:
        WatlowConfigurationError: Something that cannot be.
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

    def __post_init__(self) -> None:
        if self.dsn is None and None in (self.host, self.user, self.database):
            raise WatlowConfigurationError("give dsn, or host, user and database")
        if self.dsn is not None and (self.host or self.user or self.password or self.database):
            raise WatlowConfigurationError("give dsn, or host, user and database, not both")
        for name in ("schema", "table"):
            allowed = "up to 63 letters, digits and underscores"
            check_pattern(name, getattr(self, name), rf"(?=.{{,63}}\Z){NAME}", allowed)
        least = as_int("pool_min_size", self.pool_min_size, 0, None, "give 0 or more")
        least = max(1, least)
        as_int("port", self.port, 1, 65535, "give 1 to 65535")
        as_int("pool_max_size", self.pool_max_size, least, None, f"give {least} or more")
        as_int("statement_timeout_ms", self.statement_timeout_ms, 0, None, "give 0 or more")
        as_positive("command_timeout_s", self.command_timeout_s, 86_400.0, "seconds")

    def table_id(self) -> str:
        """Which table it is, wherever its server may be: database.schema.table."""
        return self.target().rpartition("/")[2]

    def target(self) -> str:
        """What may be shown of it: host:port/database.schema.table."""
        where = f"{self.host}:{self.port}/{self.database}" if self.dsn is None else _where(self.dsn)
        return f"{where}.{self.schema}.{self.table}"


def _where(dsn: str) -> str:
    """Host, port and database of a connection string, and nothing else of it."""
    if "://" in dsn:
        path, _, query = dsn.partition("?")
        if "@" in path.partition("://")[2].partition("/")[2]:
            return "?"  # a password with a slash in it, which should stand as %2F
        try:
            parts = urlsplit(path)
            host, port, database = parts.hostname, parts.port, parts.path.strip("/")
        except ValueError:
            return "?"
        given = dict(re.findall(r"(\w+)=([^&]*)", query))
    else:
        host, port, database = None, None, ""
        given = dict(
            re.findall(r"(\w+)\s*=\s*((?:[^'\s\\]|\\.)(?:[^\s\\]|\\.)*|'(?:[^'\\]|\\.)*')", dsn)
        )
    host = host or given.get("host", "localhost")
    port = port or given.get("port", 5432)
    return f"{host}:{port}/{database or given.get('dbname', '?')}"
