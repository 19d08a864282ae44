"""Text files that grow at the end: CSV and JSON Lines, UTF-8, one line a row.

An existing file is appended to. Each `write_many` goes to the system at once, to the disk
as well on request. A line that a crash has torn is cut off when the file is opened again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from io import FileIO
from typing import Any

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.files import check_there, end_of_lines, lock, write_all
from watlowlib.sinks.rows import Cache, Column, ColumnLayout, ColumnType, Row, TimeText

log = logging.getLogger(__name__)

HEAD = 1 << 20
"""The longest first line, in bytes."""


class TextSink(FileSink):
    """What both have in common.

    Args:
        path: The file. Its folder must exist.
        fsync: Whether each `write_many` also waits for the disk: it then survives a
            power cut, and takes some milliseconds.
        columns: Names of the columns a file that is there must have, by default those of
            a Sample.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fsync: bool = False,
        columns: Sequence[str] | None = None,
    ) -> None:
        super().__init__(path, columns=columns)
        self._fsync = fsync
        self._file: FileIO | None = None
        self._end = 0
        self._texts: dict[ColumnType, Cache[str]] = {}

    def open(self) -> None:
        """Open the file at its end, making it if it is not there.

        Raises:
            WatlowSinkError: No such folder, no permission, a file of another kind, or
                one that another sink writes to.
        """
        if self._file is not None:
            return
        self._check_folder()
        try:
            self._file = FileIO(self.path, "a+")
            lock(self._file, self)
            self._begin(self._file)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise self._failed("opened", error) from error
            raise

    def write_many(self, samples: Sequence[Row]) -> None:
        """Append `samples` and hand them to the system; all of them or none."""
        if self._file is None:
            raise self._not_open()
        if not samples:
            return
        layout = self._layout or ColumnLayout.of(samples)
        lines = self._lines(layout, layout.columns(samples, TimeText()))
        if self._layout is None:
            lines = self._header(layout) + lines
        self._append(self._file, lines)
        self._layout = layout

    def close(self) -> None:
        """Close the file."""
        file, self._file = self._file, None
        self._layout = None
        if file is not None:
            file.close()

    def _begin(self, file: FileIO) -> None:
        """Look at what is there already, and cut off a torn last line."""
        file.seek(0)
        head = file.read(HEAD)
        self._end = 0
        if b"\n" in head:
            self._layout = self._accept(self._names(head))
            self._end = end_of_lines(file, quoted=self._quoted)
        elif not self._torn_head(head):
            shown = head[:100].decode("utf-8", "replace")
            raise WatlowSinkError(f"{self} has another header ({shown!r}); give a new name")
        torn = file.seek(0, os.SEEK_END) - self._end
        if torn:
            log.warning("%s: a torn last line of %d bytes is cut off", self, torn)
            file.truncate(self._end)

    def _append(self, file: FileIO, text: str) -> None:
        check_there(file, self.path)
        try:
            data = text.encode("utf-8")
            # A full disk takes the beginning of a write: no torn line is left, and if
            # it could not be cut off then, it is now.
            if file.seek(0, os.SEEK_END) != self._end:
                file.truncate(self._end)
            try:
                write_all(file, data)
                if self._fsync:
                    os.fsync(file.fileno())
            except BaseException:
                file.truncate(self._end)
                raise
        except (OSError, UnicodeEncodeError) as error:
            raise self._failed("written", error) from error
        self._end += len(data)

    _quoted = False
    _time = "%s"
    _write: Callable[[Any], str]

    def _as_text(self, kind: ColumnType, column: Column) -> Iterable[str]:
        """The cells of a column as text; whatever is the same again and again is made once."""
        if kind in (ColumnType.TEXT, ColumnType.INTEGER):
            return map(self._texts.setdefault(kind, Cache(self._write)).__getitem__, column)
        if kind is ColumnType.TIME and None not in column:
            return map(self._time.__mod__, column)
        return map(self._write, column)

    def _names(self, head: bytes) -> list[str]:
        """The columns of the file that begins with `head`."""
        raise NotImplementedError

    def _torn_head(self, head: bytes) -> bool:
        """Whether `head`, which has no whole line, is what a crash left of the first write."""
        raise NotImplementedError

    def _header(self, layout: ColumnLayout) -> str:
        return ""

    def _lines(self, layout: ColumnLayout, columns: list[Column]) -> str:
        raise NotImplementedError
