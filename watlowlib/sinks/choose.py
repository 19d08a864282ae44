"""Select a sink by file extension or database URL.

The modules for Parquet and PostgreSQL are imported only when they are needed.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from pathlib import Path

from watlowlib._internal.validation import shown
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


EXTENSIONS: dict[str, Callable[[str], TableSink]] = {
    ".csv": CsvSink,
    ".jsonl": JsonlSink,
    ".sqlite": SqliteSink,
    ".sqlite3": SqliteSink,
    ".db": SqliteSink,
    ".parquet": _parquet,
}


def open_sink(path: str | os.PathLike[str]) -> TableSink:
    """Return the sink for `path`, for use in a `with` statement.

    Args:
        path: A file, whose extension selects the sink, or postgresql://user@host/database.
            For a database, rows go to the table `samples`, which is created if missing. Give its
            password in ~/.pgpass or the file that PGPASSFILE names, or a service by PGSERVICE.

    Raises:
        WatlowConfigurationError: Unknown extension or URL; the message lists the known ones,
            without the password of a URL.
    """
    return _maker_of(os.fspath(path))(os.fspath(path))


def check_sink(path: str | os.PathLike[str]) -> None:
    """Check that `open_sink` has a sink for `path`, and make none.

    Raises:
        WatlowConfigurationError: As from `open_sink`.
    """
    _maker_of(os.fspath(path))


def _maker_of(text: str) -> Callable[[str], TableSink]:
    if text.startswith(URLS):
        return _postgres
    connection = "://" in text or re.search(r"\bpassword\s*=", text, re.IGNORECASE)
    maker = None if connection else EXTENSIONS.get(Path(text).suffix.lower())
    if maker is None:
        hint = f"; did you mean {URLS[0]}?" if resembles_url(text) else ""
        raise WatlowConfigurationError(
            f"{shown(text)}: the file extension selects the format; "
            f"known are {', '.join(EXTENSIONS)}, and {URLS[0]}{hint}"
        )
    return maker


def resembles_url(text: str) -> bool:
    """Whether `text` begins with the scheme of a database URL, also a mistyped one."""
    scheme = re.match(r"([\w+.-]+):", text)
    return scheme is not None and bool(
        difflib.get_close_matches(scheme[1].lower(), ("postgresql", "postgres"), cutoff=0.55)
    )
