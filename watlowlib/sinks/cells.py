"""Cells as text and back: the same cell comes out, also from CSV, which has no types.

In CSV an empty cell is None, what looks like a number is one, and a text that could be
taken for either stands between quotation marks.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from watlowlib.errors import WatlowSinkError

_INTEGER = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?inf|nan")
_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)')
_TO_QUOTE = re.compile(r'[",\r\n]')


class Texts(dict[Any, str]):
    """How the texts of a column are written, which occur again and again.

    At most `LIMIT` are kept: a column may hold a different text in each row.
    """

    LIMIT = 10_000

    def __init__(self, write: Callable[[Any], str]) -> None:
        self._write = write

    def __missing__(self, cell: Any) -> str:
        if len(self) >= self.LIMIT:
            self.clear()
        self[cell] = text = self._write(cell)
        return text


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


def csv_rows(text: str) -> Iterator[list[Any]]:
    """The rows of whole CSV lines.

    Raises:
        WatlowSinkError: They are not CSV.
    """
    row: list[Any] = []
    at = 0
    while at < len(text):
        found = _CELL.match(text, at)
        if found is None:
            raise WatlowSinkError(f"no CSV cell begins with {text[at : at + 40]!r}")
        quoted, bare, end = found.groups()
        row.append(_from_csv(bare) if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if end != ",":
            yield row
            row = []


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
