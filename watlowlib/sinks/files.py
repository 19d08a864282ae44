"""What keeps a file whole: one writer at a time, names that change at once, torn ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path

from watlowlib.errors import WatlowSinkError

try:
    import fcntl
except ImportError:  # Windows does not let two programs rename or cut what both have open
    fcntl = None  # type: ignore[assignment]

BLOCK = 1 << 20


def lock(file: FileIO, name: object) -> None:
    """Keep other sinks off `file` until it is closed.

    Raises:
        WatlowSinkError: One has it already; `name` says which file it is.
    """
    if fcntl is not None:
        # Some network drives have no locks: then nobody is kept off.
        with suppress(OSError):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise WatlowSinkError(f"{name} is being written to by another sink") from None


def check_there(file: FileIO, path: Path) -> None:
    """See that who looks for `path` finds what is written to `file`.

    Raises:
        WatlowSinkError: Somebody has deleted or replaced it: nobody can read it any more.
    """
    written = os.fstat(file.fileno())
    if written.st_nlink:
        return
    # Some network drives count no names of a file: it is looked for as well.
    with suppress(OSError):
        if os.path.samestat(written, path.stat()):
            return
    raise deleted(path)


def deleted(path: Path) -> WatlowSinkError:
    """What is wrong with a file that is not there any more."""
    return WatlowSinkError(
        f"{path} was deleted or moved while it was written; what it had is not to be found there"
    )


def write_all(file: FileIO, data: bytes) -> None:
    """Write all of `data`, in as many steps as the system takes."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def replace(new: Path, old: Path) -> None:
    """Put `new` in the place of `old`, so that a power cut leaves one of them whole."""
    with new.open("rb+") as file:
        os.fsync(file.fileno())
    new.replace(old)
    with suppress(OSError):  # Windows cannot open a folder
        folder = os.open(old.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def end_of_lines(file: FileIO, *, quoted: bool) -> int:
    """Where the last whole line of `file` ends.

    Args:
        file: An open file.
        quoted: Whether a line break between quotation marks belongs to the line, as in
            CSV. Then the whole file is read, because only its beginning says where the
            quotation marks pair up.
    """
    return _end_with_quotes(file) if quoted else _end_without(file)


def _end_with_quotes(file: FileIO) -> int:
    file.seek(0)
    start, end, inside = 0, 0, False
    while block := file.read(BLOCK):
        at = start
        for number, part in enumerate(block.split(b'"')):
            inside ^= number > 0
            found = -1 if inside else part.rfind(b"\n")
            if found >= 0:
                end = at + found + 1
            at += len(part) + 1
        start += len(block)
    return end


def _end_without(file: FileIO) -> int:
    start = file.seek(0, os.SEEK_END)
    while start > 0:
        size = min(BLOCK, start)
        start = file.seek(start - size)
        found = file.read(size).rfind(b"\n")
        if found >= 0:
            return start + found + 1
    return 0


def whole_lines(path: Path, *, quoted: bool) -> Iterator[str]:
    """The whole lines of a UTF-8 file, each with its end; see `end_of_lines` for `quoted`."""
    line, code = b"", "utf-8-sig"  # some editors put a mark before the first
    with path.open("rb") as file:
        for part in file:
            line += part
            if line.endswith(b"\n") and not (quoted and line.count(b'"') % 2):
                yield line.decode(code)
                line, code = b"", "utf-8"
