"""Reads a Parquet file together with its journal, also while a sink is writing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watlowlib._internal.log import logger
from watlowlib._internal.optional import import_optional
from watlowlib.sinks.parquet.arrow import arrow, from_batch, schema_of
from watlowlib.sinks.parquet.finalize import added, recordings_in
from watlowlib.sinks.parquet.journal import JournalReader, journal_of
from watlowlib.sinks.reading.query import Query
from watlowlib.sinks.reading.reader import ROWS_AT_ONCE, Recordings, Rows
from watlowlib.sinks.rows import COLUMN_TYPES, ColumnLayout

log = logger(__name__)


class ParquetFile:
    """A Parquet file and its journal; one of them may be missing."""

    def __init__(self, path: Path) -> None:
        self.source = str(path)
        self._path = path

    def __str__(self) -> str:
        return self.source

    def rows(self, query: Query) -> Rows:
        """Yield the rows as dicts."""
        for table in self.tables(query):
            for start in range(0, table.num_rows, ROWS_AT_ONCE):
                yield from from_batch(table.slice(start, ROWS_AT_ONCE))

    def tables(self, query: Query) -> Iterator[Any]:
        """Yield the row groups of the file and then the batches of the journal as tables."""
        pa = arrow()
        # Open the journal first: a sink may finish and delete it while the file is read.
        with JournalReader(journal_of(self._path)) as journal:
            if self._path.exists():
                with pa.OSFile(str(self._path), "rb") as source:
                    file = import_optional("pyarrow.parquet").ParquetFile(source)
                    journal_added = journal.schema is not None and added(journal.schema, file)
                    yield from self._tables(source, file, query)
                if journal_added:
                    return
            if journal.schema is not None:
                query.check(journal.schema.names, self)
                yield journal.schema.empty_table()
            for batch in journal:
                yield pa.Table.from_batches([batch])
            if journal.bytes_left:
                log.warning(
                    "%s: the last %d bytes are left out: they are not a valid batch, but "
                    "incomplete or damaged",
                    journal_of(self._path),
                    journal.bytes_left,
                )

    def recordings(self) -> Recordings:
        """Return the recordings in the file's metadata and in the journal."""
        # Open the journal first: a sink may finish and delete it while the file is read.
        with JournalReader(journal_of(self._path)) as journal:
            found: Recordings = []
            if self._path.exists():
                with import_optional("pyarrow.parquet").ParquetFile(self._path) as file:
                    found = recordings_in(file)
            for _ in journal:
                pass
            return found + journal.recordings

    def _tables(self, source: Any, file: Any, query: Query) -> Iterator[Any]:
        """Yield the row groups of `source`, an open file, that may have rows for `query`."""
        schema = file.schema_arrow
        query.check(schema.names, self)
        columns = query.arrow_columns(schema.names)
        yield schema.empty_table().select(columns)
        texts = [name for name in columns if arrow().types.is_string(schema.field(name).type)]
        dictionaries = texts if query.dictionaries else []
        if query.filtered and _comparable(schema, query):
            yield from _scanned(source, columns, dictionaries, query)
            return
        parquet = import_optional("pyarrow.parquet")
        for group in range(file.num_row_groups):
            # A ParquetFile keeps its first memory pool. Opening it again is cheap.
            again = parquet.ParquetFile(
                source, metadata=file.metadata, read_dictionary=dictionaries
            )
            yield again.read_row_group(group, columns)


def _scanned(source: Any, columns: list[str], texts: list[str], query: Query) -> Iterator[Any]:
    """Yield the rows of each row group that pass the filters of `query`.

    The fragment of a dataset skips row groups by their statistics.
    """
    form = import_optional("pyarrow.dataset").ParquetFileFormat(dictionary_columns=texts)
    fragment = form.make_fragment(source)
    schema, rows = fragment.physical_schema, query.expression()
    for group in fragment.split_by_row_group(rows, schema):
        yield group.to_table(schema, columns=columns, filter=rows)


def _comparable(schema: Any, query: Query) -> bool:
    """Whether the columns of the filters have the types of a `ParquetSink`."""
    usual = schema_of(ColumnLayout({name: COLUMN_TYPES[name] for name in query.filtered}))
    return all(schema.field(field.name).type == field.type for field in usual)
