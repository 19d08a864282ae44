"""A CSV file that grows at the end, with a header and one line a row.

The same cell comes out that went in, though CSV has no types: an empty cell is None, what
looks like a number is one, and a text that could be taken for either is quoted.
"""

from __future__ import annotations

import re
from typing import Any

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.rows import COLUMNS, Column, ColumnLayout
from watlowlib.sinks.text import TextSink

_INTEGER = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?inf|nan")
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)')
_TO_QUOTE = re.compile(r'[",\r\n]')


def csv_cell(cell: Any) -> str:
    """`cell` as it stands in a CSV file."""
    if type(cell) is float:
        return repr(cell)
    if cell is None:
        return ""
    if not isinstance(cell, str):
        return repr(cell)
    if not cell or _TO_QUOTE.search(cell) or _INTEGER.fullmatch(cell) or _REAL.fullmatch(cell):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def csv_row(line: str) -> list[Any]:
    """The cells of one CSV line, with its end.

    Raises:
        ValueError: It is no such line.
    """
    row: list[Any] = []
    at, end = 0, ","
    while end == ",":
        found = _CELL.match(line, at)
        if found is None:
            raise ValueError(f"no CSV cell begins with {line[at : at + 40]!r}")
        quoted, bare, end = found.groups()
        row.append(_from_csv(bare) if quoted is None else quoted.replace('""', '"'))
        at = found.end()
    return row


def _from_csv(text: str) -> Any:
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _REAL.fullmatch(text) else text


class CsvSink(TextSink):
    """A CSV file with a header; a missing value is an empty cell.

    A text that looks like a number, or is empty, is put between quotation marks.

    Args:
        path: The file. Its folder must exist.
        fsync: Whether each `write_many` also waits for the disk: it then survives a
            power cut, and takes some milliseconds.
        columns: Names of the columns a file that is there must have, by default those of
            a Sample.
    """

    _quoted = True
    _write = staticmethod(csv_cell)

    def _names(self, head: bytes) -> list[str]:
        text = head.decode("utf-8", "replace").removeprefix("\N{BYTE ORDER MARK}")
        try:
            return [str(name) for name in csv_row(text)]
        except ValueError as error:
            raise WatlowSinkError(f"{self} has no header: {error}; give a new name") from error

    def _torn_head(self, head: bytes) -> bool:
        return (",".join(COLUMNS) + "\r").encode().startswith(head)

    def _header(self, layout: ColumnLayout) -> str:
        return ",".join(map(csv_cell, layout.types)) + "\r\n"

    def _lines(self, layout: ColumnLayout, columns: list[Column]) -> str:
        rows = zip(*map(self._as_text, layout.types.values(), columns))
        return "\r\n".join([*map(",".join, rows), ""])
