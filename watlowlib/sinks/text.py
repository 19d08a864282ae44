"""Base class of the text files, CSV and JSON Lines: UTF-8, one line per row.

Rows are appended to an existing file. Each `write_many` passes its rows to the operating
system, and with `fsync` waits for the disk. Opening a file moves a torn last line to a file
beside it. Each write checks that the file is still the one at its path, with the size it had.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

from watlowlib._internal.log import logger
from watlowlib.errors import WatlowSinkError, WatlowSinkSchemaError
from watlowlib.model.events import EVENT_COLUMNS
from watlowlib.model.text import counted
from watlowlib.sinks.database import check_pattern
from watlowlib.sinks.files import (
    FileIdentity,
    events_path,
    lock,
    packed_of,
    replaced_error,
    write_all,
)
from watlowlib.sinks.lines import LineFormat
from watlowlib.sinks.meta_file import (
    add_recording,
    meta_path,
    recordings_beside,
    write_recordings,
)
from watlowlib.sinks.rotation.compress import compress as compress_file
from watlowlib.sinks.rotation.policy import Limits
from watlowlib.sinks.rotation.sink import RotatingSink
from watlowlib.sinks.rows import ColumnLayout, Row
from watlowlib.sinks.torn_line import (
    ROW_LIMIT,
    DamagedFileError,
    end_of_lines,
    set_aside,
    torn_path,
)
from watlowlib.streaming.metadata import RecordingInfo

log = logger(__name__)


class TextSink(RotatingSink):
    """Base class of `CsvSink` and `JsonlSink`, which describe the arguments."""

    _compresses = True

    _quotes = False
    _format_cell: Callable[[Any], str]

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fsync: bool = False,
        columns: Sequence[str] | None = None,
        on_replaced: str = "raise",
        rotate: Limits = None,
        keep: Limits = None,
        compress: bool = False,
        min_free: str | None = None,
    ) -> None:
        super().__init__(path, columns, rotate, keep, compress, min_free)
        check_pattern("on_replaced", on_replaced, "raise|reopen", None)
        self._fsync = fsync
        self._on_replaced = on_replaced
        self._file: FileIO | None = None
        self._identity: FileIdentity | None = None
        self._end = 0
        self._write_failed = False
        self._format: LineFormat | None = None

    def repair(self) -> int:
        """Move a torn last line to the file beside; return its length, 0 for a complete file.

        Raises:
            WatlowSinkError: As for `open`.
        """
        self.check_process()
        try:
            return self._open()
        finally:
            self._close_file()

    def _append_rows(self, samples: Sequence[Row]) -> None:
        self._check_in_place()
        assert self._file is not None
        layout = self._layout or ColumnLayout.infer(samples)
        if self._format is None or self._format.layout is not layout:
            self._format = self._line_format(layout)
        lines = self._format.lines(samples)
        if self._end == 0:
            lines = self._header(layout) + lines
        self._append(self._file, lines)
        self._layout = layout

    def write_recording(self, info: RecordingInfo) -> None:
        """Add `info` to the file beside, `run.csv.meta.json`, which is replaced atomically."""
        if self._file is None:
            raise self._not_open()
        self._recording = info
        try:
            add_recording(self.path, info)
        except (OSError, ValueError) as error:
            raise WatlowSinkError(
                f"{meta_path(self.path)} could not be written: {error}"
            ) from error

    def _new_event_sink(self) -> TextSink:
        return type(self)(
            events_path(self.path),
            fsync=self._fsync,
            columns=EVENT_COLUMNS,
            on_replaced=self._on_replaced,
        )

    def _close(self) -> None:
        """Close the file; if all writes succeeded, delete the file with its torn lines."""
        if self._file is not None and not self._write_failed:
            torn_path(self.path).unlink(missing_ok=True)
        self._close_file()

    def _open_file(self) -> None:
        self._open()

    def _size(self) -> int:
        return self._end

    def _prepare_part(self, part: Path) -> None:
        """Cut off what a failed write has left, and give the part its own metadata."""
        assert self._file is not None
        self._cut_off_part(self._file)
        if recordings := recordings_beside(self.path):
            write_recordings(part, recordings)

    def _abandon_part(self, part: Path) -> None:
        with suppress(OSError):
            meta_path(part).unlink(missing_ok=True)

    def _release(self) -> None:
        self._close_file()

    def _reopen(self, layout: ColumnLayout | None, recording: RecordingInfo | None) -> None:
        begun = not self.path.exists()
        self._open_file()
        if begun:
            with suppress(OSError):  # surplus metadata does no harm
                meta_path(self.path).unlink(missing_ok=True)
        self._layout = self._layout or layout
        self._restore_recording(recording)

    def _finish(self, part: Path, stop: threading.Event) -> None:
        """Compress a part; delete one that was compressed before."""
        assert self._policy is not None
        if part.exists() and (self._policy.compress or packed_of(part).exists()):
            compress_file(part, stop)

    def _open(self) -> int:
        """Open and check the file; return the length of the torn line that was set aside."""
        self._check_folder()
        try:
            self._file = FileIO(str(self.path), "a+")
            lock(self._file, self)
            torn = self._check_contents(self._file)
            self._identity = FileIdentity(self.path, os.fstat(self._file.fileno()))
        except BaseException as error:
            self._close_file()
            if isinstance(error, OSError):
                raise self._failed("opened", error) from error
            raise
        self._write_failed = False
        self._pid = os.getpid()
        return torn

    def _close_file(self) -> None:
        file, self._file = self._file, None
        self._layout = self._format = self._recording = self._pid = None
        if file is not None:
            file.close()

    def _check_contents(self, file: FileIO) -> int:
        """Read the columns of an existing file; set a torn last line aside."""
        try:
            end = end_of_lines(file, quotes=self._quotes)
        except DamagedFileError as error:
            raise WatlowSinkError(
                f"{self}: {error}. Nothing was changed: correct the file with an editor, or give "
                "a new name"
            ) from error
        file.seek(end)
        complete = self._is_complete_row(file.read())
        file.seek(0)
        head = file.read(ROW_LIMIT) + (b"\n" if complete else b"")
        if end or complete:
            self._layout = self._accept(self._column_names(head), self._units(head))
        elif not self._is_torn_first_write(head):
            shown = head[:100].decode("utf-8", "replace")
            raise WatlowSinkSchemaError(f"{self} has another header ({shown!r}); give a new name")
        if complete:  # the row only lacks its line break
            write_all(file, b"\n")
            end = file.seek(0, os.SEEK_END)
        self._end = end
        torn = set_aside(file, self.path, end)
        if torn:
            beside = torn_path(self.path)
            log.warning(
                "%s: a torn last line of %s was moved to %s", self, counted(torn, "byte"), beside
            )
        return torn

    def _check_in_place(self) -> None:
        """Check that the file is still at its path, with the size it had after the last write.

        Raises:
            WatlowSinkError: It is not, and `on_replaced` is "raise".
        """
        assert self._file is not None
        assert self._identity is not None
        if self._identity.has_size(self._end):
            return
        status = os.fstat(self._file.fileno())
        # Our own failed write may have left a part of its rows at the end.
        same_size = status.st_size == self._end or (
            self._write_failed and status.st_size > self._end
        )
        if same_size and self._identity.in_place():
            return
        if self._on_replaced == "raise":
            if same_size and status.st_nlink and not self.path.exists():
                return  # a file that was only renamed keeps its rows
            raise replaced_error(self.path)
        log.warning("%s was moved or truncated by another program; it is opened again", self)
        layout, recording = self._layout, self._recording
        self._close_file()
        self._open()
        self._layout = self._layout or layout
        self._restore_recording(recording)

    def _append(self, file: FileIO, text: str) -> None:
        try:
            data = text.encode("utf-8")
            # A full disk stores only the first part of a write. That part is cut off after
            # the failure, or here if the cut failed as well.
            if self._write_failed:
                self._cut_off_part(file)
            self._write_failed = True
            try:
                write_all(file, data)
                if self._fsync:
                    os.fsync(file.fileno())
            except BaseException:
                self._cut_off_part(file)
                raise
        except (OSError, UnicodeEncodeError) as error:
            raise self._failed("written", error) from error
        self._end += len(data)
        self._write_failed = False

    def _cut_off_part(self, file: FileIO) -> None:
        if file.seek(0, os.SEEK_END) > self._end:  # never make the file longer
            file.truncate(self._end)

    def _column_names(self, head: bytes) -> list[str]:
        """Return the columns of the file that begins with `head`."""
        raise NotImplementedError

    def _units(self, head: bytes) -> Iterable[object]:
        """Return the units in the complete rows of `head`."""
        raise NotImplementedError

    def _is_torn_first_write(self, head: bytes) -> bool:
        """Whether `head`, which has no complete line, is a first write torn by a crash."""
        raise NotImplementedError

    def _is_complete_row(self, tail: bytes) -> bool:
        """Whether the bytes after the last line break are certainly a complete row."""
        raise NotImplementedError

    def _header(self, layout: ColumnLayout) -> str:
        return ""

    def _line_format(self, layout: ColumnLayout) -> LineFormat:
        raise NotImplementedError
