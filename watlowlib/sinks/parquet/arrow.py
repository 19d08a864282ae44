"""Converts rows to Arrow record batches, and back. Each column has one type; times are UTC.

A column of numbers and texts, such as `value`, becomes two columns: `value` with the
numbers and `value_text` with the texts. An integer is in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.cells import TimeCount
from watlowlib.sinks.rows import (
    TEXTS,
    Column,
    ColumnLayout,
    ColumnType,
    Row,
    columns_of,
    join_numbers,
    split_numbers,
)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LATENCY_STEP_S = 2.0**-20
"""Resolution of stored latencies: just below a microsecond, the resolution of the times."""


def arrow() -> Any:
    """Return the module pyarrow."""
    return import_optional("pyarrow")


def schema_of(layout: ColumnLayout) -> Any:
    """Return the Arrow schema for `layout`."""
    pa = arrow()
    types = {
        ColumnType.TEXT: pa.string(),
        ColumnType.INTEGER: pa.int64(),
        ColumnType.REAL: pa.float64(),
        ColumnType.TIME: pa.timestamp("us", "UTC"),
    }
    return pa.schema([(name, types[type_]) for name, type_ in columns_of(layout).items()])


def layout_of(schema: Any) -> ColumnLayout:
    """Return the layout for an Arrow schema; the inverse of `schema_of`."""
    types = arrow().types
    names = set(schema.names)
    texts = {each.name + TEXTS for each in schema if types.is_floating(each.type)}
    columns = {}
    for field in schema:
        if types.is_floating(field.type):
            columns[field.name] = ColumnType.ANY if field.name + TEXTS in names else ColumnType.REAL
        elif types.is_timestamp(field.type):
            columns[field.name] = ColumnType.TIME
        elif types.is_integer(field.type):
            columns[field.name] = ColumnType.INTEGER
        elif field.name not in texts:
            columns[field.name] = ColumnType.TEXT
    return ColumnLayout(columns)


def widened(batch: Any, schema: Any) -> Any:
    """Return a RecordBatch whose numbers or texts became columns for both, as in `schema`."""
    columns: list[Any] = []
    for name, type_ in layout_of(schema).types.items():
        column = batch.column(name)
        if type_ is not ColumnType.ANY:
            columns.append(column)
        elif name + TEXTS in batch.schema.names:
            columns += [column, batch.column(name + TEXTS)]
        else:
            columns += _split(column)
    return arrow().RecordBatch.from_arrays(columns, schema=schema)


def _split(column: Any) -> list[Any]:
    """Split an array of one type as `split_numbers` splits cells."""
    pa = arrow()
    if pa.types.is_floating(column.type):
        return [column, pa.nulls(len(column), pa.string())]
    texts = column.cast(pa.string())
    if pa.types.is_integer(column.type):
        return [column.cast(pa.float64(), safe=False), texts]
    return [pa.nulls(len(column), pa.float64()), texts]


def widens(narrow: Any, wide: Any) -> bool:
    """Whether `wide` is `narrow` with columns for numbers and texts; see `ColumnLayout.fitting`."""
    old, new = layout_of(narrow).types, layout_of(wide).types
    return list(old) == list(new) and all(
        type_ in (old[name], ColumnType.ANY) for name, type_ in new.items()
    )


def to_batch(layout: ColumnLayout, schema: Any, rows: Sequence[Row]) -> Any:
    """Return `rows` as a RecordBatch.

    Raises:
        WatlowSinkError: A column cannot hold one of its cells.
    """
    pa = arrow()
    columns: list[Column] = []
    for type_, column in zip(layout.types.values(), layout.columns(rows, TimeCount(EPOCH).column)):
        columns += split_numbers(column) if type_ is ColumnType.ANY else [column]
    arrays = []
    for field, column in zip(schema, columns):
        try:
            arrays.append(_array(field.type, column))
        except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
            raise WatlowSinkError(f"column {field.name!r} is {field.type}: {error}") from error
        if field.name == "latency_s":
            arrays[-1] = round_latencies(arrays[-1])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(arrow_type: Any, column: Column) -> Any:
    """Return `column` as an array; convert its microseconds if a file has another time unit."""
    pa = arrow()
    if getattr(arrow_type, "unit", "us") == "us":
        return pa.array(column, arrow_type)
    return pa.array(column, pa.timestamp("us", "UTC")).cast(arrow_type, safe=False)


def round_latencies(latency_s: Any) -> Any:
    """Round latencies to about a microsecond: finer digits are noise and do not compress."""
    compute = import_optional("pyarrow.compute")
    steps = compute.round(compute.divide(latency_s, LATENCY_STEP_S))
    exact = compute.equal(latency_s, compute.round(latency_s, 6))
    return compute.if_else(exact, latency_s, compute.multiply(steps, LATENCY_STEP_S))


def from_batch(batch: Any) -> list[dict[str, Any]]:
    """Return the rows of a RecordBatch or Table as they were given to `to_batch`."""
    layout = layout_of(batch.schema)
    columns: list[Any] = []
    for name, type_ in layout.types.items():
        cells = batch.column(name).to_pylist()
        if type_ is ColumnType.ANY:
            cells = join_numbers(cells, batch.column(name + TEXTS).to_pylist())
        columns.append(cells)
    return [dict(zip(layout.types, row)) for row in zip(*columns)]
