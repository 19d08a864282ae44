"""Cells as text and back: the same cell comes out, also from CSV, which has no types.

In CSV an empty cell is None, what looks like a number is one, and a text that could be
taken for either stands between quotation marks.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, TypeVar

from watlowlib.errors import WatlowSinkError

T = TypeVar("T")

_INTEGER = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?inf|nan")
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)')
_TO_QUOTE = re.compile(r'[",\r\n]')


class Cache(dict[Any, T]):
    """What the cells of a column are written as, which occur again and again.

    At most `LIMIT` are kept: a column may hold a different cell in each row.
    """

    LIMIT = 10_000

    def __init__(self, write: Callable[[Any], T]) -> None:
        self._write = write

    def __missing__(self, cell: Any) -> T:
        if len(self) >= self.LIMIT:
            self.clear()
        self[cell] = written = self._write(cell)
        return written


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


_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_cell(cell: Any) -> str:
    """`cell` as it stands in a JSON Lines file.

    Raises:
        WatlowSinkError: It is not a number (NaN) or infinite, which JSON does not have.
    """
    if type(cell) is float:
        if not math.isfinite(cell):
            raise WatlowSinkError(f"{cell!r} cannot be written: JSON has no such number")
        return repr(cell)
    return _dump(cell)
