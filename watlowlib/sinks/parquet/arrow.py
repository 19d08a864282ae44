"""Columns of cells as Arrow arrays: each column has one type, times are UTC.

A column that holds numbers and texts, such as `value`, becomes two: `value` with the
numbers and `value_text` with the texts. A whole number is in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.rows import (
    TEXTS,
    Column,
    ColumnLayout,
    ColumnType,
    Row,
    TimeCount,
    columns_of,
    join_numbers,
    split_numbers,
)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LATENCY_STEP_S = 2.0**-20
"""Just below a microsecond, which is what the times beside it are kept to."""


def arrow() -> Any:
    """The library pyarrow."""
    return import_optional("pyarrow", "parquet")


def schema_of(layout: ColumnLayout) -> Any:
    """The Arrow schema that `layout` has."""
    pa = arrow()
    types = {
        ColumnType.TEXT: pa.string(),
        ColumnType.INTEGER: pa.int64(),
        ColumnType.REAL: pa.float64(),
        ColumnType.TIME: pa.timestamp("us", "UTC"),
    }
    return pa.schema([(name, types[kind]) for name, kind in columns_of(layout).items()])


def layout_of(schema: Any) -> ColumnLayout:
    """The layout whose schema this is."""
    types = arrow().types
    names = set(schema.names)
    texts = {each.name + TEXTS for each in schema if types.is_floating(each.type)}
    kinds = {}
    for field in schema:
        if types.is_floating(field.type):
            kinds[field.name] = ColumnType.ANY if field.name + TEXTS in names else ColumnType.REAL
        elif types.is_timestamp(field.type):
            kinds[field.name] = ColumnType.TIME
        elif types.is_integer(field.type):
            kinds[field.name] = ColumnType.INTEGER
        elif field.name not in texts:
            kinds[field.name] = ColumnType.TEXT
    return ColumnLayout(kinds)


def to_batch(layout: ColumnLayout, schema: Any, rows: Sequence[Row]) -> Any:
    """`rows` as a RecordBatch.

    Raises:
        WatlowSinkError: A cell that its column cannot hold.
    """
    pa = arrow()
    columns: list[Column] = []
    for kind, column in zip(layout.types.values(), layout.columns(rows, TimeCount(EPOCH))):
        columns += split_numbers(column) if kind is ColumnType.ANY else [column]
    arrays = []
    for field, column in zip(schema, columns):
        try:
            arrays.append(_array(field.type, column))
        except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
            raise WatlowSinkError(f"column {field.name!r} is {field.type}: {error}") from error
        if field.name == "latency_s":
            arrays[-1] = _without_noise(arrays[-1])
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(wanted: Any, column: Column) -> Any:
    """One column; times have been counted in microseconds, a file made by others may not."""
    pa = arrow()
    if getattr(wanted, "unit", "us") == "us":
        return pa.array(column, wanted)
    return pa.array(column, pa.timestamp("us", "UTC")).cast(wanted, safe=False)


def _without_noise(latency_s: Any) -> Any:
    """Latencies to the microsecond: what is below is noise, and cannot be compressed."""
    compute = import_optional("pyarrow.compute", "parquet")
    steps = compute.round(compute.divide(latency_s, LATENCY_STEP_S))
    exact = compute.equal(latency_s, compute.round(latency_s, 6))
    return compute.if_else(exact, latency_s, compute.multiply(steps, LATENCY_STEP_S))


def from_batch(batch: Any) -> list[dict[str, Any]]:
    """The rows of a RecordBatch or Table, as they were given."""
    layout = layout_of(batch.schema)
    columns: list[Any] = []
    for name, kind in layout.types.items():
        cells = batch.column(name).to_pylist()
        if kind is ColumnType.ANY:
            cells = join_numbers(cells, batch.column(name + TEXTS).to_pylist())
        columns.append(cells)
    return [dict(zip(layout.types, row)) for row in zip(*columns)]
