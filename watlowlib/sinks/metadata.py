"""Read back what the file sinks have stored about the recordings of their rows."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.sinks.meta_file import distinct, recordings_beside
from watlowlib.sinks.parquet.finalize import recordings_in
from watlowlib.sinks.parquet.journal import SUFFIX, JournalReader, journal_of, parquet_of
from watlowlib.sinks.sqlite import RECORDINGS

Recordings = list[dict[str, Any]]


def read_recordings(path: Path, table: str = "samples") -> Recordings:
    """Return what is known about the recordings in a file or Parquet folder, the first one first.

    Args:
        path: The file; its extension selects the format.
        table: The table of the rows in a SQLite file.

    Raises:
        OSError, ValueError, sqlite3.Error: It could not be read.
    """
    suffix = path.suffix.lower()
    if suffix in (".sqlite", ".sqlite3", ".db"):
        return _sqlite(path, table)
    if suffix == ".parquet" or path.is_dir():
        return distinct(_parquet(path))
    return recordings_beside(path)


def _sqlite(path: Path, table: str) -> Recordings:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        columns = {name for _, name, *_ in database.execute(f"PRAGMA table_info({RECORDINGS})")}
        if not {"table_name", "info"} <= columns:  # none, or another program's table
            return []
        query = f"SELECT info FROM {RECORDINGS} WHERE table_name = ? ORDER BY rowid"
        return [json.loads(info) for (info,) in database.execute(query, (table,))]


def _parquet(path: Path) -> Recordings:
    if path.is_dir():
        files = {*path.glob("[!_]*.parquet"), *map(parquet_of, path.glob(f"_*{SUFFIX}"))}
        return [each for file in sorted(files) for each in _parquet(file)]
    # Open the journal first: a sink may finish and delete it while the file is read.
    with JournalReader(journal_of(path)) as journal:
        found: Recordings = []
        if path.exists():
            with import_optional("pyarrow.parquet").ParquetFile(path) as file:
                found = recordings_in(file)
        for _ in journal:
            pass
        return found + journal.recordings
