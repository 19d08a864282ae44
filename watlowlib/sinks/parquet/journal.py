"""The journal of a Parquet file: the rows written until the file is finished.

A Parquet file is readable only once its footer has been written. Until then the rows are in
a file beside it, `_<name>.journal`: a stream of Arrow record batches, one for each
`write_many`. Reading a journal skips a batch that a crash left incomplete.
(Programs that read a folder as a dataset ignore names that begin with `_`.)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from watlowlib.sinks.files import check_not_deleted, lock, write_all
from watlowlib.sinks.parquet.arrow import arrow

ID = b"watlowlib.journal"
"""Metadata key of a journal's ID; the Parquet file has the ID of the last journal added."""

SUFFIX = ".journal"


def journal_of(path: Path) -> Path:
    """Return the path of the journal of the Parquet file `path`."""
    return path.with_name(f"_{path.name}{SUFFIX}")


def parquet_of(journal: Path) -> Path:
    """Return the path of the Parquet file of `journal`; the inverse of `journal_of`."""
    return journal.with_name(journal.name.removeprefix("_").removesuffix(SUFFIX))


class Journal:
    """A journal, new or existing, open for writing by one sink at a time.

    Raises:
        OSError: The file cannot be created or opened.
        WatlowSinkError: Another sink is writing to the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = self._open_locked()
        self.size = 0

    def begin(self, schema: Any) -> None:
        """Empty the file, and write the schema with a new ID."""
        self._file.truncate(0)
        self.size = 0
        schema = schema.with_metadata({ID: uuid4().hex.encode()})
        self._write(schema.serialize())

    def append(self, batch: Any) -> None:
        """Write a record batch to the file, unbuffered; all of it or nothing."""
        self._write(batch.serialize())

    def check(self) -> None:
        """Check that the file still exists, unless the journal is closed.

        Raises:
            WatlowSinkError: The file was deleted or replaced.
        """
        if not self._file.closed:
            check_not_deleted(self._file, self.path)

    def _write(self, data: Any) -> None:
        self.check()
        # On a full disk, part of a batch may have been written. Readers skip that part, and
        # it is cut off before the next write.
        if self._file.seek(0, os.SEEK_END) != self.size:
            self._file.truncate(self.size)
        write_all(self._file, data)
        self.size += len(data)

    def close(self) -> None:
        """Close and keep the file."""
        self._file.close()

    def close_or_remove(self) -> None:
        """Close the file, and delete it if it is empty."""
        if os.fstat(self._file.fileno()).st_size:
            self.close()
        else:
            self.remove()

    def remove(self) -> None:
        """Close and delete the file."""
        with suppress(PermissionError):  # Windows cannot delete an open file
            self.path.unlink(missing_ok=True)
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _open_locked(self) -> FileIO:
        while True:
            file = FileIO(str(self.path), "a+")
            try:
                lock(file, self.path)
                # The sink that held the lock may have deleted the file.
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                        return file
            except BaseException:
                file.close()
                raise
            file.close()


def read_journal(path: Path) -> tuple[Any, Iterator[Any]]:
    """Return the schema and the complete batches of a journal; None and no batches if missing."""
    pa = arrow()
    try:
        file = pa.OSFile(str(path), "rb")
    except FileNotFoundError:
        return None, iter(())
    try:
        reader = pa.ipc.open_stream(file)
    except (pa.ArrowInvalid, OSError) as error:
        file.close()
        _raise_disk_error(error)
        return None, iter(())
    return reader.schema, _complete_batches(file, reader)


def _complete_batches(file: Any, reader: Any) -> Iterator[Any]:
    pa = arrow()
    with file:
        while True:
            try:
                batch = reader.read_next_batch()
                batch.validate(full=True)
            except StopIteration:
                return
            except (pa.ArrowException, OSError, SystemError, OverflowError, UnicodeError) as error:
                _raise_disk_error(error)
                return  # a power cut may leave any bytes, for which pyarrow has many errors
            yield batch


def _raise_disk_error(error: BaseException) -> None:
    """Raise `error` if the disk failed: then the file may still have all its batches."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error
