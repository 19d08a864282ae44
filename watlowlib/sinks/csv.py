"""CSV files: a header, then one line per row, appended at the end.

CSV has no types, but each cell reads back as it was written: an empty cell is None, an
unquoted number is a number, and a string that looks like either of them is quoted.
"""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from watlowlib._internal.validation import as_bool
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.lines import LineFormat
from watlowlib.sinks.rotation.policy import Limits
from watlowlib.sinks.rows import COLUMNS, ColumnLayout
from watlowlib.sinks.text import TextSink

_INTEGER = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?inf|nan")
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)')
_TO_QUOTE = re.compile(r'[",\r\n]')


def csv_cell(cell: Any) -> str:
    """Return `cell` as text for a CSV file."""
    if type(cell) is float:
        return repr(cell)
    if cell is None:
        return ""
    if not isinstance(cell, str):
        return repr(cell)
    if not cell or _TO_QUOTE.search(cell) or _INTEGER.fullmatch(cell) or _REAL.fullmatch(cell):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def spreadsheet_safe_cell(cell: Any) -> str:
    """Return `cell` as `csv_cell` does, with an apostrophe before a text that begins a formula.

    The first characters are those in OWASP's advice on CSV injection. Spreadsheets take
    `=1+2` as a formula even between quotation marks.
    """
    if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")):
        cell = "'" + cell
    return csv_cell(cell)


def csv_row(line: str) -> list[Any]:
    """Return the cells of one CSV line; the line may end in a line break.

    Raises:
        ValueError: `line` is not CSV.
    """
    row: list[Any] = []
    position, end = 0, ","
    while end == ",":
        match = _CELL.match(line, position)
        if match is None:
            raise ValueError(f"{line[position : position + 40]!r} is not a CSV cell")
        quoted, unquoted, end = match.groups()
        row.append(_parse_unquoted(unquoted) if quoted is None else quoted.replace('""', '"'))
        position = match.end()
    return row


def _parse_unquoted(text: str) -> Any:
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _REAL.fullmatch(text) else text


class CsvSink(TextSink):
    """A CSV file with a header; a missing value is an empty cell.

    A string that is empty or looks like a number is quoted.

    Args:
        path: The file. Its folder must exist.
        fsync: Whether each `write_many` also waits for the disk. The rows then survive a
            power cut, but each call takes some milliseconds.
        columns: Names of the columns that an existing file must have. Default: the columns
            of a Sample.
        on_replaced: What to do when another program moves, deletes, replaces or truncates the
            file: "raise" an error, or "reopen": continue in a file of the same name.
        spreadsheet_safe: Whether to write an apostrophe before texts that spreadsheets would
            take as a formula: those that begin with =, +, -, @, TAB or CR. Numbers and the
            header stay as they are. The apostrophe stays when the file is read back, because
            a text may also begin with one itself. Files may be continued with the other setting.
        rotate: When the file becomes a finished part with another name, and a new file is begun:
            "1 day" or "6 hours" (from midnight in UTC, or "1 day local"), "100 MB", or both as a
            tuple. `docs/rotation.md` describes this and the next options.
        keep: Which finished parts are kept: "90 days", "20 GB", or both as a tuple; None for all.
        compress: Whether finished parts are compressed with gzip.
        min_free: The free space, such as "1 GB", below which a warning is logged, and with
            `keep` the oldest parts are removed. Default: "500 MB".
    """

    _quotes = True
    _format_cell = staticmethod(csv_cell)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fsync: bool = False,
        columns: Sequence[str] | None = None,
        on_replaced: str = "raise",
        spreadsheet_safe: bool = False,
        rotate: Limits = None,
        keep: Limits = None,
        compress: bool = False,
        min_free: str | None = None,
    ) -> None:
        super().__init__(
            path,
            fsync=fsync,
            columns=columns,
            on_replaced=on_replaced,
            rotate=rotate,
            keep=keep,
            compress=compress,
            min_free=min_free,
        )
        if as_bool("spreadsheet_safe", spreadsheet_safe):
            self._format_cell = spreadsheet_safe_cell

    def _new_event_sink(self) -> TextSink:
        sink = super()._new_event_sink()
        sink._format_cell = self._format_cell
        return sink

    def _column_names(self, head: bytes) -> list[str]:
        text = head.decode("utf-8", "replace").removeprefix("\N{BYTE ORDER MARK}")
        try:
            return [str(name) for name in csv_row(text)]
        except ValueError as error:
            raise WatlowSinkError(f"{self} has no CSV header: {error}; give a new name") from error

    def _units(self, head: bytes) -> Iterable[object]:
        rows = head[: head.rfind(b"\n") + 1].decode("utf-8-sig", "replace")
        with suppress(csv.Error):
            for row in csv.DictReader(io.StringIO(rows)):
                yield row.get("unit")

    def _is_torn_first_write(self, head: bytes) -> bool:
        headers = (COLUMNS, self._required_columns)
        return any((",".join(names) + "\r").encode().startswith(head) for names in headers)

    def _is_complete_row(self, tail: bytes) -> bool:
        return tail.endswith(b"\r")

    def _header(self, layout: ColumnLayout) -> str:
        return ",".join(map(csv_cell, layout.types)) + "\r\n"

    def _line_format(self, layout: ColumnLayout) -> LineFormat:
        return LineFormat(layout, self._format_cell, ",".join, end="\r\n", quote="")
