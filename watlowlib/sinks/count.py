"""Counts the rows of an existing file without reading its values."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from watlowlib.model.text import counted
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.csv import CsvSink
from watlowlib.sinks.sqlite import SqliteSink
from watlowlib.sinks.text import TextSink

MOST_BYTES = 100_000_000
"""Lines of larger texts are not counted: that would take longer than a second."""


def describe_existing(sink: object) -> str:
    """Return how much the file of `sink` holds: "12,345 rows" or "3,000,000,000 bytes".

    The text is empty where there is nothing, or what is there cannot be counted: the sink reports
    a file of another kind when it is opened.
    """
    if not isinstance(sink, FileSink) or not sink.path.is_file() or not sink.path.stat().st_size:
        return ""
    try:
        rows = _rows(sink)
    except (OSError, sqlite3.Error, ValueError, ImportError):
        return ""
    if rows is None:
        return counted(sink.path.stat().st_size, "byte")
    return counted(rows, "row")


def _rows(sink: FileSink) -> int | None:
    """Return the number of rows; None where counting takes too long."""
    if isinstance(sink, SqliteSink):
        return _sqlite_rows(sink.path)
    if isinstance(sink, TextSink):
        header = isinstance(sink, CsvSink)
        return _lines(sink.path, header) if sink.path.stat().st_size <= MOST_BYTES else None
    from pyarrow import parquet

    with parquet.ParquetFile(sink.path) as file:
        return int(file.metadata.num_rows)


def _sqlite_rows(path: Path) -> int:
    """Return the highest row ID, which SQLite finds at once; a count reads the whole index.

    A connection that may only read would leave the files of the write-ahead log behind.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
        (rows,) = database.execute("SELECT max(rowid) FROM samples").fetchone()
    return rows or 0


def _lines(path: Path, header: bool) -> int:
    with path.open("rb") as file:
        blocks = iter(lambda: file.read(1 << 20), b"")
        return max(0, sum(block.count(b"\n") for block in blocks) - header)
