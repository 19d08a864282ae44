"""Rows in PostgreSQL's binary COPY format, and back.

They are made once, when rows come in: so they wait in the spool, and so they are sent.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import chain, repeat
from typing import Any
from uuid import UUID

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.cells import Cache
from watlowlib.sinks.rows import (
    Column,
    Kind,
    Layout,
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
_whole = struct.Struct(">iq").pack
_real = struct.Struct(">id").pack
_length = struct.Struct(">i")


def pack(layout: Layout, rows: Sequence[Row], run_id: UUID, first_seq: int) -> bytes:
    """`rows`, each with its run and a number that counts up from `first_seq`.

    Raises:
        WatlowSinkError: A cell that its column cannot hold, or a name no column can have.
    """
    kinds = columns_of(layout)
    for name in kinds:
        _check_name(name)
    columns: list[Column] = []
    for kind, column in zip(layout.kinds.values(), layout.columns(rows, TimeCount(EPOCH))):
        columns += split_numbers(column) if kind is Kind.ANY else [column]
    packed: list[Iterable[bytes]] = []
    for (name, kind), column in zip(kinds.items(), columns):
        if name == "requested_at" and None in column:
            raise WatlowSinkError("a row without requested_at: the server files rows by it")
        try:
            packed.append(_packed(kind, column))
        except (struct.error, ValueError, AttributeError) as error:
            raise WatlowSinkError(f"column {name!r} holds {kind.value}: {error}") from error
    count = struct.pack(">h", len(kinds) + 2)
    run = _length.pack(16) + run_id.bytes
    packed.append(repeat(run, len(rows)))
    packed.append(map(_whole, repeat(8), range(first_seq, first_seq + len(rows))))
    return b"".join(chain.from_iterable(zip(repeat(count), *packed)))


def _check_name(name: str) -> None:
    size = len(name.encode("utf-8", "replace"))
    if name in TAKEN or "\0" in name or not 0 < size <= NAME_BYTES:
        raise WatlowSinkError(
            f"column {name!r} needs another name: 1 to {NAME_BYTES} bytes, and none of "
            + ", ".join(sorted(TAKEN))
        )


def _packed(kind: Kind, column: Column) -> list[bytes]:
    if kind is Kind.TEXT:
        return list(map(Cache(_text).__getitem__, column))
    if kind is Kind.INTEGER:
        return list(map(Cache(_integer).__getitem__, column))
    pack_one = _real if kind is Kind.REAL else _whole
    if None in column:
        return [_NULL if cell is None else pack_one(8, cell) for cell in column]
    return list(map(pack_one, repeat(8), column))


def _integer(cell: int | None) -> bytes:
    return _NULL if cell is None else _whole(8, cell)


def _text(cell: str | None) -> bytes:
    if cell is None:
        return _NULL
    if "\0" in cell:
        raise ValueError(f"PostgreSQL cannot hold {cell!r}")
    data = cell.encode()
    return _length.pack(len(data)) + data


def unpack(layout: Layout, data: bytes) -> Iterator[list[Any]]:
    """The rows of `data`, with run and number, as Python has them."""
    kinds = list(columns_of(layout).values())
    readers = [*(_READERS[kind] for kind in kinds), _run, _READERS[Kind.INTEGER]]
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


_READERS: dict[Kind, Callable[[bytes], Any]] = {
    Kind.TEXT: bytes.decode,
    Kind.INTEGER: lambda data: struct.unpack(">q", data)[0],
    Kind.REAL: lambda data: struct.unpack(">d", data)[0],
    Kind.TIME: lambda data: EPOCH + timedelta(microseconds=struct.unpack(">q", data)[0]),
}
