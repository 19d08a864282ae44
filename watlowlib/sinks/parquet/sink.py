"""A Parquet file, or a folder of them, that a crash cannot take away.

While it is written, the rows are in a journal beside it. Closing makes the Parquet file of
it; so does the next open, or `watlowlib recover FILE`, after a crash.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from watlowlib._internal.optional import import_optional
from watlowlib._internal.validation import as_int, as_positive
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.sinks.base import FileSink
from watlowlib.sinks.parquet.arrow import arrow, layout_of, schema_of, to_batch
from watlowlib.sinks.parquet.finalize import ROW_GROUP, Packing, finish
from watlowlib.sinks.parquet.journal import SUFFIX, Journal, journal_of, parquet_of
from watlowlib.sinks.rows import COLUMN_TYPES, ColumnLayout, Row

log = logging.getLogger(__name__)

COMPRESSIONS = ("zstd", "snappy", "gzip", "brotli", "lz4", "none")


class ParquetSink(FileSink):
    """A Parquet file; with rotation, a folder of them that is read as one.

    Times are timestamps in UTC. `value` holds the numbers and `value_text` the texts; a
    whole number is in both. A `latency_s` finer than a microsecond is kept to one.
    A file that is there is added to when this one is closed: it is then written anew.

    Args:
        path: The file, or, with rotation, the folder; what it is in must exist.
        compression: zstd, snappy, gzip, brotli, lz4 or none.
        use_dictionary: Whether texts and whole numbers are kept in dictionaries, or the
            names of the columns that are.
        row_group_size: Rows in a row group, 131,072 if not given.
        rotate_bytes: Begin a new file once this many bytes have been written to the
            journal, where a row takes some 130; the Parquet file will have a tenth.
        rotate_s: Begin a new file this many seconds after the first row of the last one.
        columns: Names of the columns a file that is there must have, by default those of
            a Sample.

    Raises:
        WatlowConfigurationError: An option that cannot be.
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
    ) -> None:
        super().__init__(path, columns=columns)
        if compression not in COMPRESSIONS:
            raise WatlowConfigurationError(
                f"compression={compression!r}: allowed are {', '.join(COMPRESSIONS)}"
            )
        dictionary = use_dictionary if isinstance(use_dictionary, bool) else tuple(use_dictionary)
        rows = ROW_GROUP if row_group_size is None else row_group_size
        rows = as_int("row_group_size", rows, 1, None, "give 1 or more rows")
        self._packing = Packing(compression, dictionary, rows)
        self._bytes = self._seconds = float("inf")
        if rotate_bytes is not None:
            self._bytes = as_int("rotate_bytes", rotate_bytes, 1, None, "give 1 or more bytes")
        if rotate_s is not None:
            self._seconds = as_positive("rotate_s", rotate_s, 1e9, "seconds")
        self._rotates = rotate_bytes is not None or rotate_s is not None
        self._journal: Journal | None = None
        self._place = self.path
        self._schema: Any = None
        self._until_s = 0.0

    def open(self) -> None:
        """Finish what a crash has left, and begin a journal.

        Raises:
            WatlowSinkError: pyarrow is not installed, no such folder, no permission, a
                file of another kind, or one that another sink writes to.
        """
        if self._journal is not None:
            return
        pa = arrow()
        self._check_folder()
        self._place = self.path.absolute()  # wherever the program goes meanwhile
        try:
            if self._rotates:
                self._place.mkdir(exist_ok=True)
                recover_folder(self._place, self._packing)
            self._begin(self._next_file())
        except (OSError, pa.ArrowException) as error:
            raise self._failed("opened", error) from error

    def write_many(self, samples: Sequence[Row]) -> None:
        """Append `samples` to the journal and hand them to the system; all of them or none."""
        if self._journal is None:
            raise self._not_open()
        if not samples:
            return
        layout = self._layout or ColumnLayout.infer(samples)
        schema = self._schema or schema_of(layout)
        batch = to_batch(layout, schema, samples)
        try:
            if self._rotates and self._is_full(self._journal):
                self._end(self._journal)
                self._begin(self._next_file())
            # What was begun for rows that the disk had no room for is not for others.
            if self._layout is None or not self._journal.size:
                self._journal.begin(schema)
                self._until_s = time.monotonic() + self._seconds
            self._journal.append(batch)
        except (OSError, arrow().ArrowException) as error:
            raise self._failed("written", error) from error
        self._layout, self._schema = layout, schema

    def close(self) -> None:
        """Make the Parquet file of the journal; takes a second for some million rows.

        Raises:
            WatlowSinkError: It could not be made; the rows are safe in the journal.
        """
        journal = self._journal
        if journal is not None:
            try:
                if self._layout is None and not self._rotates:
                    journal.begin(schema_of(ColumnLayout(COLUMN_TYPES)))
                self._end(journal)
            except (OSError, arrow().ArrowException) as error:
                raise WatlowSinkError(
                    f"{self} could not be finished: {error}. Its rows are in {journal.path}: "
                    f"see to that, then run: watlowlib recover {self._place}"
                ) from error
            finally:
                journal.close()
                self._journal = self._layout = self._schema = None

    def _is_full(self, journal: Journal) -> bool:
        full = journal.size >= self._bytes or time.monotonic() >= self._until_s
        return journal.size > 0 and full

    def _next_file(self) -> Path:
        if not self._rotates:
            return self._place
        numbers = [
            int(found[1]) for each in self._place.iterdir() if (found := PART.match(each.name))
        ]
        return self._place / f"part-{max(numbers, default=0) + 1:06}.parquet"

    def _begin(self, path: Path) -> None:
        """Take the journal of `path`, and finish it if a crash has left it."""
        if path.is_dir():
            raise IsADirectoryError(f"{path} is a folder; give rotate_bytes or rotate_s for one")
        journal = Journal(journal_of(path))
        try:
            recovered(journal.path, path, self._packing)
            if path.exists():
                schema = import_optional("pyarrow.parquet", "parquet").read_schema(path)
                layout = layout_of(schema)
                self._accept(list(layout.types))
                self._layout, self._schema = layout, schema.remove_metadata()
        except BaseException:
            journal.give_up()
            raise
        self._journal = journal

    def _end(self, journal: Journal) -> None:
        """Make the Parquet file."""
        journal.check()
        finish(journal.path, parquet_of(journal.path), self._packing)
        journal.remove()


PART = re.compile(rf"_?part-(\d+)\.parquet(?:{re.escape(SUFFIX)})?$")


def recovered(journal: Path, path: Path, packing: Packing) -> int:
    """Finish what a crash has left in `journal`; how many rows that were."""
    rows = finish(journal, path, packing)
    if rows:
        log.warning("%s: %d rows that were not finished have been recovered", path, rows)
    return rows


def recover_folder(folder: Path, packing: Packing) -> int:
    """Finish whatever a crash has left in `folder`; how many rows that were."""
    return sum(recover_file(each, packing) for each in sorted(folder.glob(f"_*{SUFFIX}")))


def recover_file(journal: Path, packing: Packing) -> int:
    """Finish one journal; how many rows that were.

    Raises:
        WatlowSinkError: A sink is writing to it, or the Parquet file cannot be made.
    """
    path = parquet_of(journal)
    try:
        held = Journal(journal)
        try:
            rows = recovered(journal, path, packing)
        except BaseException:
            held.close()
            raise
        held.remove()
    except (OSError, arrow().ArrowException) as error:
        raise WatlowSinkError(
            f"{path} could not be recovered: {error}. Its rows are in {journal} still"
        ) from error
    return rows
