"""A sink for a Parquet file, or a folder of them, that loses no rows in a crash.

During a recording the rows are in a journal beside the file. `close` makes the Parquet file
from the journal; after a crash, the next `open` or `watlowlib recover FILE` does so.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from watlowlib._internal.log import logger
from watlowlib._internal.optional import import_optional
from watlowlib._internal.validation import as_int, as_positive, shown
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.model.events import EVENT_COLUMNS
from watlowlib.model.text import counted
from watlowlib.sinks.files import events_path
from watlowlib.sinks.parquet.arrow import arrow, layout_of, schema_of, to_batch
from watlowlib.sinks.parquet.finalize import ROW_GROUP, Finalized, ParquetOptions, finalize
from watlowlib.sinks.parquet.journal import SUFFIX, Journal, journal_of, parquet_of
from watlowlib.sinks.rotation import steps
from watlowlib.sinks.rotation.policy import Limits
from watlowlib.sinks.rotation.sink import RotatingSink
from watlowlib.sinks.rows import COLUMN_TYPES, REQUIRED_COLUMNS, ColumnLayout, Row
from watlowlib.streaming.metadata import RecordingInfo

log = logger(__name__)

FIRST_GROUPS = 8
"""Row groups of an existing file in which to look for units."""

COMPRESSIONS = ("zstd", "snappy", "gzip", "brotli", "lz4", "none")


class ParquetSink(RotatingSink):
    """A sink for a Parquet file; with rotation, for a folder of files that is read as one.

    Times are timestamps in UTC. `value` holds the numbers and `value_text` the texts; an
    integer is in both. So are addresses once there is a text such as "A": the file then gets
    `address_text` and is rewritten once. A `latency_s` finer than a microsecond is rounded to
    about one.
    Rows are added to an existing file by `close`, which rewrites the whole file.

    Args:
        path: The file, or, with rotation, the folder. The parent folder must exist.
        compression: zstd, snappy, gzip, brotli, lz4 or none.
        use_dictionary: Whether to store texts and integers in dictionaries, or the names of
            the columns to store so.
        row_group_size: Rows in a row group, 131,072 by default.
        rotate_bytes: Start a new file once this many bytes have been written to the
            journal, where a row takes about 130; the Parquet file has a tenth of the size.
        rotate_s: Start a new file this many seconds after the first row of the current one.
        columns: Names of the columns that an existing file must have, by default those of
            a Sample.
        rotate: When the file becomes a finished part with another name, and a new file is begun:
            "1 day" or "6 hours" (from midnight in UTC, or "1 day local"), "100 MB", or both as a
            tuple. The size is that of
            the journal. `docs/rotation.md` describes this and the next options.
        keep: Which finished parts are kept: "90 days", "20 GB", or both as a tuple; None for all.
        compress: Not for this format.
        min_free: The free space, such as "1 GB", below which a warning is logged, and with
            `keep` the oldest parts are removed. Default: "500 MB".

    Raises:
        WatlowConfigurationError: An option is out of range.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        compression: str = "zstd",
        use_dictionary: bool | Sequence[str] = True,
        row_group_size: int | None = None,
        rotate_bytes: int | None = None,
        rotate_s: float | None = None,
        columns: Sequence[str] | None = None,
        rotate: Limits = None,
        keep: Limits = None,
        compress: bool = False,
        min_free: str | None = None,
    ) -> None:
        super().__init__(path, columns, rotate, keep, compress, min_free)
        if compression not in COMPRESSIONS:
            raise WatlowConfigurationError(
                f"compression={shown(compression)}: allowed are {', '.join(COMPRESSIONS)}"
            )
        dictionary = use_dictionary if isinstance(use_dictionary, bool) else tuple(use_dictionary)
        rows = ROW_GROUP if row_group_size is None else row_group_size
        rows = as_int("row_group_size", rows, 1, None, "give 1 or more rows")
        self._options = ParquetOptions(compression, dictionary, rows)
        self._max_bytes = self._max_age_s = float("inf")
        if rotate_bytes is not None:
            self._max_bytes = as_int("rotate_bytes", rotate_bytes, 1, None, "give 1 or more bytes")
        if rotate_s is not None:
            self._max_age_s = as_positive("rotate_s", rotate_s, 1e9, "seconds")
        self._rotates = rotate_bytes is not None or rotate_s is not None
        if self._rotates and self._policy is not None:
            raise WatlowConfigurationError(
                "give rotate for a file with finished parts beside it, or rotate_bytes and "
                "rotate_s for a folder, not both"
            )
        self._journal: Journal | None = None
        self._target = self.path
        self._schema: Any = None
        self._until_s = 0.0
        self._recording_is_stored = True
        self._rows_waiting = 0

    @property
    def rows_waiting(self) -> int:
        """How many rows are in the journal, and not yet in a Parquet file."""
        return self._rows_waiting

    @property
    def compression(self) -> str:
        """How the file is compressed."""
        return self._options.compression

    def _open_file(self) -> None:
        """Finish the journals that a crash has left, and create a journal."""
        pa = arrow()
        self._check_folder()
        self._target = self.path.absolute()  # the program may change its working directory
        try:
            if self._rotates:
                self._target.mkdir(exist_ok=True)
                recover_folder(self._target, self._options)
            self._begin(self._next_file())
        except (OSError, pa.ArrowException) as error:
            raise self._failed("opened", error) from error
        self._pid = os.getpid()

    def _append_rows(self, samples: Sequence[Row]) -> None:
        """Append `samples` to the journal, unbuffered; all of them or none."""
        assert self._journal is not None
        layout = (self._layout or ColumnLayout.infer(samples)).fitting(samples)
        widen = self._layout not in (None, layout)
        schema = schema_of(layout) if widen or self._schema is None else self._schema
        batch = to_batch(layout, schema, samples)
        try:
            if widen or (self._rotates and self._is_full(self._journal)):
                self._end(self._journal)
                self._begin(self._next_file())
                self._recording_is_stored = False
            # If the disk had no room for the first rows, the schema may not fit the next ones.
            if self._layout is None or not self._journal.size:
                self._journal.begin(schema)
                self._until_s = time.monotonic() + self._max_age_s
            self._journal.append(batch, None if self._recording_is_stored else self._recording)
        except (OSError, arrow().ArrowException) as error:
            raise self._failed("written", error) from error
        self._layout, self._schema = layout, schema
        self._rows_waiting += len(samples)
        self._recording_is_stored = True

    def write_recording(self, info: RecordingInfo) -> None:
        """Store `info` with the next rows; the file has it as metadata `watlowlib.recordings`."""
        if self._journal is None:
            raise self._not_open()
        self._recording, self._recording_is_stored = info, False

    def _new_event_sink(self) -> ParquetSink:
        path = self._target / self._target.name if self._rotates else self._target
        path = events_path(path.with_suffix(".parquet"))
        return ParquetSink(path, compression=self.compression, columns=EVENT_COLUMNS)

    def _close(self) -> None:
        """Make the Parquet file from the journal, in about a second for a million rows.

        Raises:
            WatlowSinkError: The file could not be made, or the journal was moved; the message
                says where the rows are.
        """
        journal = self._journal
        if journal is not None:
            try:
                if self._layout is None and not self._rotates:
                    journal.begin(schema_of(ColumnLayout(COLUMN_TYPES)))
                self._end(journal)
            except (OSError, arrow().ArrowException) as error:
                raise WatlowSinkError(
                    f"{self} could not be finished: {error}. Its rows are in {journal.path}; "
                    f"fix the cause, then run: watlowlib recover {self._target}"
                ) from error
            finally:
                journal.close()
                self._journal = self._layout = self._schema = None
                self._recording = self._pid = None

    def _files(self, path: Path) -> list[Path]:
        return [path, journal_of(path)]

    def _size(self) -> int:
        journal = self._journal.size if self._journal is not None else 0
        return journal + (self._target.stat().st_size if self._target.exists() else 0)

    def _prepare_part(self, part: Path) -> None:
        del part
        assert self._journal is not None
        self._journal.finish()

    def _release(self) -> None:
        assert self._journal is not None
        self._journal.close_or_remove()
        self._pid = None

    def _reopen(self, layout: ColumnLayout | None, recording: RecordingInfo | None) -> None:
        """Begin a new journal, or continue the one that could not be renamed."""
        old, self._journal = self._journal, None
        assert old is not None
        try:
            if old.path.exists():
                self._journal = Journal(old.path)
                self._journal.size = old.size
            else:
                self._begin(self._target)
                self._recording_is_stored, self._rows_waiting = False, 0
        except (OSError, arrow().ArrowException) as error:
            raise self._failed("opened", error) from error
        self._pid = os.getpid()

    def _finish(self, part: Path, stop: threading.Event) -> None:
        """Make the Parquet file of a part from its journal."""
        del stop
        if journal_of(part).exists():
            steps.reached("journal renamed")
            finish_journal(journal_of(part), self._options)

    def _is_full(self, journal: Journal) -> bool:
        full = journal.size >= self._max_bytes or time.monotonic() >= self._until_s
        return journal.size > 0 and full

    def _next_file(self) -> Path:
        if not self._rotates:
            return self._target
        numbers = [
            int(match[1]) for each in self._target.iterdir() if (match := PART.match(each.name))
        ]
        return self._target / f"part-{max(numbers, default=0) + 1:06}.parquet"

    def _begin(self, path: Path) -> None:
        """Open the journal of `path`; first finish one that a crash has left."""
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder; give rotate_bytes or rotate_s with it")
        journal = Journal(journal_of(path))
        try:
            _finish_leftover(journal, path, self._options)
            if path.exists():
                layout, schema = _columns_of(path)
                layout.short_units = self._accept(list(layout.types), _units(path)).short_units
                self._layout, self._schema = layout, schema
            elif self._rotates and self._layout is None:
                self._continue_old_folder()
        except BaseException:
            journal.close_or_remove()
            raise
        self._journal = journal

    def _continue_old_folder(self) -> None:
        """Keep the columns of samples of an earlier version, so that the folder reads as one."""
        newest = max(self._target.glob("part-*.parquet"), default=None)
        if newest is not None:
            layout, schema = _columns_of(newest)
            if tuple(layout.types) == REQUIRED_COLUMNS:
                self._layout, self._schema = layout, schema

    def _end(self, journal: Journal) -> None:
        """Make the Parquet file and delete the journal."""
        if not journal.closed:  # it is if the next journal could not be opened
            journal.finish()
            finalize(journal, parquet_of(journal.path), self._options)
        journal.remove()
        self._rows_waiting = 0


PART = re.compile(rf"_?part-(\d+)\.parquet(?:{re.escape(SUFFIX)})?$")


def _columns_of(path: Path) -> tuple[ColumnLayout, Any]:
    """Return the columns of a Parquet file, and its schema without metadata."""
    schema = import_optional("pyarrow.parquet").read_schema(path)
    return layout_of(schema), schema.remove_metadata()


def _units(path: Path) -> list[object]:
    """Return the units in the first row groups of a Parquet file."""
    with import_optional("pyarrow.parquet").ParquetFile(path) as file:
        if not file.num_row_groups or "unit" not in file.schema_arrow.names:
            return []
        groups = range(min(FIRST_GROUPS, file.num_row_groups))
        column = file.read_row_groups(groups, columns=["unit"]).column("unit")
        return list(column.unique().to_pylist())


def _finish_leftover(journal: Journal, path: Path, options: ParquetOptions) -> Finalized:
    """Add the rows that a crash has left in `journal` to `path`."""
    done = finalize(journal, path, options)
    _log_recovered(path, done)
    return done


def _log_recovered(path: Path, done: Finalized) -> None:
    if done.rows:
        rows = counted(done.rows, "row")
        log.warning("%s: %s of an interrupted recording recovered", path, rows)


def recover_folder(folder: Path, options: ParquetOptions) -> Finalized:
    """Finish all journals that a crash has left in `folder`; return the sums."""
    done = [recover_file(each, options) for each in sorted(folder.glob(f"_*{SUFFIX}"))]
    return Finalized(sum(each.rows for each in done), sum(each.bytes_set_aside for each in done))


def recover_file(path: Path, options: ParquetOptions) -> Finalized:
    """Finish the journal `path` that a crash has left.

    Raises:
        WatlowSinkError: A sink is writing to the journal, or the Parquet file cannot be made.
    """
    done = finish_journal(path, options)
    _log_recovered(parquet_of(path), done)
    return done


def finish_journal(path: Path, options: ParquetOptions) -> Finalized:
    """Add the rows of the journal `path` to its Parquet file, and delete it.

    Raises:
        WatlowSinkError: As for `recover_file`.
    """
    parquet = parquet_of(path)
    try:
        journal = Journal(path)
        try:
            done = finalize(journal, parquet, options)
        except BaseException:
            journal.close()
            raise
        journal.remove()
    except (OSError, arrow().ArrowException) as error:
        raise WatlowSinkError(
            f"{parquet} could not be recovered: {error}. Its rows are still in {path}"
        ) from error
    return done
