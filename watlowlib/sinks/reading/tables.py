"""Arrow tables with the same columns and types, whatever the format of the rows.

The type of a column is that of `COLUMN_TYPES`; of another column the one that all its cells
have. A column of numbers and texts is two Arrow columns, as in `ParquetSink`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.parquet.arrow import arrow, layout_of, round_latencies, schema_of, to_batch
from watlowlib.sinks.rows import COLUMN_TYPES, TEXTS, ColumnLayout, ColumnType

Types: TypeAlias = "Mapping[str, ColumnType | None]"


def types_of(schema: Any) -> dict[str, ColumnType | None]:
    """Return the types of the columns of an Arrow schema; None: all cells are missing."""
    types = arrow().types
    empty = {field.name for field in schema if types.is_null(field.type)}
    found = {
        name: COLUMN_TYPES.get(name, None if name in empty else type_)
        for name, type_ in layout_of(schema).types.items()
    }
    address = layout_of(schema).types.get("address")
    if address in (ColumnType.TEXT, ColumnType.ANY) and "address" not in empty:
        found["address"] = address
    return found


def common_types(found: Iterable[Types]) -> dict[str, ColumnType]:
    """Return the types that columns must have to hold the cells of all of `found`."""
    sets: dict[str, set[ColumnType]] = {}
    for types in found:
        for name, type_ in types.items():
            sets.setdefault(name, set()).update(() if type_ is None else (type_,))
    return {
        name: next(iter(types)) if len(types) == 1 else ColumnType.ANY
        for name, types in sets.items()
    }


def conform(table: Any, types: Mapping[str, ColumnType]) -> Any:
    """Return `table` with columns of `types`, in their order; missing columns are null.

    Raises:
        WatlowSinkError: A column cannot hold one of its cells.
    """
    pa = arrow()
    schema = schema_of(ColumnLayout(types))
    if table.schema.equals(schema, check_metadata=False):
        return table
    arrays: list[Any] = []
    for name, type_ in types.items():
        try:
            arrays += _cast(table, name, type_)
        except pa.ArrowException as error:
            raise WatlowSinkError(f"column {name!r} is {type_.value}: {error}") from error
    return pa.Table.from_arrays(arrays, schema=schema)


def _cast(table: Any, name: str, type_: ColumnType) -> list[Any]:
    """Return the column `name` of `table` cast to `type_`: two columns for ANY, or one."""
    pa = arrow()
    fields = list(schema_of(ColumnLayout({name: type_})))
    if name not in table.column_names:
        return [pa.nulls(table.num_rows, field.type) for field in fields]
    column = table.column(name)
    if type_ is not ColumnType.ANY:
        return [column if column.type == fields[0].type else column.cast(fields[0].type)]
    if name + TEXTS in table.column_names:
        return [column.cast(pa.float64()), table.column(name + TEXTS).cast(pa.string())]
    missing = pa.nulls(table.num_rows, pa.string())
    if pa.types.is_floating(column.type):
        return [column.cast(pa.float64()), missing]
    text = column.cast(pa.string())
    if pa.types.is_integer(column.type):
        return [column.cast(pa.float64(), safe=False), text]
    return [missing.cast(pa.float64()), text]


def rounded(table: Any) -> Any:
    """Return `table` with `latency_s` as a Parquet file has it."""
    if "latency_s" not in table.column_names:
        return table
    at = table.column_names.index("latency_s")
    return table.set_column(at, "latency_s", round_latencies(table.column(at)))


def table_of(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return `rows` as a table: the exact but slow way, for cells of unusual types."""
    layout = ColumnLayout.infer(rows)
    schema = schema_of(layout)
    return arrow().Table.from_batches([to_batch(layout, schema, rows)], schema)
