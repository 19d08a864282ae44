"""Reads JSON Lines files: with pyarrow in blocks, or line by line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.sinks.files import complete_lines
from watlowlib.sinks.parquet.arrow import arrow, schema_of
from watlowlib.sinks.reading.blocks import PARSED_TOGETHER, Block, TextFile, parse_blocks
from watlowlib.sinks.reading.query import Query
from watlowlib.sinks.reading.reader import Rows
from watlowlib.sinks.reading.tables import rounded, table_of
from watlowlib.sinks.reading.texts import split_texts
from watlowlib.sinks.rows import COLUMN_TYPES, TEXTS, ColumnLayout, ColumnType

NUMBER_VALUE = re.compile(rb'("value":)(-?[0-9][^,}]*)')
MARK = "\x01"
"""Written before numbers that pyarrow is to read as texts, to tell them from texts."""

MARKED_TEXT = b'"value":"\\u0001'


class JsonlFile(TextFile):
    """A JSON Lines file of `JsonlSink`, or of another program."""

    def rows(self, query: Query) -> Rows:
        """Yield the rows as dicts."""
        del query
        for line in complete_lines(self._path, quotes=False):
            yield json.loads(line)

    def tables(self, query: Query) -> Iterator[Any]:
        """Yield a table for each block of the file."""
        return parse_blocks(self._path, lambda block: _table(block, query), quotes=False)


def _table(block: Block, query: Query) -> Any:
    first = block.data[: block.data.index(b"\n")]
    names = list(json.loads(first))
    if COLUMN_TYPES.keys() >= set(names):
        try:
            return rounded(_read_fast(block, names, query))
        except arrow().ArrowInvalid:  # cells of another type
            pass
    return _read_exactly(bytes(block), query)


def _read_fast(block: Block, names: list[str], query: Query) -> Any:
    """Return the rows of a block with known columns.

    Raises:
        ArrowInvalid: A line has other columns, or a column has cells of another type.
    """
    names = [name for name in names if query.reads(name)]
    if "value" not in names:
        return _parse(block.view, names, arrow().float64(), query)
    after = re.match(rb'.*?"value":[^\n]*?(,"\w+":|\})', block.view)
    try:
        table = _parse(block.view, names, arrow().float64(), query)
        if after is not None and _only_floats(table.column("value"), block, after[1]):
            missing = arrow().nulls(table.num_rows, arrow().string())
            at = table.column_names.index("value") + 1
            return table.add_column(at, "value" + TEXTS, missing)
    except arrow().ArrowInvalid:
        pass
    if MARKED_TEXT in block:
        raise arrow().ArrowInvalid("a text begins with the mark of numbers")
    return _with_texts(_parse(_marked(bytes(block)), names, arrow().string(), query))


def _parse(lines: bytes | memoryview, names: list[str], value: Any, query: Query) -> Any:
    pa, reader = arrow(), import_optional("pyarrow.json")
    fields = [(name, value if name == "value" else _type_of(COLUMN_TYPES[name])) for name in names]
    unexpected = "error" if query.columns is None else "ignore"
    return reader.read_json(
        pa.BufferReader(lines),
        reader.ReadOptions(block_size=PARSED_TOGETHER, use_threads=False),
        reader.ParseOptions(
            explicit_schema=pa.schema(fields), unexpected_field_behavior=unexpected
        ),
    )


def _type_of(type_: ColumnType) -> Any:
    return schema_of(ColumnLayout({"": type_})).field(0).type


def _only_floats(values: Any, block: Block, after: bytes) -> bool:
    """Whether no cell of `values` is an integer in `block`: each whole number ends in ".0".

    Args:
        values: The column, as floats.
        block: The lines that it was read from.
        after: What follows the value in each line.
    """
    pc = import_optional("pyarrow.compute")
    whole = pc.equal(values, pc.trunc(values))
    return pc.sum(whole).as_py() in (None, block.count(b".0" + after))


def _marked(block: bytes) -> bytes:
    """Return `block` with the numbers in "value" as texts that begin with `MARK`."""
    return NUMBER_VALUE.sub(rb'\1"\\u0001\2"', block)


def _with_texts(table: Any) -> Any:
    """Split the column "value" of marked numbers and texts."""
    pa, pc = arrow(), import_optional("pyarrow.compute")
    at = table.column_names.index("value")
    cells = table.column(at).combine_chunks()
    marked = pc.starts_with(cells, MARK)
    missing = pa.scalar(None, pa.string())
    numbers, integers = split_texts(pc.utf8_ltrim(pc.if_else(marked, cells, missing), MARK))
    table = table.set_column(at, "value", numbers)
    return table.add_column(at + 1, "value" + TEXTS, pc.if_else(marked, integers, cells))


def _read_exactly(block: bytes, query: Query) -> Any:
    rows = []
    for line in block.decode().split("\n")[:-1]:
        cells = json.loads(line)
        rows.append({name: cell for name, cell in cells.items() if query.reads(name)})
    return table_of(rows)
