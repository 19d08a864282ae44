"""File operations for the sinks: locks, checks for replaced files, atomic replacement, lines."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import IO, cast

from watlowlib._internal.process import abandon_in_child
from watlowlib.errors import WatlowSinkError

try:
    import fcntl
except ImportError:  # Windows refuses to rename or truncate a file that two programs have open
    fcntl = None  # type: ignore[assignment]


EVENTS = ".events"
"""What stands before the extension in the name of a file with events."""

PACKED = ".gz"
"""What the name of a compressed part ends with."""

DAMAGED = (EOFError, zlib.error)
"""The errors of a compressed file that is incomplete or damaged, besides OSError."""


def lock(file: FileIO, name: object) -> None:
    """Lock `file` against other sinks until it is closed in this process.

    Raises:
        WatlowSinkError: Another sink has locked it; the message begins with `name`.
    """
    abandon_in_child(file)
    if fcntl is not None:
        # Some network drives do not support locks: then the file stays unlocked.
        with suppress(OSError):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                from watlowlib.transport.capture_file import is_capture

                if is_capture(Path(file.name)):
                    raise WatlowSinkError(
                        f"{name} is being written to as a capture; give another file"
                    ) from None
                raise WatlowSinkError(f"{name} is being written to by another sink") from None


class FileIdentity:
    """The identity of an open file, to check that it is still the one at its path.

    Args:
        path: The path of an existing file.
        status: The status of the open file; None to take it from the path.
    """

    def __init__(self, path: Path, status: os.stat_result | None = None) -> None:
        self._path = path
        self._status = path.stat() if status is None else status
        # On some network drives the inode changes at each call: there only a missing file counts.
        self._stable = self._is_at_path()

    def in_place(self) -> bool:
        """Whether the file is at its path; True as well if the folder may not be read."""
        try:
            return self._is_at_path() if self._stable else self._path.exists()
        except PermissionError:
            return True

    def has_size(self, size: int) -> bool:
        """Whether the file is certainly at its path, with `size` bytes: one system call."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        return found.st_size == size and os.path.samestat(self._status, found)

    def _is_at_path(self) -> bool:
        try:
            return os.path.samestat(self._status, self._path.stat())
        except FileNotFoundError:
            return False


def check_not_deleted(file: FileIO, path: Path) -> None:
    """Check that the open `file` was not deleted, nor replaced by another file at `path`.

    Raises:
        WatlowSinkError: The file was deleted or replaced: its rows can no longer be read.
    """
    status = os.fstat(file.fileno())
    if status.st_nlink:
        return
    # Some network drives do not count the names of a file: compare it with `path`.
    with suppress(OSError):
        if os.path.samestat(status, path.stat()):
            return
    raise replaced_error(path)


def replaced_error(path: Path) -> WatlowSinkError:
    """Return the error for a file that another program has changed while it was written."""
    return WatlowSinkError(
        f"{path} was moved, deleted, replaced or changed by another program while it was written; "
        "the rows written before are in the file that was moved or changed"
    )


def write_all(file: FileIO, data: bytes) -> None:
    """Write all of `data`, in as many calls as the operating system needs."""
    written = file.write(data)
    while written < len(data):
        written += file.write(memoryview(data)[written:])


def replace(new: Path, old: Path) -> None:
    """Replace `old` by `new` atomically: a power cut leaves one of them complete."""
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    new.replace(old)
    sync_folder(old.absolute().parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names of the files in `folder` are on the disk."""
    with suppress(OSError):  # Windows cannot open a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def packed_of(path: Path) -> Path:
    """Return the name of `path` when it is compressed with gzip."""
    return path.with_name(path.name + PACKED)


def events_path(path: Path) -> Path:
    """Return the file with the events of the recordings in `path`: `run.events.csv`."""
    return path.with_name(f"{path.stem}{EVENTS}{path.suffix}")


def has_events(path: Path) -> bool:
    """Whether `path` is the name of a file with events."""
    return path.suffixes[-2:-1] == [EVENTS]


def open_text(path: Path, buffering: int = -1) -> IO[bytes]:
    """Open a text file for reading, also a compressed one, or one compressed since it was found."""
    try:
        if path.suffix.lower() != PACKED:
            return path.open("rb", buffering)
    except FileNotFoundError:
        if not packed_of(path).exists():
            raise
        path = packed_of(path)
    return cast("IO[bytes]", gzip.open(path))


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to `path`, or replace the file; it is complete or unchanged.

    Raises:
        OSError: The file cannot be written.
    """
    new = path.with_name(f"_{path.name}.new")
    try:
        new.write_text(text, "utf-8")
        replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def complete_lines(path: Path, *, quotes: bool) -> Iterator[str]:
    """Yield the complete lines of a UTF-8 file with their ends.

    Args:
        path: The file. Bytes after its last line break are a torn line and left out.
        quotes: Whether a line break between quotation marks belongs to the line, as in CSV.

    Raises:
        ValueError: A quotation mark is not closed, so that the rest of the file is one line.
    """
    encoding = "utf-8-sig"  # some editors add a byte order mark
    parts: list[bytes] = []
    inside_quotes = False
    first = 0
    with open_text(path) as file:
        for number, part in enumerate(file, start=1):
            first = first if parts else number
            parts.append(part)
            inside_quotes ^= quotes and part.count(b'"') % 2 == 1
            if part.endswith(b"\n") and not inside_quotes:
                yield b"".join(parts).decode(encoding)
                parts.clear()
                encoding = "utf-8"
    if len(parts) > 1:
        raise ValueError(f'a quotation mark (") in line {first} is not closed')
