"""Makes a pandas DataFrame from tables, in little more memory than the frame itself needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.sinks.parquet.arrow import arrow
from watlowlib.sinks.reading.tables import conform
from watlowlib.sinks.rows import TEXTS, ColumnType

LARGE = 1 << 27
"""Bytes of tables from which Arrow takes memory from the system: slower, but less memory."""

LARGE_COLUMN = LARGE // 4
"""Bytes of a column from which its memory is given back to the system at once."""


@contextmanager
def gathered(tables: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield a list of `tables`; when they are large, Arrow takes memory from the system.

    Arrow's own pools are faster, but keep more than a quarter in reserve. The pool is that of all
    threads: each one that replaces it restores what it has replaced, which is never the system's.
    """
    pa = arrow()
    replaced = None
    found: list[Any] = []
    try:
        for table in tables:
            found.append(table)
            del table  # a reference would keep the columns that `to_frame` releases
            pool = pa.default_memory_pool()
            if pool.backend_name != "system" and pa.total_allocated_bytes() > LARGE:
                replaced = pool
                pa.set_memory_pool(pa.system_memory_pool())
        yield found
    finally:
        if replaced is not None:
            pa.set_memory_pool(replaced)


def to_frame(tables: list[Any], types: Mapping[str, ColumnType]) -> Any:
    """Return the rows of `tables` with columns of `types`.

    The columns are converted one after the other. To release each one after that, it is taken out
    of `tables`, which has no columns at the end.
    """
    pa, pd = arrow(), import_optional("pandas")
    tables[:] = _joined(tables)
    tables = tables or [pa.table({})]
    columns: dict[str, Any] = {}
    for name, type_ in types.items():
        whole = pa.concat_tables([conform(part, {name: type_}) for part in tables])
        converted = {name, name + TEXTS} if type_ is ColumnType.ANY else {name}
        for at, part in enumerate(tables):
            tables[at] = part.drop_columns(
                [each for each in part.column_names if each in converted]
            )
        columns.update(whole.to_pandas().items())
        large = whole.nbytes > LARGE_COLUMN
        del whole
        if large:
            pa.default_memory_pool().release_unused()
    return pd.DataFrame(columns, copy=False)


def _joined(tables: list[Any]) -> Iterator[Any]:
    """Yield `tables`; neighbours with the same columns as one table."""
    for schema, same in groupby(tables, attrgetter("schema")):
        if len(schema):
            yield arrow().concat_tables(same)
        else:
            yield from same  # joined, they would have no rows
