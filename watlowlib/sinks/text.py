"""Base class of the text files, CSV and JSON Lines: UTF-8, one line per row.

Rows are appended to an existing file. Each `write_many` passes its rows to the operating
system, and with `fsync` waits for the disk. Opening a file cuts off a torn last line.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from io import FileIO
from typing import Any

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.files import check_not_deleted, end_of_last_line, lock, write_all
from watlowlib.sinks.rows import Cache, Column, ColumnLayout, ColumnType, Row, TimeText

log = logging.getLogger(__name__)

HEAD = 1 << 20
"""Length limit of the first line, in bytes."""


class TextSink(FileSink):
    """Base class of `CsvSink` and `JsonlSink`.

    Args:
        path: The file. Its folder must exist.
        fsync: Whether each `write_many` also waits for the disk. The rows then survive a
            power cut, but each call takes some milliseconds.
        columns: Names of the columns that an existing file must have. Default: the columns
            of a Sample.
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
        self._caches: dict[ColumnType, Cache[str]] = {}

    def open(self) -> None:
        """Open the file for appending; create it if it does not exist.

        Raises:
            WatlowSinkError: The folder does not exist, permission is denied, the file has
                another format or other columns, or another sink is writing to it.
        """
        if self._file is not None:
            return
        self._check_folder()
        try:
            self._file = FileIO(str(self.path), "a+")
            lock(self._file, self)
            self._check_contents(self._file)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise self._failed("opened", error) from error
            raise

    def write_many(self, samples: Sequence[Row]) -> None:
        """Append `samples`, all or none, and pass them to the operating system."""
        if self._file is None:
            raise self._not_open()
        if not samples:
            return
        layout = self._layout or ColumnLayout.infer(samples)
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

    def _check_contents(self, file: FileIO) -> None:
        """Read the columns of an existing file and cut off a torn last line."""
        file.seek(0)
        head = file.read(HEAD)
        self._end = 0
        if b"\n" in head:
            self._layout = self._accept(self._column_names(head))
            self._end = end_of_last_line(file, quotes=self._quotes)
        elif not self._is_torn_first_write(head):
            shown = head[:100].decode("utf-8", "replace")
            raise WatlowSinkError(f"{self} has another header ({shown!r}); give a new name")
        torn = file.seek(0, os.SEEK_END) - self._end
        if torn:
            log.warning("%s: a torn last line of %d bytes is cut off", self, torn)
            file.truncate(self._end)

    def _append(self, file: FileIO, text: str) -> None:
        check_not_deleted(file, self.path)
        try:
            data = text.encode("utf-8")
            # A full disk stores only the first part of a write. That part is cut off after
            # the failure, or here if the cut failed as well.
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

    _quotes = False
    _time_format = "%s"
    _format_cell: Callable[[Any], str]

    def _format_column(self, type_: ColumnType, column: Column) -> Iterable[str]:
        """Return the cells of a column as text; text and integers are cached."""
        if type_ in (ColumnType.TEXT, ColumnType.INTEGER):
            return map(self._caches.setdefault(type_, Cache(self._format_cell)).__getitem__, column)
        if type_ is ColumnType.TIME and None not in column:
            return map(self._time_format.__mod__, column)
        return map(self._format_cell, column)

    def _column_names(self, head: bytes) -> list[str]:
        """Return the columns of the file that begins with `head`."""
        raise NotImplementedError

    def _is_torn_first_write(self, head: bytes) -> bool:
        """Whether `head`, which has no complete line, is a first write torn by a crash."""
        raise NotImplementedError

    def _header(self, layout: ColumnLayout) -> str:
        return ""

    def _lines(self, layout: ColumnLayout, columns: list[Column]) -> str:
        raise NotImplementedError
