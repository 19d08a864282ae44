"""The journal of a Parquet file: the rows written until the file is finished.

A Parquet file is readable only once its footer has been written. Until then the rows are in
a file beside it, `_<name>.journal`: a stream of Arrow record batches, one for each
`write_many`, each with a checksum. Reading a journal ends before the first batch that a crash
left incomplete or damaged; recovering it keeps the bytes from there in a file beside it.
(Programs that read a folder as a dataset ignore names that begin with `_`.)
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from watlowlib._internal.log import logger
from watlowlib._internal.process import NotCopied
from watlowlib.errors import WatlowSinkError
from watlowlib.model.text import counted
from watlowlib.sinks.files import FileIdentity, check_not_deleted, lock, replaced_error, write_all
from watlowlib.sinks.parquet.arrow import arrow
from watlowlib.sinks.parquet.checksum import BatchMessages, is_intact, metadata_of, schema_message
from watlowlib.sinks.torn_line import set_aside, torn_path
from watlowlib.streaming.metadata import RecordingInfo

log = logger(__name__)

ID = b"watlowlib.journal"
"""Metadata key of a journal's ID; the Parquet file has the ID of the last journal added."""

RECORDINGS = b"watlowlib.recordings"
"""Metadata key of what is known about the recordings: a list as JSON, in a journal in base64."""

SUFFIX = ".journal"


def journal_of(path: Path) -> Path:
    """Return the path of the journal of the Parquet file `path`."""
    return path.with_name(f"_{path.name}{SUFFIX}")


def parquet_of(journal: Path) -> Path:
    """Return the path of the Parquet file of `journal`; the inverse of `journal_of`."""
    return journal.with_name(journal.name.removeprefix("_").removesuffix(SUFFIX))


class Journal(NotCopied):
    """A journal, new or existing, open for writing by one sink at a time.

    Raises:
        OSError: The file cannot be created or opened.
        WatlowSinkError: Another sink is writing to the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = self._open_locked()
        self._identity = FileIdentity(path, os.fstat(self._file.fileno()))
        self._messages: BatchMessages | None = None
        self.size = 0

    def begin(self, schema: Any) -> None:
        """Empty the file, and write the schema with a new ID."""
        self._file.truncate(0)
        self.size = 0
        self._write(schema_message(schema, {ID: uuid4().hex.encode()}))

    def append(self, batch: Any, recording: RecordingInfo | None = None) -> None:
        """Write a record batch to the file, unbuffered; all of it or nothing.

        Args:
            batch: The rows.
            recording: What is known about their recording, if the journal does not have it.
        """
        if self._messages is None or not self._messages.schema.equals(batch.schema):
            self._messages = BatchMessages(batch.schema)
        metadata = {}
        if recording is not None:  # base64 cannot contain the mark of the checksum
            metadata[RECORDINGS] = b64encode(json.dumps([recording.as_dict()]).encode())
        self._write(self._messages.message(batch, metadata))

    @property
    def closed(self) -> bool:
        """Whether the journal is closed."""
        return self._file.closed

    def check(self) -> None:
        """Check that the file still exists, with all that was written.

        Raises:
            WatlowSinkError: The file was deleted, replaced or truncated.
        """
        check_not_deleted(self._file, self.path)
        if os.fstat(self._file.fileno()).st_size < self.size:
            raise replaced_error(self.path)

    def finish(self) -> None:
        """Cut off the part of a batch whose write has failed; no more batches follow.

        Raises:
            WatlowSinkError: The file was moved, deleted or replaced.
        """
        self.check()
        if not self._identity.in_place():
            path = parquet_of(self.path)
            raise WatlowSinkError(
                f"{path} was not written: its journal {self.path} was moved by another program "
                f"during the recording. The rows were last seen in {self._last_seen()}. Move that "
                f"file back to {self.path}, then run: watlowlib recover {path}"
            )
        self._file.truncate(self.size)

    def set_aside(self, end: int) -> int:
        """Move the bytes after `end`, which are no valid batch, to a file; return how many."""
        moved = set_aside(self._file, self.path, end)
        if moved:
            log.warning(
                "%s: %s not a valid batch, but incomplete or damaged; kept in %s",
                self.path,
                counted(moved, "byte is", "bytes are"),
                torn_path(self.path),
            )
        return moved

    def _last_seen(self) -> str:
        """Return the current path of the file, on Linux also if it was moved."""
        with suppress(OSError):
            path = os.readlink(f"/proc/self/fd/{self._file.fileno()}")  # noqa: PTH115
            if os.path.samestat(os.fstat(self._file.fileno()), Path(path).stat()):
                return path
        return str(self.path)

    def _write(self, data: bytes) -> None:
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


class JournalReader:
    """The valid batches of a journal, up to the first one that is damaged or incomplete.

    Use it in a `with` statement, and iterate over it once. Journals of earlier versions, without
    checksums, can be read too.

    Attributes:
        schema: The schema with the journal's ID; None if the file is missing, empty or damaged.
        end: The offset in the file after the last batch read.
        recordings: What is known about the recordings of the batches read.

    Raises:
        OSError: The disk has failed.
    """

    def __init__(self, path: Path) -> None:
        self.schema: Any = None
        self.end = 0
        self.recordings: list[dict[str, Any]] = []
        self._size = 0
        self._checked: bool | None = None
        self._file: Any = None
        try:
            self._file = arrow().OSFile(str(path), "rb")
            self._size = self._file.size()
            self._read_schema()
        except FileNotFoundError:
            pass
        except BaseException:
            self.__exit__()
            raise

    @property
    def bytes_left(self) -> int:
        """The number of bytes after `end` when the journal was opened."""
        return max(0, self._size - self.end)

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def __iter__(self) -> Iterator[Any]:
        while self.schema is not None and (found := self._message("record batch")):
            message, checked, end, data = found
            batch = _parse(partial(arrow().ipc.read_record_batch, message, self.schema))
            if batch is None or checked is not self._checked:
                return
            self.end = end
            if data.find(RECORDINGS, 0, message.metadata.size) >= 0:
                self._note_recordings(metadata_of(data, self.schema))
            yield batch

    def _read_schema(self) -> None:
        if (found := self._message("schema")) is None:
            return
        message, self._checked, end, _ = found
        schema = _parse(partial(arrow().ipc.read_schema, message))
        if schema is None or ID not in (schema.metadata or {}):
            return
        self.end = end
        batch = self._message("record batch")
        if batch is not None and batch[1] and not self._checked:
            self.end = 0  # the batch has a checksum: that of the schema is damaged
            return
        self.schema = schema.with_metadata({ID: schema.metadata[ID]})

    def _note_recordings(self, metadata: dict[bytes, bytes]) -> None:
        if RECORDINGS in metadata:
            self.recordings += json.loads(b64decode(metadata[RECORDINGS]))

    def _message(self, kind: str) -> tuple[Any, bool | None, int, bytes] | None:
        """Return the message at `end`, whether it has a checksum, its end and its bytes.

        None: there is none, it is damaged or incomplete, or of another kind.
        """
        self._file.seek(self.end)
        message = _parse(partial(arrow().ipc.read_message, self._file))
        if message is None or message.type != kind:
            return None
        end = self._file.tell()
        self._file.seek(self.end)
        data = self._file.read(end - self.end)
        intact = is_intact(data, message.metadata.size)
        return None if intact is False else (message, intact, end, data)


def _parse(read: Callable[[], Any]) -> Any:
    """Return what `read` returns; None if the bytes are not valid."""
    try:
        parsed = read()
        if hasattr(parsed, "validate"):
            parsed.validate(full=True)
    except EOFError:
        return None
    except (arrow().ArrowException, OSError, SystemError, OverflowError, UnicodeError) as error:
        # If the disk has failed, the file may still have all its batches.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        return None  # a power cut may leave any bytes, for which pyarrow has many errors
    return parsed
