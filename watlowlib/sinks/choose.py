"""A sink by its file's ending, or by the URL of a database.

Parquet and PostgreSQL are imported only when they are chosen.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from watlowlib.errors import WatlowConfigurationError
from watlowlib.sinks.base import TableSink
from watlowlib.sinks.csv import CsvSink
from watlowlib.sinks.jsonl import JsonlSink
from watlowlib.sinks.sqlite import SqliteSink

URLS = ("postgresql://", "postgres://")


def _parquet(path: str) -> TableSink:
    from watlowlib.sinks.parquet.sink import ParquetSink

    return ParquetSink(path)


def _postgres(url: str) -> TableSink:
    from watlowlib.sinks.postgres.config import PostgresConfig
    from watlowlib.sinks.postgres.sink import PostgresSink

    return PostgresSink(PostgresConfig(dsn=url, create_table=True))


ENDINGS: dict[str, Callable[[str], TableSink]] = {
    ".csv": CsvSink,
    ".jsonl": JsonlSink,
    ".sqlite": SqliteSink,
    ".sqlite3": SqliteSink,
    ".db": SqliteSink,
    ".parquet": _parquet,
}


def open_sink(path: str | os.PathLike[str]) -> TableSink:
    """The sink for `path`, to be used in a `with` statement.

    Args:
        path: A file, whose ending says which sink it is, or postgresql://user@host/database
            for its table `samples`, which is made if it is not there.

    Raises:
        WatlowConfigurationError: No sink has this ending; the message says which there are.
    """
    text = os.fspath(path)
    if text.startswith(URLS):
        return _postgres(text)
    sink = ENDINGS.get(Path(text).suffix.lower())
    if sink is None:
        raise WatlowConfigurationError(
            f"{text!r}: the file's ending says how to write it; "
            f"known are {', '.join(ENDINGS)}, and {URLS[0]}"
        )
    return sink(text)
