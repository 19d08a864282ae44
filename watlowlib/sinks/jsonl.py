"""A JSON Lines file that grows at the end, one object a row."""

from __future__ import annotations

import json
import math
from typing import Any

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.rows import Column, ColumnLayout
from watlowlib.sinks.text import TextSink

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


class JsonlSink(TextSink):
    """One JSON object a line; a missing value is null.

    Args:
        path: The file. Its folder must exist.
        fsync: Whether each `write_many` also waits for the disk: it then survives a
            power cut, and takes some milliseconds.
        columns: Names of the columns a file that is there must have, by default those of
            a Sample.
    """

    _time = '"%s"'
    _write = staticmethod(json_cell)

    def _names(self, head: bytes) -> list[str]:
        line = head.split(b"\n")[0]
        try:
            first = json.loads(line)
        except ValueError:
            first = None
        if not isinstance(first, dict):
            shown = line[:100].decode("utf-8", "replace")
            raise WatlowSinkError(f"{self} begins with {shown!r}, no JSON object; give a new name")
        return list(first)

    def _torn_head(self, head: bytes) -> bool:
        start = b'{"device":'
        return head.startswith(start) or start.startswith(head)

    def _lines(self, layout: ColumnLayout, columns: list[Column]) -> str:
        names = (json_cell(name).replace("%", "%%") for name in layout.types)
        line = "{" + ",".join(f"{name}:%s" for name in names) + "}\n"
        rows = zip(*map(self._as_text, layout.types.values(), columns))
        return "".join(map(line.__mod__, rows))
