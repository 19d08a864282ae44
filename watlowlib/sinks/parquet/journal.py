"""The journal of a Parquet file: what has been written until now, whatever happens.

A Parquet file can be read only once its end has been written. Until then the rows are in
a file beside it, `_<name>.journal`: a stream of Arrow record batches, one for each
`write_many`. A batch that a crash has torn is left out when the journal is read.
(Names that begin with `_` are no part of a dataset to those who read a whole folder.)
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
"""Key in the metadata of a journal and of the Parquet file made from it: no row goes twice."""

SUFFIX = ".journal"


def journal_of(path: Path) -> Path:
    """Where the journal of the Parquet file `path` is."""
    return path.with_name(f"_{path.name}{SUFFIX}")


def parquet_of(journal: Path) -> Path:
    """The other way round."""
    return journal.with_name(journal.name.removeprefix("_").removesuffix(SUFFIX))


class Journal:
    """A journal that is written, by one sink at a time.

    Args:
        path: Its file, which may be there already.

    Raises:
        OSError: It cannot be made or opened.
        WatlowSinkError: Another sink writes to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = self._locked()
        self.size = 0

    def begin(self, schema: Any) -> None:
        """Empty the file, and write what its columns are."""
        self._file.truncate(0)
        self.size = 0
        schema = schema.with_metadata({ID: uuid4().hex.encode()})
        self._write(schema.serialize())

    def append(self, batch: Any) -> None:
        """Hand a record batch to the system; all of it or nothing."""
        self._write(batch.serialize())

    def check(self) -> None:
        """See that it is there still, unless it was let go of.

        Raises:
            WatlowSinkError: Somebody has deleted it.
        """
        if not self._file.closed:
            check_not_deleted(self._file, self.path)

    def _write(self, data: Any) -> None:
        self.check()
        # A full disk takes the beginning of a write. Who reads leaves it out, and it is
        # cut off before more is written.
        if self._file.seek(0, os.SEEK_END) != self.size:
            self._file.truncate(self.size)
        write_all(self._file, data)
        self.size += len(data)

    def close(self) -> None:
        """Let go, and leave the file there."""
        self._file.close()

    def give_up(self) -> None:
        """Let go, and leave the file there if there is anything in it."""
        if os.fstat(self._file.fileno()).st_size:
            self.close()
        else:
            self.remove()

    def remove(self) -> None:
        """Let go, and delete the file."""
        with suppress(PermissionError):  # Windows: first let go
            self.path.unlink(missing_ok=True)
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _locked(self) -> FileIO:
        while True:
            file = FileIO(self.path, "a+")
            try:
                lock(file, self.path)
                # Whoever had it may have deleted it meanwhile.
                with suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                        return file
            except BaseException:
                file.close()
                raise
            file.close()


def read_journal(path: Path) -> tuple[Any, Iterator[Any]]:
    """The schema and the whole batches of a journal; None and nothing where none was begun."""
    pa = arrow()
    try:
        file = pa.OSFile(str(path), "rb")
    except FileNotFoundError:
        return None, iter(())
    try:
        reader = pa.ipc.open_stream(file)
    except (pa.ArrowInvalid, OSError) as error:
        file.close()
        _check_torn(error)
        return None, iter(())
    return reader.schema, _whole_batches(file, reader)


def _whole_batches(file: Any, reader: Any) -> Iterator[Any]:
    pa = arrow()
    with file:
        while True:
            try:
                batch = reader.read_next_batch()
                batch.validate(full=True)
            except StopIteration:
                return
            except (pa.ArrowException, OSError, SystemError, OverflowError, UnicodeError) as error:
                _check_torn(error)
                return  # what a power cut leaves may be anything, and pyarrow says so in many ways
            yield batch


def _check_torn(error: BaseException) -> None:
    """Raise what is wrong with the disk and not with what is on it: the rest may be there still."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error
