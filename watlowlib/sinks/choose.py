"""Select a sink by file extension or database URL.

The modules for Parquet and PostgreSQL are imported only when they are needed.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.sinks.base import TableSink
from watlowlib.sinks.csv import CsvSink
from watlowlib.sinks.jsonl import JsonlSink
from watlowlib.sinks.rotation.policy import Limits
from watlowlib.sinks.sqlite import SqliteSink

URLS = ("postgresql://", "postgres://")


def _parquet(path: str, **rotation: Any) -> TableSink:
    from watlowlib.sinks.parquet.sink import ParquetSink

    return ParquetSink(path, **rotation)


def _postgres(url: str, **rotation: Any) -> TableSink:
    _refuse(rotation, url)
    from watlowlib.sinks.postgres.config import PostgresConfig
    from watlowlib.sinks.postgres.sink import PostgresSink

    return PostgresSink(PostgresConfig(dsn=url, create_table=True))


def _refuse(rotation: dict[str, Any], url: str) -> None:
    for name, given in rotation.items():
        if given not in (None, False):
            raise WatlowConfigurationError(
                f"{name}={shown(given)}: only files are rotated, no table of PostgreSQL; "
                f"leave it out for {shown(url)}"
            )


EXTENSIONS: dict[str, Callable[..., TableSink]] = {
    ".csv": CsvSink,
    ".jsonl": JsonlSink,
    ".sqlite": SqliteSink,
    ".sqlite3": SqliteSink,
    ".db": SqliteSink,
    ".parquet": _parquet,
}


def open_sink(
    path: str | os.PathLike[str],
    *,
    rotate: Limits = None,
    keep: Limits = None,
    compress: bool = False,
    min_free: str | None = None,
) -> TableSink:
    """Return the sink for `path`, for use in a `with` statement.

    Args:
        path: A file, whose extension selects the sink, or postgresql://user@host/database.
            For a database, rows go to the table `samples`, which is created if missing. Give its
            password in ~/.pgpass or the file that PGPASSFILE names, or a service by PGSERVICE.
        rotate: For files: "1 day", "100 MB" or both; see `CsvSink` and `docs/rotation.md`.
        keep: For files with `rotate`: "90 days", "20 GB" or both.
        compress: For .csv and .jsonl files with `rotate`: whether parts are compressed.
        min_free: For files with `rotate`: a size such as "1 GB".

    Raises:
        WatlowConfigurationError: Unknown extension or URL; the message lists the known ones,
            without the password of a URL. Or an option is not allowed.
    """
    maker = _maker_of(os.fspath(path))
    return maker(os.fspath(path), rotate=rotate, keep=keep, compress=compress, min_free=min_free)


def check_sink(path: str | os.PathLike[str], **rotation: Any) -> None:
    """Check that `open_sink` has a sink for `path` with the options of a rotation; open nothing.

    Raises:
        WatlowConfigurationError: As from `open_sink`.
    """
    maker = _maker_of(os.fspath(path))
    if maker is _postgres:
        _refuse(rotation, os.fspath(path))
    elif rotation:
        maker(os.fspath(path), **rotation)


def _maker_of(text: str) -> Callable[..., TableSink]:
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
