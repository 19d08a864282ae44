"""A sink by its file's ending, or by the URL of a database."""

from __future__ import annotations

import os
from pathlib import Path

from watlowlib.errors import WatlowConfigurationError
from watlowlib.sinks.base import TableSink
from watlowlib.sinks.config import PostgresConfig
from watlowlib.sinks.parquet import ParquetSink
from watlowlib.sinks.postgres import PostgresSink
from watlowlib.sinks.sqlite import SqliteSink
from watlowlib.sinks.text import CsvSink, JsonlSink

ENDINGS: dict[str, type[CsvSink | JsonlSink | SqliteSink | ParquetSink]] = {
    ".csv": CsvSink,
    ".jsonl": JsonlSink,
    ".sqlite": SqliteSink,
    ".sqlite3": SqliteSink,
    ".db": SqliteSink,
    ".parquet": ParquetSink,
}

URLS = ("postgresql://", "postgres://")


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
        return PostgresSink(PostgresConfig(dsn=text, create_table=True))
    sink = ENDINGS.get(Path(text).suffix.lower())
    if sink is None:
        raise WatlowConfigurationError(
            f"{text!r}: the file's ending says how to write it; "
            f"known are {', '.join(ENDINGS)}, and {URLS[0]}"
        )
    return sink(text)
