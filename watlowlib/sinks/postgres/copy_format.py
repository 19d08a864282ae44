"""Packs rows into PostgreSQL's binary COPY format, and unpacks them.

Rows are packed once, in `write_many`; the spool stores and COPY sends them packed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import chain, count, groupby, islice, repeat
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from watlowlib._internal.cache import Memo
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.cells import TimeCount
from watlowlib.sinks.rows import (
    Column,
    ColumnLayout,
    ColumnType,
    Row,
    columns_of,
    split_numbers,
)

EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NAME_BYTES = 63
"""The longest name of a column; the server truncates longer names."""

RESERVED_NAMES = frozenset({"run_id", "seq", "tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"})
"""Column names that the sink adds or that PostgreSQL reserves."""

Field: TypeAlias = "tuple[str | None, Iterable[Any]]"
"""A part of each row: its `struct` format, and a number or bytes for each row.

The format is None for bytes whose number differs.
"""

AddFields: TypeAlias = "Callable[[list[Field], list[NamedColumn], bytes], bytes]"

_NULL = b"\xff\xff\xff\xff"
_FORMATS = {ColumnType.INTEGER: "q", ColumnType.TIME: "q", ColumnType.REAL: "d"}
"""`struct` formats of the numbers."""

_length = struct.Struct(">i")
_count = struct.Struct(">h")
_seq = struct.Struct(">q")
_numbers = {type_: struct.Struct(f">i{format_}") for type_, format_ in _FORMATS.items()}
_number_length = _length.pack(8)
_structs = Memo(struct.Struct)

FEW_ROWS = 8
"""Up to so many rows are packed cell by cell."""

ROWS_AT_ONCE = 1000
"""Rows that are packed together: other threads wait until this is done."""


def pack(
    layout: ColumnLayout, rows: Sequence[Row], run_id: UUID, first_seq: int
) -> Iterator[bytes]:
    """Yield `rows` packed, with `run_id` and a `seq` that counts up from `first_seq`.

    Raises:
        WatlowSinkError: A column cannot hold one of its cells, or its name is not allowed.
    """
    types = columns_of(layout)
    for name in types:
        _check_name(name)
    # In front of each `seq`.
    run = _length.pack(len(run_id.bytes)) + run_id.bytes + _number_length
    left = iter(rows)
    parts = iter(lambda: list(islice(left, ROWS_AT_ONCE)), [])
    seqs = count(first_seq, ROWS_AT_ONCE)
    for part, seq in zip(parts, seqs):
        yield _pack_part(layout, types, part, run, seq)


def _pack_part(
    layout: ColumnLayout, types: dict[str, ColumnType], rows: Sequence[Row], run: bytes, seq: int
) -> bytes:
    columns: list[Column] = []
    for type_, column in zip(layout.types.values(), layout.columns(rows, TimeCount(EPOCH).column)):
        columns += split_numbers(column) if type_ is ColumnType.ANY else [column]
    if "requested_at" in types and None in columns[list(types).index("requested_at")]:
        raise WatlowSinkError("give every row a requested_at: the table is indexed by it")
    named = [NamedColumn(*each, column) for each, column in zip(types.items(), columns)]
    if len(rows) <= FEW_ROWS:
        return _pack_few(named, run, seq)
    # From the last field to the first: what precedes a number ends the text in front of it.
    fields: list[Field] = [("q", range(seq, seq + len(rows)))]
    before = run
    for add_fields, neighbours in groupby(reversed(named), _adder_for):
        before = add_fields(fields, list(neighbours), before)
    _add_constant(fields, _count.pack(len(types) + 2) + before)
    try:
        return b"".join(chain.from_iterable(zip(*_pieces(fields[::-1]))))
    except struct.error:
        for column in named:
            _pack_cells(column)  # raises an error that names the column
        raise


def _pack_few(columns: list[NamedColumn], run: bytes, seq: int) -> bytes:
    """Pack few rows cell by cell, which is faster than to prepare fields."""
    begin = _count.pack(len(columns) + 2)
    rows = zip(*map(_pack_cells, columns))
    return b"".join(
        [b"".join((begin, *row, run, _seq.pack(number))) for number, row in enumerate(rows, seq)]
    )


@lru_cache(1000)
def _check_name(name: str) -> None:
    size = len(name.encode("utf-8", "replace"))
    if name in RESERVED_NAMES or "\0" in name or not 0 < size <= NAME_BYTES:
        raise WatlowSinkError(
            f"column {name!r} needs another name: give 1 to {NAME_BYTES} bytes without a null "
            f"character, and none of {', '.join(sorted(RESERVED_NAMES))}"
        )


class NamedColumn(NamedTuple):
    """A column with its name and type."""

    name: str
    type: ColumnType
    cells: Column


def _pieces(fields: Iterable[Field]) -> Iterator[Iterable[bytes]]:
    """Yield the pieces of all rows: neighbouring fields with a format are packed in one call."""
    for fixed, neighbours in groupby(fields, lambda field: field[0] is not None):
        if fixed:
            formats, cells = zip(*neighbours)
            yield map(_structs[">" + "".join(formats)].pack, *cells)
        else:
            yield from (cells for _, cells in neighbours)


def _adder_for(column: NamedColumn) -> AddFields:
    """Return the function that adds the fields of `column`, and of neighbours with the same one.

    It adds what comes between them and the fields behind them, too. It returns what must come in
    front of them.
    """
    of_tick = column.name in ("tick", "scheduled_at")  # usually in each row or in none
    if column.type in (ColumnType.TEXT, ColumnType.INTEGER) and not of_tick:
        return _add_recurring
    if None not in column.cells:
        return _add_numbers
    return _add_recurring if of_tick else _add_cells


def _add_constant(fields: list[Field], data: bytes) -> None:
    if data == _number_length:
        fields.append(("i", repeat(8)))  # faster than bytes
    elif data:
        fields.append((f"{len(data)}s", repeat(data)))


def _add_recurring(fields: list[Field], columns: list[NamedColumn], before: bytes) -> bytes:
    columns.reverse()
    lengths = set()

    def write(cells: tuple[Any, ...]) -> bytes:
        data = b"".join(map(_pack_cell, columns, cells)) + before
        lengths.add(len(data))
        return data

    packed = list(map(Memo(write).__getitem__, zip(*(column.cells for column in columns))))
    fields.append((f"{lengths.pop()}s" if len(lengths) == 1 else None, packed))
    return b""


def _add_numbers(fields: list[Field], columns: list[NamedColumn], before: bytes) -> bytes:
    for column in columns:
        _add_constant(fields, before)
        fields.append((_FORMATS[column.type], column.cells))
        before = _number_length
    return before


def _add_cells(fields: list[Field], columns: list[NamedColumn], before: bytes) -> bytes:
    _add_constant(fields, before)
    fields.extend((None, _pack_cells(column)) for column in columns)
    return b""


def _pack_cells(column: NamedColumn) -> list[bytes]:
    return [_pack_cell(column, cell) for cell in column.cells]


def _pack_cell(column: NamedColumn, cell: Any) -> bytes:
    if cell is None:
        return _NULL
    try:
        if column.type is ColumnType.TEXT:
            return _pack_text(cell)
        return _numbers[column.type].pack(8, cell)
    except (struct.error, ValueError, AttributeError) as error:
        raise WatlowSinkError(
            f"column {column.name!r} holds {column.type.value}: {error}"
        ) from error


def _pack_text(cell: str) -> bytes:
    if "\0" in cell:
        raise ValueError(f"PostgreSQL cannot store the null character in {cell!r}")
    data = cell.encode()
    return _length.pack(len(data)) + data


def unpack(layout: ColumnLayout, data: bytes) -> Iterator[list[Any]]:
    """Yield the rows of `data` as Python values, each with its `run_id` and `seq`."""
    types = columns_of(layout).values()
    readers: list[Callable[[bytes], Any]] = [_READERS[type_] for type_ in types]
    readers += [lambda data: UUID(bytes=data), _READERS[ColumnType.INTEGER]]
    offset = 0
    while offset < len(data):
        offset += 2  # the number of columns
        row: list[Any] = []
        for read in readers:
            (length,) = _length.unpack_from(data, offset)
            offset += 4
            row.append(None if length < 0 else read(data[offset : offset + length]))
            offset += max(length, 0)
        yield row


def times_of(layout: ColumnLayout, data: bytes) -> Iterator[datetime]:
    """Yield the `requested_at` of each row of `data`."""
    column = list(columns_of(layout)).index("requested_at")
    for cells in _split_cells(data):
        yield _READERS[ColumnType.TIME](cells[column][4:])


def split_rows(data: bytes) -> list[bytes]:
    """Return each row of `data`, packed."""
    return [_count.pack(len(cells)) + b"".join(cells) for cells in _split_cells(data)]


def without_columns(layout: ColumnLayout, data: bytes, names: Collection[str]) -> bytes:
    """Return the rows of `data` without the cells of the columns `names`."""
    columns = [*columns_of(layout), "run_id", "seq"]
    kept = [number for number, name in enumerate(columns) if name not in names]
    count = _count.pack(len(kept))
    return b"".join(
        count + b"".join([cells[number] for number in kept]) for cells in _split_cells(data)
    )


def _split_cells(data: bytes) -> Iterator[list[bytes]]:
    """Yield the packed cells of each row of `data`."""
    offset = 0
    while offset < len(data):
        (columns,) = _count.unpack_from(data, offset)
        offset += 2
        cells: list[bytes] = []
        for _ in range(columns):
            start = offset
            (length,) = _length.unpack_from(data, offset)
            offset += 4 + max(length, 0)
            cells.append(data[start:offset])
        yield cells


_READERS: dict[ColumnType, Callable[[bytes], Any]] = {
    ColumnType.TEXT: bytes.decode,
    ColumnType.INTEGER: lambda data: struct.unpack(">q", data)[0],
    ColumnType.REAL: lambda data: struct.unpack(">d", data)[0],
    ColumnType.TIME: lambda data: EPOCH + timedelta(microseconds=struct.unpack(">q", data)[0]),
}
