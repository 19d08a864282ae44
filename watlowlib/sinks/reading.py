"""Read the rows of the file sinks, also while a sink is writing or after a crash.

for row in read_samples("run.parquet"):
    print(row["device"], row["value"])
frame = read_samples("run.sqlite").to_pandas()
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.sinks.csv import csv_row
from watlowlib.sinks.database import NAME, check_pattern
from watlowlib.sinks.files import complete_lines
from watlowlib.sinks.metadata import read_recordings
from watlowlib.sinks.parquet.arrow import arrow, from_batch, schema_of, to_batch
from watlowlib.sinks.parquet.finalize import added
from watlowlib.sinks.parquet.journal import SUFFIX, JournalReader, journal_of, parquet_of
from watlowlib.sinks.rows import COLUMN_TYPES, TIME_COLUMNS, ColumnLayout

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 10_000

Rows = Iterator[dict[str, Any]]


class StoredSamples:
    """The rows of a file; iterate over it any number of times, or convert it to a table.

    A row is a dict. `requested_at`, `received_at` and `midpoint_at` are datetimes in UTC;
    other cells are as written, in CSV with the apostrophes of `CsvSink(spreadsheet_safe=True)`.
    A row that a crash has torn is left out.
    """

    def __init__(self, path: Path, read: Callable[[], Rows], table: str = "samples") -> None:
        self._path = path
        self._table = table
        self._read = read

    def __repr__(self) -> str:
        return f"read_samples({shown(self._path)})"

    def __iter__(self) -> Rows:
        try:
            for row in self._read():
                yield {
                    name: datetime.fromisoformat(cell)
                    if name in TIME_COLUMNS and isinstance(cell, str)
                    else cell
                    for name, cell in row.items()
                }
        except (OSError, ValueError, sqlite3.Error) as error:
            raise WatlowSinkError(f"{self._path} could not be read: {error}") from error

    @property
    def metadata(self) -> list[dict[str, Any]]:
        """What is known about each recording, as `RecordingInfo.as_dict`; empty if nothing is.

        Raises:
            WatlowSinkError: It cannot be read.
        """
        try:
            return read_recordings(self._path, self._table)
        except (OSError, ValueError, sqlite3.Error) as error:
            raise WatlowSinkError(f"{self._path}: no metadata could be read: {error}") from error

    def to_arrow(self) -> Any:
        """Return a pyarrow Table, with numbers in `value` and text in `value_text`.

        Raises:
            WatlowSinkError: pyarrow is not installed, or the file cannot be read.
        """
        pa = arrow()
        rows = list(self)
        layout = ColumnLayout.infer(rows) if rows else ColumnLayout(COLUMN_TYPES)
        schema = schema_of(layout)
        return pa.Table.from_batches([to_batch(layout, schema, rows)], schema)

    def to_pandas(self) -> Any:
        """Return a pandas DataFrame with the columns as written.

        Raises:
            WatlowSinkError: pandas is not installed, or the file cannot be read.
        """
        return import_optional("pandas").DataFrame.from_records(list(self))

    def to_polars(self) -> Any:
        """Return a polars DataFrame, with numbers in `value` and text in `value_text`.

        Raises:
            WatlowSinkError: polars or pyarrow is not installed, or the file cannot be read.
        """
        return import_optional("polars").from_arrow(self.to_arrow())


def read_samples(path: str | os.PathLike[str], *, table: str = "samples") -> StoredSamples:
    """Return the rows of a CSV, JSON Lines, SQLite or Parquet file or a Parquet folder.

    Args:
        path: The file, whose extension selects the format, or a folder of Parquet files.
        table: The table in a SQLite file.

    Raises:
        WatlowConfigurationError: An unknown extension, a URL, or an invalid table name.
        WatlowSinkError: The file does not exist.
    """
    check_pattern("table", table, NAME, "letters, digits and underscores")
    if "://" in os.fspath(path):
        raise WatlowConfigurationError(
            f"{shown(path)}: give a file; read a database with SQL, for example in psycopg or "
            "pandas.read_sql"
        )
    file = Path(path)
    read = READERS.get(file.suffix.lower(), _folder if file.is_dir() else None)
    if read is None:
        raise WatlowConfigurationError(
            f"{shown(path)}: the file extension selects the format; "
            f"known are {', '.join(READERS)}, and folders of Parquet files"
        )
    if not file.exists() and not journal_of(file).exists():
        raise WatlowSinkError(f"there is no file {shown(path)}")
    if read is _sqlite:
        return StoredSamples(file, lambda: _sqlite(file, table), table)
    return StoredSamples(file, lambda: read(file))


def _csv(path: Path) -> Rows:
    lines = map(csv_row, complete_lines(path, quotes=True))
    names = [str(name) for name in next(lines, [])]
    for cells in lines:
        yield dict(zip(names, cells))


def _jsonl(path: Path) -> Rows:
    for line in complete_lines(path, quotes=False):
        yield json.loads(line)


def _sqlite(path: Path, table: str = "samples") -> Rows:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
        if table not in tables:
            if tables:
                raise WatlowSinkError(f"{path} has no table {table!r}; there is {tables[0]!r}")
            return
        cursor = database.execute(f'SELECT * FROM "{table}" ORDER BY rowid')
        names = [column[0] for column in cursor.description]
        for cells in cursor:
            yield dict(zip(names, cells))


def _parquet(path: Path) -> Rows:
    if path.is_dir():
        yield from _folder(path)
        return
    parquet = import_optional("pyarrow.parquet")
    # Open the journal first: a sink may finish and delete it while the file is read.
    with JournalReader(journal_of(path)) as journal:
        if path.exists():
            with parquet.ParquetFile(path) as file:
                journal_added = journal.schema is not None and added(journal.schema, file)
                for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                    yield from from_batch(batch)
            if journal_added:
                return
        for batch in journal:
            yield from from_batch(batch)
        if journal.bytes_left:
            log.warning(
                "%s: the last %d bytes are left out: they are not a valid batch, but incomplete "
                "or damaged",
                journal_of(path),
                journal.bytes_left,
            )


def _folder(path: Path) -> Rows:
    journals = {parquet_of(each) for each in path.glob(f"_*{SUFFIX}")}
    for each in sorted({*path.glob("[!_]*.parquet"), *journals}):
        yield from _parquet(each)


READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".sqlite": _sqlite,
    ".sqlite3": _sqlite,
    ".db": _sqlite,
    ".parquet": _parquet,
}
