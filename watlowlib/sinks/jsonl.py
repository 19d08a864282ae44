"""JSON Lines files: one JSON object per row, appended at the end."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.lines import LineFormat
from watlowlib.sinks.rows import ColumnLayout
from watlowlib.sinks.text import TextSink

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_cell(cell: Any) -> str:
    """Return `cell` as JSON.

    Raises:
        WatlowSinkError: `cell` is NaN or infinite, which JSON cannot represent.
    """
    if type(cell) is float:
        if not math.isfinite(cell):
            raise WatlowSinkError(f"{cell!r} cannot be written: JSON has no NaN and no infinity")
        return repr(cell)
    return _dump(cell)


class JsonlSink(TextSink):
    """A JSON Lines file with one object per line; a missing value is null.

    Args:
        path: The file. Its folder must exist.
        fsync: Whether each `write_many` also waits for the disk. The rows then survive a
            power cut, but each call takes some milliseconds.
        columns: Names of the columns that an existing file must have. Default: the columns
            of a Sample.
        on_replaced: What to do when another program moves, deletes, replaces or truncates the
            file: "raise" an error, or "reopen": continue in a file of the same name.
        rotate: When the file becomes a finished part with another name, and a new file is begun:
            "1 day" or "6 hours" (from midnight in UTC, or "1 day local"), "100 MB", or both as a
            tuple. `docs/rotation.md` describes this and the next options.
        keep: Which finished parts are kept: "90 days", "20 GB", or both as a tuple; None for all.
        compress: Whether finished parts are compressed with gzip.
        min_free: The free space, such as "1 GB", below which a warning is logged, and with
            `keep` the oldest parts are removed. Default: "500 MB".
    """

    _format_cell = staticmethod(json_cell)

    def _column_names(self, head: bytes) -> list[str]:
        line = head.split(b"\n")[0]
        try:
            first = json.loads(line)
        except ValueError:
            first = None
        if not isinstance(first, dict):
            shown = line[:100].decode("utf-8", "replace")
            raise WatlowSinkError(
                f"{self} begins with {shown!r}, not a JSON object; give a new name"
            )
        return list(first)

    def _units(self, head: bytes) -> Iterable[object]:
        for line in head.split(b"\n"):
            with suppress(ValueError, AttributeError):  # an incomplete line, or not an object
                yield json.loads(line).get("unit")

    def _is_torn_first_write(self, head: bytes) -> bool:
        return not head or head.startswith(b"{")

    def _is_complete_row(self, tail: bytes) -> bool:
        try:
            return isinstance(json.loads(tail), dict)
        except ValueError:
            return False

    def _line_format(self, layout: ColumnLayout) -> LineFormat:
        names = (json_cell(name).replace("%", "%%") for name in layout.types)
        line = "{" + ",".join(f"{name}:%s" for name in names) + "}"
        return LineFormat(
            layout, self._format_cell, lambda cells: line % tuple(cells), end="\n", quote='"'
        )
