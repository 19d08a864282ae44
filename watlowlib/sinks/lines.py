"""Rows as lines of text, for CSV and JSON Lines.

Samples have known types: their times are text without a character to escape, and few different
texts and integers recur. Each cell of a mapping is formatted on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from watlowlib._internal.cache import Memo
from watlowlib.model import Sample
from watlowlib.sinks.cells import TimeText
from watlowlib.sinks.rows import (
    ROWS_ONE_BY_ONE,
    Column,
    ColumnLayout,
    ColumnType,
    Row,
    SampleCells,
)

FormatCell = Callable[[Any], str]


class LineFormat:
    """Formats the rows of one layout.

    Args:
        layout: The columns.
        format_cell: Returns any cell as text.
        join: Returns the line of a row of texts, without its end.
        end: What each line ends with.
        quote: What stands before and after a time.
    """

    def __init__(
        self,
        layout: ColumnLayout,
        format_cell: FormatCell,
        join: Callable[[Iterable[str]], str],
        end: str,
        quote: str,
    ) -> None:
        self.layout = layout
        self._join, self._end = join, end
        self._null = format_cell(None)
        caches = {each: Memo(format_cell) for each in (ColumnType.TEXT, ColumnType.INTEGER)}
        self._formats: list[FormatCell] = [
            caches[type_].__getitem__ if type_ in caches else format_cell
            for type_ in layout.types.values()
        ]
        self._sample_formats = [
            None if type_ is ColumnType.TIME else format_
            for type_, format_ in zip(layout.types.values(), self._formats)
        ]
        self._cells = SampleCells(quote)
        self._cell_time, self._sample_time = TimeText(), TimeText(quote)

    def lines(self, rows: Sequence[Row]) -> str:
        """Return `rows` as lines.

        Raises:
            WatlowSinkError: A cell is not a number, string, time or None.
        """
        if set(map(type, rows)) != {Sample}:
            columns = self.layout.columns(rows, self._cell_time.column)
            lines = map(self._join, zip(*map(map, self._formats, columns)))
        elif len(rows) <= ROWS_ONE_BY_ONE and self.layout.is_of_samples:
            lines = map(self._line, rows)  # type: ignore[arg-type]
        else:
            columns = self.layout.columns(rows, self._sample_time.column)
            texts = map(self._column, self._sample_formats, columns)
            lines = map(self._join, zip(*texts))
        return self._end.join([*lines, ""])

    def _line(self, sample: Sample) -> str:
        null, cells = self._null, self._cells(sample)
        return self._join(
            [
                null if cell is None else cell if format_ is None else format_(cell)
                for format_, cell in zip(self._sample_formats, cells)
            ]
        )

    def _column(self, format_: FormatCell | None, column: Column) -> Iterable[str]:
        """Return the cells of a column as text; with no format, those that are not None are."""
        if format_ is not None:
            return map(format_, column)
        if None in column:
            return [self._null if cell is None else cell for cell in column]
        return column
