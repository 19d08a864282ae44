"""Makes a pandas DataFrame from tables, in little more memory than the frame itself needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.sinks.parquet.arrow import arrow
from watlowlib.sinks.reading.tables import conform
from watlowlib.sinks.rows import TEXTS, ColumnType


@contextmanager
def system_memory() -> Iterator[None]:
    """Let Arrow take memory from the system: its own pools keep more than a quarter in reserve."""
    pa = arrow()
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def to_frame(tables: list[Any], types: Mapping[str, ColumnType]) -> Any:
    """Return the rows of `tables` with columns of `types`.

    The columns are converted one after the other. To release each one after that, it is taken out
    of `tables`, which has no columns at the end.
    """
    pa, pd = arrow(), import_optional("pandas")
    tables = tables or [pa.table({})]
    columns: dict[str, Any] = {}
    for name, type_ in types.items():
        whole = pa.concat_tables([conform(part, {name: type_}) for part in tables])
        converted = {name, name + TEXTS} if type_ is ColumnType.ANY else {name}
        for at, part in enumerate(tables):
            tables[at] = part.drop_columns(
                [each for each in part.column_names if each in converted]
            )
        frame = whole.to_pandas()
        columns.update({each: frame[each] for each in frame})
        del whole, frame
        pa.default_memory_pool().release_unused()
    return pd.DataFrame(columns, copy=False)
