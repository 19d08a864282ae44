"""Packs rows into PostgreSQL's binary COPY format, and unpacks them.

Rows are packed once, in `write_many`; the spool stores and COPY sends them packed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import chain, groupby, repeat
from typing import Any, NamedTuple
from uuid import UUID

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.cells import Cache, TimeCount
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

_NULL = b"\xff\xff\xff\xff"
_FORMATS = {ColumnType.INTEGER: "iq", ColumnType.TIME: "iq", ColumnType.REAL: "id"}
"""`struct` formats of a number's length and the number itself."""

_pack_keys = struct.Struct(">i16siq").pack
_length = struct.Struct(">i")
_count = struct.Struct(">h")


def pack(layout: ColumnLayout, rows: Sequence[Row], run_id: UUID, first_seq: int) -> bytes:
    """Return `rows` packed, with `run_id` and a `seq` that counts up from `first_seq`.

    Raises:
        WatlowSinkError: A column cannot hold one of its cells, or its name is not allowed.
    """
    types = columns_of(layout)
    for name in types:
        _check_name(name)
    columns: list[Column] = []
    for type_, column in zip(layout.types.values(), layout.columns(rows, TimeCount(EPOCH))):
        columns += split_numbers(column) if type_ is ColumnType.ANY else [column]
    packed: list[Iterable[bytes]] = [repeat(struct.pack(">h", len(types) + 2))]
    named = (NamedColumn(*each, column) for each, column in zip(types.items(), columns))
    for pack_columns, neighbours in groupby(named, _packer_for):
        packed += pack_columns(list(neighbours))
    seqs = range(first_seq, first_seq + len(rows))
    packed.append(map(_pack_keys, repeat(16), repeat(run_id.bytes), repeat(8), seqs))
    return b"".join(chain.from_iterable(zip(*packed)))


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


def _packer_for(column: NamedColumn) -> Callable[[Sequence[NamedColumn]], list[Iterable[bytes]]]:
    """Return the function that packs `column`, and neighbours with the same function."""
    if column.name == "requested_at" and None in column.cells:
        raise WatlowSinkError("give every row a requested_at: the table is indexed by it")
    recurring = column.type in (ColumnType.TEXT, ColumnType.INTEGER)
    if recurring or column.name == "scheduled_at":  # the same for all samples of a tick
        return _pack_recurring
    return _pack_cells if None in column.cells else _pack_numbers


def _pack_recurring(columns: Sequence[NamedColumn]) -> list[Iterable[bytes]]:
    """Pack cells that recur, such as a device and its parameters: each combination once."""

    def write(cells: tuple[Any, ...]) -> bytes:
        return b"".join(map(_pack_cell, columns, cells))

    return [list(map(Cache(write).__getitem__, zip(*(column.cells for column in columns))))]


def _pack_numbers(columns: Sequence[NamedColumn]) -> list[Iterable[bytes]]:
    """Pack numbers that differ in each row: a whole row of them in one call."""
    row = struct.Struct(">" + "".join(_FORMATS[column.type] for column in columns))
    cells = chain.from_iterable((repeat(8), column.cells) for column in columns)
    try:
        return [list(map(row.pack, *cells))]
    except struct.error:
        return _pack_cells(columns)  # raises an error that names the column


def _pack_cells(columns: Sequence[NamedColumn]) -> list[Iterable[bytes]]:
    return [[_pack_cell(column, cell) for cell in column.cells] for column in columns]


def _pack_cell(column: NamedColumn, cell: Any) -> bytes:
    if cell is None:
        return _NULL
    try:
        if column.type is ColumnType.TEXT:
            return _pack_text(cell)
        return struct.pack(">" + _FORMATS[column.type], 8, cell)
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
