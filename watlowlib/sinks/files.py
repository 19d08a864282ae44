"""File operations for the sinks: locks, atomic replacement, and torn last lines."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path

from watlowlib.errors import WatlowSinkError

try:
    import fcntl
except ImportError:  # Windows refuses to rename or truncate a file that two programs have open
    fcntl = None  # type: ignore[assignment]

BLOCK = 1 << 20


def lock(file: FileIO, name: object) -> None:
    """Lock `file` against other sinks until it is closed.

    Raises:
        WatlowSinkError: Another sink has locked it; the message begins with `name`.
    """
    if fcntl is not None:
        # Some network drives do not support locks: then the file stays unlocked.
        with suppress(OSError):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WatlowSinkError(f"{name} is being written to by another sink") from None


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
    raise deleted_error(path)


def deleted_error(path: Path) -> WatlowSinkError:
    """Return the error for a file that was deleted or replaced while it was written."""
    return WatlowSinkError(
        f"{path} was deleted or moved while it was written; its rows are no longer at this path"
    )


def write_all(file: FileIO, data: bytes) -> None:
    """Write all of `data`, in as many calls as the operating system needs."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def replace(new: Path, old: Path) -> None:
    """Replace `old` by `new` atomically: a power cut leaves one of them complete."""
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    new.replace(old)
    with suppress(OSError):  # Windows cannot open a folder
        folder = os.open(old.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def end_of_last_line(file: FileIO, *, quotes: bool) -> int:
    """Return the offset at which the last complete line of `file` ends, in bytes.

    Args:
        file: An open file.
        quotes: Whether a line break between quotation marks belongs to the line, as in
            CSV. Then the whole file is read, because quotation marks can be paired only
            from the beginning of the file.
    """
    return _end_with_quotes(file) if quotes else _end_without_quotes(file)


def _end_with_quotes(file: FileIO) -> int:
    file.seek(0)
    start, end, inside_quotes = 0, 0, False
    while block := file.read(BLOCK):
        offset = start
        for number, part in enumerate(block.split(b'"')):
            inside_quotes ^= number > 0
            line_break = -1 if inside_quotes else part.rfind(b"\n")
            if line_break >= 0:
                end = offset + line_break + 1
            offset += len(part) + 1
        start += len(block)
    return end


def _end_without_quotes(file: FileIO) -> int:
    start = file.seek(0, os.SEEK_END)
    while start > 0:
        size = min(BLOCK, start)
        start = file.seek(start - size)
        line_break = file.read(size).rfind(b"\n")
        if line_break >= 0:
            return start + line_break + 1
    return 0


def complete_lines(path: Path, *, quotes: bool) -> Iterator[str]:
    """Yield the complete lines of a UTF-8 file with their ends; `quotes`: `end_of_last_line`."""
    line, encoding = b"", "utf-8-sig"  # some editors add a byte order mark
    with path.open("rb") as file:
        for part in file:
            line += part
            if line.endswith(b"\n") and not (quotes and line.count(b'"') % 2):
                yield line.decode(encoding)
                line, encoding = b"", "utf-8"
