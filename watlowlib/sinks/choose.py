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


def _postgres(url: str, **options: Any) -> TableSink:
    from watlowlib.sinks.postgres.sink import PostgresSink

    return PostgresSink(_postgres_config(url, **options))


def _postgres_config(
    url: str, *, partition: str | None = None, keep: Any = None, **rotation: Any
) -> Any:
    for name, given in rotation.items():
        if given not in (None, False):
            raise WatlowConfigurationError(
                f"{name}={shown(given)}: only files are rotated, no table of PostgreSQL; "
                f"leave it out for {shown(url)}, or give partition"
            )
    from watlowlib.sinks.postgres.config import PostgresConfig

    return PostgresConfig(dsn=url, create_table=True, partition=partition, keep=keep)


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
    partition: str | None = None,
) -> TableSink:
    """Return the sink for `path`, for use in a `with` statement.

    Args:
        path: A file, whose extension selects the sink, or postgresql://user@host/database.
            For a database, rows go to the table `samples`, which is created if missing. Give its
            password in ~/.pgpass or the file that PGPASSFILE names, or a service by PGSERVICE.
        rotate: For files: "1 day", "100 MB" or both; see `CsvSink` and `docs/rotation.md`.
        keep: For files with `rotate`: "90 days", "20 GB" or both. For PostgreSQL with `partition`:
            "90 days" or "2 years"; see `PostgresConfig`.
        compress: For .csv and .jsonl files with `rotate`: whether parts are compressed.
        min_free: For files with `rotate`: a size such as "1 GB".
        partition: For PostgreSQL: "1 day", "1 week" or "1 month", the length of a part of a table
            partitioned by time; see `PostgresConfig`.

    Raises:
        WatlowConfigurationError: Unknown extension or URL; the message lists the known ones,
            without the password of a URL. Or an option is not allowed.
    """
    options = {"rotate": rotate, "keep": keep, "compress": compress, "min_free": min_free}
    maker = _maker_of(os.fspath(path))
    return maker(os.fspath(path), **_with_partition(path, maker, partition, options))


def check_sink(path: str | os.PathLike[str], **options: Any) -> None:
    """Check that `open_sink` has a sink for `path` with these options; open nothing.

    Raises:
        WatlowConfigurationError: As from `open_sink`.
    """
    maker = _maker_of(os.fspath(path))
    if options:
        options = _with_partition(path, maker, options.pop("partition", None), options)
        make = _postgres_config if maker is _postgres else maker  # the sink needs packages
        make(os.fspath(path), **options)


def _with_partition(
    path: str | os.PathLike[str],
    maker: Callable[..., TableSink],
    partition: str | None,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Return the options for `maker`; only PostgreSQL takes `partition`."""
    if maker is _postgres:
        return options | {"partition": partition}
    if partition is not None:
        raise WatlowConfigurationError(
            f"partition={shown(partition)}: only tables of PostgreSQL have parts; "
            f"leave it out for {shown(path)}, or give rotate"
        )
    return options


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
