"""Rows in PostgreSQL's binary COPY format, and back.

They are made once, when rows come in: so they wait in the spool, and so they are sent.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import chain, groupby, repeat
from typing import Any, NamedTuple
from uuid import UUID

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.rows import (
    Cache,
    Column,
    ColumnLayout,
    ColumnType,
    Row,
    TimeCount,
    columns_of,
    split_numbers,
)

EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NAME_BYTES = 63
"""The longest name a column can have; the server cuts off what is longer."""

TAKEN = frozenset({"run_id", "seq", "tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"})
"""Columns that are there by themselves."""

_NULL = b"\xff\xff\xff\xff"
_FORMS = {ColumnType.INTEGER: "iq", ColumnType.TIME: "iq", ColumnType.REAL: "id"}
"""How a number's length and the number itself stand there."""

_keys = struct.Struct(">i16siq").pack
_length = struct.Struct(">i")


def pack(layout: ColumnLayout, rows: Sequence[Row], run_id: UUID, first_seq: int) -> bytes:
    """`rows`, each with its run and a number that counts up from `first_seq`.

    Raises:
        WatlowSinkError: A cell that its column cannot hold, or a name no column can have.
    """
    kinds = columns_of(layout)
    for name in kinds:
        _check_name(name)
    columns: list[Column] = []
    for kind, column in zip(layout.types.values(), layout.columns(rows, TimeCount(EPOCH))):
        columns += split_numbers(column) if kind is ColumnType.ANY else [column]
    packed: list[Iterable[bytes]] = [repeat(struct.pack(">h", len(kinds) + 2))]
    named = (Named(*each, column) for each, column in zip(kinds.items(), columns))
    for pack_all, neighbours in groupby(named, _way):
        packed += pack_all(list(neighbours))
    numbers = range(first_seq, first_seq + len(rows))
    packed.append(map(_keys, repeat(16), repeat(run_id.bytes), repeat(8), numbers))
    return b"".join(chain.from_iterable(zip(*packed)))


def _check_name(name: str) -> None:
    size = len(name.encode("utf-8", "replace"))
    if name in TAKEN or "\0" in name or not 0 < size <= NAME_BYTES:
        raise WatlowSinkError(
            f"column {name!r} needs another name: 1 to {NAME_BYTES} bytes, and none of "
            + ", ".join(sorted(TAKEN))
        )


class Named(NamedTuple):
    """A column, and what it is called."""

    name: str
    kind: ColumnType
    cells: Column


def _way(column: Named) -> Callable[[Sequence[Named]], list[Iterable[bytes]]]:
    """How the column is packed, and its neighbours with it that are packed in the same way."""
    if column.name == "requested_at" and None in column.cells:
        raise WatlowSinkError("a row without requested_at: the server files rows by it")
    if column.kind in (ColumnType.TEXT, ColumnType.INTEGER):
        return _recurring
    return _gaps if None in column.cells else _numbers


def _recurring(columns: Sequence[Named]) -> list[Iterable[bytes]]:
    """What is the same again and again, such as a device and its parameters: made once."""

    def write(cells: tuple[Any, ...]) -> bytes:
        return b"".join(map(_cell, columns, cells))

    return [list(map(Cache(write).__getitem__, zip(*(column.cells for column in columns))))]


def _numbers(columns: Sequence[Named]) -> list[Iterable[bytes]]:
    """What is another number in each row: all of them in one go."""
    form = struct.Struct(">" + "".join(_FORMS[column.kind] for column in columns))
    cells = chain.from_iterable((repeat(8), column.cells) for column in columns)
    try:
        return [list(map(form.pack, *cells))]
    except struct.error:
        return _gaps(columns)  # which knows the column


def _gaps(columns: Sequence[Named]) -> list[Iterable[bytes]]:
    return [[_cell(column, cell) for cell in column.cells] for column in columns]


def _cell(column: Named, cell: Any) -> bytes:
    if cell is None:
        return _NULL
    try:
        if column.kind is ColumnType.TEXT:
            return _text(cell)
        return struct.pack(">" + _FORMS[column.kind], 8, cell)
    except (struct.error, ValueError, AttributeError) as error:
        raise WatlowSinkError(
            f"column {column.name!r} holds {column.kind.value}: {error}"
        ) from error


def _text(cell: str) -> bytes:
    if "\0" in cell:
        raise ValueError(f"PostgreSQL cannot hold {cell!r}")
    data = cell.encode()
    return _length.pack(len(data)) + data


def unpack(layout: ColumnLayout, data: bytes) -> Iterator[list[Any]]:
    """The rows of `data`, with run and number, as Python has them."""
    kinds = list(columns_of(layout).values())
    readers = [*(_READERS[kind] for kind in kinds), _run, _READERS[ColumnType.INTEGER]]
    at = 0
    while at < len(data):
        at += 2
        row: list[Any] = []
        for read in readers:
            (length,) = _length.unpack_from(data, at)
            at += 4
            row.append(None if length < 0 else read(data[at : at + length]))
            at += max(length, 0)
        yield row


def _run(data: bytes) -> UUID:
    return UUID(bytes=data)


_READERS: dict[ColumnType, Callable[[bytes], Any]] = {
    ColumnType.TEXT: bytes.decode,
    ColumnType.INTEGER: lambda data: struct.unpack(">q", data)[0],
    ColumnType.REAL: lambda data: struct.unpack(">d", data)[0],
    ColumnType.TIME: lambda data: EPOCH + timedelta(microseconds=struct.unpack(">q", data)[0]),
}
