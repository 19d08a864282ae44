"""How rows of one layout go into the table on the server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from psycopg import sql

from watlowlib.sinks.postgres.copy_format import without_columns
from watlowlib.sinks.postgres.spool import SpooledRows
from watlowlib.sinks.rows import ColumnLayout, ColumnType, columns_of

LayoutKey: TypeAlias = "tuple[tuple[str, ColumnType], ...]"

BINARY_TYPES = {
    ColumnType.TEXT: {"text", "varchar"},
    ColumnType.INTEGER: {"int8"},
    ColumnType.REAL: {"float8"},
    ColumnType.TIME: {"timestamptz"},
}
"""SQL types that accept a column's binary form; the server converts to others on INSERT."""

BINARY_KEY_TYPES = {"run_id": "uuid", "seq": "int8"}
"""The same for the columns that identify a row."""


@dataclass(frozen=True)
class InsertPlan:
    """How to insert rows of one layout.

    Attributes:
        binary: Whether by binary COPY.
        keys: The columns of the unique index.
        left_out: Columns of the layout that the table lacks.
    """

    binary: bool
    keys: sql.Composable
    left_out: frozenset[str] = frozenset()

    def fitted(self, spooled: SpooledRows) -> SpooledRows:
        """Return `spooled` without the columns that the table lacks."""
        if not self.left_out:
            return spooled
        types = spooled.layout.types
        layout = ColumnLayout({n: t for n, t in types.items() if n not in self.left_out})
        data = without_columns(spooled.layout, spooled.data, self.left_out)
        return replace(spooled, layout=layout, data=data)


def key_of(layout: ColumnLayout) -> LayoutKey:
    """Return the key under which the plan for `layout` is kept."""
    return tuple(layout.types.items())


def make_plan(
    columns: Mapping[str, ColumnType],
    types: Mapping[str, str],
    keys: Iterable[str],
    *,
    use_copy: bool,
) -> InsertPlan:
    """Return the plan for rows with `columns`, which the table has.

    Args:
        columns: The columns of the rows.
        types: The SQL types of the table's columns.
        keys: The columns of the unique index.
        use_copy: Whether binary COPY is allowed.
    """
    binary = (
        use_copy
        and all(types[name] in BINARY_TYPES[type_] for name, type_ in columns.items())
        and all(types[name] == type_ for name, type_ in BINARY_KEY_TYPES.items())
    )
    return InsertPlan(binary, sql.SQL(", ").join(map(sql.Identifier, keys)))


def column_list(layout: ColumnLayout) -> sql.Composed:
    """Return the columns of packed rows of `layout` in SQL."""
    names = (*columns_of(layout), "run_id", "seq")
    return sql.SQL(", ").join(map(sql.Identifier, names))
