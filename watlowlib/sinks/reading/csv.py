"""Reads CSV files: with pyarrow in blocks, or line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.sinks.csv import csv_row
from watlowlib.sinks.files import complete_lines
from watlowlib.sinks.parquet.arrow import arrow, schema_of
from watlowlib.sinks.reading.blocks import (
    BYTE_ORDER_MARK,
    PARSED_TOGETHER,
    Block,
    TextFile,
    parse_blocks,
)
from watlowlib.sinks.reading.query import Query
from watlowlib.sinks.reading.reader import Rows
from watlowlib.sinks.reading.tables import rounded, table_of
from watlowlib.sinks.reading.texts import inferred, split_texts
from watlowlib.sinks.rows import COLUMN_TYPES, TEXTS, ColumnLayout, ColumnType

QUOTED_NUMBER = re.compile(
    rb'"(?:[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?inf|nan)"'
)
"""A text that looks like a number: only the quotation marks tell, which pyarrow removes."""


class CsvFile(TextFile):
    """A CSV file of `CsvSink`, or of another program with a header."""

    def rows(self, query: Query) -> Rows:
        """Yield the rows as dicts."""
        del query
        lines = map(csv_row, complete_lines(self._path, quotes=True))
        names = [str(name) for name in next(lines, [])]
        for cells in lines:
            yield dict(zip(names, cells))

    def tables(self, query: Query) -> Iterator[Any]:
        """Yield a table for each block of the file."""
        header = next(complete_lines(self._path, quotes=True), "")
        names = [str(name) for name in csv_row(header)]

        def parse(block: Block) -> Any:
            return read_block(block, names, query)

        yield from parse_blocks(self._path, parse, quotes=True, skip=len(header.encode()))


def read_block(block: Block, names: list[str], query: Query) -> Any:
    """Return the rows of `block`, CSV lines without a header, as a table.

    Raises:
        ValueError: A line is not CSV.
        WatlowSinkError: A column cannot hold one of its cells.
    """
    pa = arrow()
    quotes = b'"' in block
    exact = quotes and QUOTED_NUMBER.search(block.view) is not None
    if len(set(names)) == len(names) and not exact:
        try:
            return _read_fast(block.view, quotes, names, query)
        except pa.ArrowInvalid:  # lines of different lengths, or cells of another type
            pass
    return _read_exactly(bytes(block), names, query)


def typed_csv(
    lines: bytes | memoryview,
    schema: Any,
    columns: list[str] | None = None,
    *,
    quotes: bool,
    threads: bool,
) -> Any:
    """Return CSV lines without a header as a table.

    Args:
        lines: The lines.
        schema: The names and types of all cells of a line.
        columns: The columns to return; None for all.
        quotes: Whether a cell may be between quotation marks.
        threads: Whether pyarrow may use its own threads.

    Raises:
        ArrowInvalid: A line has another number of cells, or a cell another type.
    """
    if lines[:3] == BYTE_ORDER_MARK:  # of the first cell; pyarrow removes one
        lines = BYTE_ORDER_MARK + bytes(lines)
    csv = import_optional("pyarrow.csv")
    return csv.read_csv(
        arrow().BufferReader(lines),
        csv.ReadOptions(column_names=schema.names, block_size=PARSED_TOGETHER, use_threads=threads),
        csv.ParseOptions(newlines_in_values=quotes, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=schema,
            include_columns=columns or schema.names,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _read_fast(lines: memoryview, quotes: bool, names: list[str], query: Query) -> Any:
    pa = arrow()
    types = {name: _parsed_type(name) for name in names}
    schema = pa.schema({name: type_ or pa.string() for name, type_ in types.items()})
    wanted = [name for name in names if query.reads(name)]
    table = typed_csv(lines, schema, wanted, quotes=quotes, threads=False)
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
