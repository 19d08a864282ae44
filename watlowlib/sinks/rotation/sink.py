"""Base class of the file sinks that rotate.

A rotation has four steps: prepare the part, close the file, rename it, open a new one. Rows that
were written are complete in the file before the first step, and a program that is killed between
two steps leaves either the active file or none. If a step fails, the active file is continued.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from watlowlib._internal.clock import Clock
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.rotation import steps
from watlowlib.sinks.rotation.moving import move
from watlowlib.sinks.rotation.policy import Limits, make_policy
from watlowlib.sinks.rotation.rotation import Rotation, changed_at
from watlowlib.sinks.rows import ColumnLayout, Row
from watlowlib.streaming.metadata import RecordingInfo


class RotatingSink(FileSink):
    """A file to which rows are added; with `rotate`, finished parts of it get other names.

    `docs/rotation.md` describes the options.
    """

    _compresses: ClassVar[bool] = False
    _clock: Clock | None = None
    """The clock of the rotation; None for the system's."""

    _rotation: Rotation | None = None

    def __init__(
        self,
        path: str | os.PathLike[str],
        columns: Sequence[str] | None,
        rotate: Limits,
        keep: Limits,
        compress: bool,
        min_free: str | None,
    ) -> None:
        super().__init__(path, columns=columns)
        self._policy = make_policy(rotate, keep, compress, min_free)
        if self._policy is not None:  # the program may change its working directory
            link = self.path.is_symlink()  # the file is renamed, not the link
            self.path = self.path.resolve() if link else self.path.absolute()
        if compress and not self._compresses:
            raise WatlowConfigurationError(
                f"compress=True: {self.path.suffix or type(self).__name__} files are not "
                "compressed with gzip, only .csv and .jsonl files; leave it out"
            )

    def open(self) -> None:
        """Open the file; do nothing if it is open.

        With `rotate`, a file of an earlier slot first becomes a part.

        Raises:
            WatlowSinkError: The folder does not exist, permission is denied, the file has
                another format, other columns or damage, or another sink is writing to it.
        """
        self.check_process()
        if self.is_open:
            return
        if self._policy is None:
            self._open_file()
            return
        self._end_rotation()  # of a file that could not be opened again
        changed = changed_at(self._files(self.path))  # opening a file may change it
        self._open_file()
        self._rotation = Rotation(self.path, self._policy, self._finish, changed, self._clock)
        self._rotate_if_due(self._rotation)
        self._rotation.finish_parts()

    def write_many(self, samples: Sequence[Row]) -> None:
        """Append `samples`, all of them or none, and pass them to the operating system."""
        self.check_process()
        if not self.is_open:
            raise self._not_open()
        if samples:
            if self._rotation is not None:
                self._rotate_if_due(self._rotation)
                self._rotation.check_free()
            self._append_rows(samples)

    def close(self) -> None:
        """Finish the parts, then close the file, whose lock also protects the parts."""
        if self.in_other_process:
            return
        try:
            self._end_rotation()
        finally:
            try:
                self._close()
            finally:
                self._close_event_sink()

    def _end_rotation(self) -> None:
        rotation, self._rotation = self._rotation, None
        if rotation is not None:
            rotation.close()

    def _rotate_if_due(self, rotation: Rotation) -> None:
        if rotation.is_due(self._size):
            self._rotate(rotation)

    def _rotate(self, rotation: Rotation) -> None:
        """Rename the active file to a part, and open a new one; if that fails, continue it.

        Raises:
            WatlowSinkError: The active file could not be opened again.
        """
        kept = self._layout, self._recording
        try:
            part = rotation.next_part()
            self._prepare_part(part)
        except (OSError, ValueError, sqlite3.Error, WatlowSinkError) as error:
            rotation.failed(error)
            return
        steps.reached("prepared")
        self._release()
        steps.reached("closed")
        files, parts = self._files(rotation.path), self._files(part)
        try:
            move(files, parts)
        except OSError as error:
            self._abandon_part(part)
            rotation.failed(error)
            self._reopen(*kept)
            return
        try:
            self._reopen(*kept)
        except WatlowSinkError as error:
            with suppress(OSError):
                move(parts, files)
                self._abandon_part(part)
            rotation.failed(error)
            self._reopen(*kept)
            return
        steps.reached("opened")
        rotation.succeeded()

    def _files(self, path: Path) -> list[Path]:
        """Return the names of the files with the rows of `path`, in the order of renaming."""
        return [path]

    def _open_file(self) -> None:
        """Open the active file."""
        raise NotImplementedError

    def _append_rows(self, samples: Sequence[Row]) -> None:
        """Write `samples`, at least one, to the open file."""
        raise NotImplementedError

    def _close(self) -> None:
        """Close the active file for good."""
        raise NotImplementedError

    def _size(self) -> int:
        """Return the size of the active file in bytes, 0 if it has no rows."""
        raise NotImplementedError

    def _prepare_part(self, part: Path) -> None:
        """Make the open file ready to be the part `part`; after an error it can be continued."""

    def _abandon_part(self, part: Path) -> None:
        """Delete what `_prepare_part` has made: the file could not be renamed."""

    def _release(self) -> None:
        """Close the active file, to rename it."""
        raise NotImplementedError

    def _reopen(self, layout: ColumnLayout | None, recording: RecordingInfo | None) -> None:
        """Open the active file, new or the same again, in a rotation."""
        del layout
        self._open_file()
        self._restore_recording(recording)

    def _finish(self, part: Path, stop: threading.Event) -> None:
        """Finish a part, in the thread of the rotation."""
