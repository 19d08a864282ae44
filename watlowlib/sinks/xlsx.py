"""Excel workbooks, for `export`. A workbook cannot be continued or read while it is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.rows import ColumnLayout, Row

ROWS_OF_A_SHEET = 1_048_576
"""Excel's limit, the header included; further rows are in further sheets."""

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

    Args:
        path: The file, which is replaced if it exists.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._book: Any = None
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
        self._sheet = None

    def write_many(self, samples: Sequence[Row]) -> None:
        """Write `samples` below the rows before."""
        self._layout = self._layout or ColumnLayout.infer(samples)
        for cells in zip(*self._layout.columns(samples, _excel_time)):
            if self._sheet is None or self._row == ROWS_OF_A_SHEET:
                self._begin_sheet(list(self._layout.types))
            self._write(cells)

    def close(self) -> None:
        """Write the file."""
        book, self._book = self._book, None
        if book is not None and self._folder is not None:
            with self._folder:
                book.close()

    def _begin_sheet(self, names: Sequence[str]) -> None:
        self._sheet = self._book.add_worksheet()
        self._sheet.freeze_panes(1, 0)
        self._row = 0
        self._write(names)

    def _write(self, cells: Sequence[Any]) -> None:
        for at, cell in enumerate(cells):
            if cell is not None:
                self._sheet.write(self._row, at, cell)
        self._row += 1


def _excel_time(when: datetime) -> datetime:
    return when.astimezone(timezone.utc).replace(tzinfo=None)
