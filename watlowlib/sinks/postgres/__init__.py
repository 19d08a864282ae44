"""A sink for a PostgreSQL table, with a spool on disk: `PostgresSink` and `PostgresConfig`."""

from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.postgres.sink import PostgresSink, SpoolStats

__all__ = ["PostgresConfig", "PostgresSink", "SpoolStats"]
