"""Excel workbooks, for `export`. A workbook cannot be continued or read while it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.errors import WatlowSinkError
from watlowlib.model.events import EVENTS_TABLE, Event
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.rows import ColumnLayout, Row

ROWS_OF_A_SHEET = 1_048_576
"""Excel's limit, the header included; further rows are in further sheets."""

LONGEST_TEXT = 32_767
"""Excel's limit for the characters of a cell."""

WIDEST = 40
"""The characters of the widest column."""

EXACT = 2**53
"""Excel has no exact integers beyond this one; they are written as text."""

OPTIONS = {
    "constant_memory": True,
    "default_date_format": "yyyy-mm-dd hh:mm:ss.000",
    "nan_inf_to_errors": True,
    # A text stays a text, also if it looks like a formula, a link or a number.
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


class XlsxSink(FileSink):
    """A new Excel workbook with a header; times are in UTC, which Excel itself cannot tell.

    Events are on a sheet `events`. What is known about the recordings is on the last sheet,
    `recordings`, a row for each value.

    Args:
        path: The file, which is replaced if it exists.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._book: Any = None
        self._bold: Any = None
        self._folder: TemporaryDirectory[str] | None = None
        self._sheet: Any = None
        self._row = 0

    def open(self) -> None:
        """Create the workbook.

        Raises:
            WatlowSinkError: xlsxwriter is not installed.
        """
        workbook = import_optional("xlsxwriter").Workbook
        self._folder = TemporaryDirectory()  # xlsxwriter itself may leave files there
        self._book = workbook(self.path, {**OPTIONS, "tmpdir": self._folder.name})
        self._bold = self._book.add_format({"bold": True})
        self._sheet = None

    def write_many(self, samples: Sequence[Row]) -> None:
        """Write `samples` below the rows before.

        Raises:
            WatlowSinkError: A text is too long for a cell, or there are too many columns.
        """
        self._layout = self._layout or ColumnLayout.infer(samples)
        columns = self._layout.columns(samples, _excel_times)
        for cells in zip(*columns):
            if self._sheet is None or self._row == ROWS_OF_A_SHEET:
                number = len(self._book.worksheets()) + 1
                name = "samples" if number == 1 else f"samples {number}"
                self._begin_sheet(name, dict(zip(self._layout.types, columns)))
            self._write(cells)

    def write_events(self, events: Sequence[Event]) -> None:
        """Write events on a sheet of their own, after all rows."""
        rows = [vars(each) for each in events]
        layout = ColumnLayout.infer(rows)
        columns = layout.columns(rows, _excel_times)
        self._begin_sheet(EVENTS_TABLE, dict(zip(layout.types, columns)))
        for cells in zip(*columns):
            self._write(cells)

    def write_units(self, units: Mapping[str, str]) -> None:
        """Write the units of the columns, after all rows."""
        if units:
            self._begin_sheet("units", {"name": list(units), "unit": list(units.values())})
            for row in units.items():
                self._write(row)

    def write_recordings(self, recordings: Sequence[Mapping[str, Any]]) -> None:
        """Write what is known about the recordings, after all rows."""
        rows = [
            (number, *pair) for number, each in enumerate(recordings, 1) for pair in _flat(each)
        ]
        if rows:
            names = ("recording", "name", "value")
            self._begin_sheet("recordings", dict(zip(names, zip(*rows))))
            for row in rows:
                self._write(row)

    def close(self) -> None:
        """Write the file."""
        book, self._book = self._book, None
        if book is not None and self._folder is not None:
            with self._folder:
                book.close()

    def _begin_sheet(self, name: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """Begin a sheet with the names of `columns`, as wide as their first cells need."""
        self._sheet = self._book.add_worksheet(name)
        self._sheet.freeze_panes(1, 0)
        self._row = 0
        for at, (column, cells) in enumerate(columns.items()):
            width = max(len(column), *(len(_shown(cell)) for cell in cells[:1000]))
            self._sheet.set_column(at, at, min(width, WIDEST) + 2)
        self._write(tuple(columns), self._bold)

    def _write(self, cells: Sequence[Any], form: Any = None) -> None:
        for at, cell in enumerate(cells):
            if cell is not None and self._sheet.write(self._row, at, cell, form) != 0:
                raise WatlowSinkError(
                    f"row {self._row + 1}, column {at + 1} does not fit into a workbook, which "
                    f"has 16,384 columns and up to {LONGEST_TEXT:,} characters in a cell; export "
                    "to another format"
                )
        self._row += 1


def _excel_times(times: Iterable[datetime]) -> list[datetime]:
    return [when.astimezone(timezone.utc).replace(tzinfo=None) for when in times]


def _shown(cell: Any) -> str:
    """Return `cell` as Excel shows it, about."""
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "milliseconds")
    if isinstance(cell, float):
        return f"{cell:.10g}"
    return "" if cell is None else str(cell)


def _flat(given: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values in nested dicts and lists with names such as `controllers.1.port`."""
    if isinstance(given, (Mapping, list)) and given:
        pairs = given.items() if isinstance(given, Mapping) else enumerate(given, 1)
        for key, value in pairs:
            yield from _flat(value, f"{name}.{key}" if name else str(key))
    elif isinstance(given, (Mapping, list)):
        yield name, None
    else:
        exact = not isinstance(given, int) or abs(given) <= EXACT
        yield name, given if exact else str(given)
