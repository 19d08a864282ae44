"""Reads CSV files: with pyarrow in blocks, or line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.sinks.csv import csv_row
from watlowlib.sinks.files import complete_lines
from watlowlib.sinks.meta_file import recordings_beside
from watlowlib.sinks.parquet.arrow import arrow, schema_of
from watlowlib.sinks.reading.blocks import complete_blocks
from watlowlib.sinks.reading.query import Query
from watlowlib.sinks.reading.reader import Recordings, Rows
from watlowlib.sinks.reading.tables import rounded, table_of
from watlowlib.sinks.reading.texts import inferred, split_texts
from watlowlib.sinks.rows import COLUMN_TYPES, TEXTS, ColumnLayout, ColumnType

QUOTED_NUMBER = re.compile(
    rb'"(?:[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf|nan)"'
)
"""A text that looks like a number: only the quotation marks tell, which pyarrow removes."""

PARSED_TOGETHER = 1 << 21
"""The bytes that one thread of pyarrow parses at a time."""


class CsvFile:
    """A CSV file of `CsvSink`, or of another program with a header."""

    def __init__(self, path: Path) -> None:
        self.source = str(path)
        self._path = path

    def __str__(self) -> str:
        return self.source

    def recordings(self) -> Recordings:
        """Return the recordings in the file beside, `NAME.meta.json`."""
        return recordings_beside(self._path)

    def rows(self, query: Query) -> Rows:
        """Yield the rows as dicts."""
        del query
        lines = map(csv_row, complete_lines(self._path, quotes=True))
        names = [str(name) for name in next(lines, [])]
        for cells in lines:
            yield dict(zip(names, cells))

    def tables(self, query: Query) -> Iterator[Any]:
        """Yield a table for each block of the file."""
        names: list[str] | None = None
        for block in complete_blocks(self._path, quotes=True):
            if names is None:
                header, block = _split_header(block)
                names = [str(name) for name in csv_row(header)]
            yield read_block(block, names, query)


def _split_header(block: bytes) -> tuple[str, bytes]:
    end = block.index(b"\n") + 1
    while block.count(b'"', 0, end) % 2:
        end = block.index(b"\n", end) + 1
    return block[:end].decode(), block[end:]


def read_block(block: bytes, names: list[str], query: Query) -> Any:
    """Return the rows of `block`, CSV lines without a header, as a table.

    Raises:
        ValueError: A line is not CSV.
        WatlowSinkError: A column cannot hold one of its cells.
    """
    pa = arrow()
    if block and len(set(names)) == len(names) and not _has_quoted_number(block):
        try:
            return _read_fast(block, names, query)
        except pa.ArrowInvalid:  # lines of different lengths, or cells of another type
            pass
    return _read_exactly(block, names, query)


def _has_quoted_number(block: bytes) -> bool:
    return b'"' in block and QUOTED_NUMBER.search(block) is not None


def typed_csv(block: bytes, schema: Any, columns: list[str] | None = None) -> Any:
    """Return CSV lines without a header as a table.

    Args:
        block: The lines.
        schema: The names and types of all cells of a line.
        columns: The columns to return; None for all.

    Raises:
        ArrowInvalid: A line has another number of cells, or a cell another type.
    """
    if not block:
        return schema.empty_table().select(columns or schema.names)
    csv = import_optional("pyarrow.csv")
    return csv.read_csv(
        arrow().BufferReader(block),
        csv.ReadOptions(column_names=schema.names, block_size=PARSED_TOGETHER),
        csv.ParseOptions(newlines_in_values=b'"' in block, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=schema,
            include_columns=columns or schema.names,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _read_fast(block: bytes, names: list[str], query: Query) -> Any:
    pa = arrow()
    types = {name: _parsed_type(name) for name in names}
    schema = pa.schema({name: type_ or pa.string() for name, type_ in types.items()})
    table = typed_csv(block, schema, [name for name in names if query.reads(name)])
    columns: dict[str, Any] = {}
    for name in table.column_names:
        column = table.column(name)
        if types[name] is not None:
            columns[name] = column
        elif name in COLUMN_TYPES:
            columns[name], columns[name + TEXTS] = split_texts(column.combine_chunks())
        else:
            columns.update(inferred(name, column.combine_chunks()))
    return rounded(pa.table(columns))


def _parsed_type(name: str) -> Any:
    """Return the Arrow type of the column `name`; None if it depends on the cells."""
    type_ = COLUMN_TYPES.get(name, ColumnType.ANY)
    if type_ is ColumnType.ANY:
        return None
    return schema_of(ColumnLayout({name: type_})).field(0).type


def _read_exactly(block: bytes, names: list[str], query: Query) -> Any:
    rows, line = [], ""
    for part in block.decode().split("\n")[:-1]:
        line += part + "\n"
        if line.count('"') % 2 == 0:
            cells = dict(zip(names, csv_row(line)))
            rows.append({name: cell for name, cell in cells.items() if query.reads(name)})
            line = ""
    if not rows:
        return arrow().table({name: [] for name in names if query.reads(name)})
    return table_of(rows)
