"""The torn last line of a text file: what a crash leaves of a row that was being written.

Only the bytes after the last line break can be a torn line, and only as many as one row can
have. They are moved to a file beside, `run.csv.torn`. Any other damage is refused: a program
cannot know which rows are meant to stay.
"""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

ROW_LIMIT = 1 << 16
"""The most bytes that count as one row."""

BLOCK = 1 << 20


class DamagedFileError(ValueError):
    """The file has damage other than a torn last line; the message says where."""


def torn_path(path: Path) -> Path:
    """Return the file beside `path` that keeps torn lines."""
    return path.with_name(path.name + ".torn")


def end_of_lines(file: FileIO, *, quotes: bool) -> int:
    """Return the offset after the last line break, in bytes.

    Args:
        file: An open file.
        quotes: Whether to check that each quotation mark is closed, as in CSV; this reads the
            whole file.

    Raises:
        DamagedFileError: More bytes follow than one row can have, or a quotation mark before
            the last line break is not closed.
    """
    size = file.seek(0, os.SEEK_END)
    end = _after_last_line_break(file, size)
    if size - end > ROW_LIMIT:
        raise DamagedFileError(
            f"line {_line_breaks(file, end) + 1} has {size - end} bytes and no line end, more than "
            "a row can have: it is not a torn line"
        )
    line = _line_of_open_quote(file, end) if quotes else 0
    if line:
        raise DamagedFileError(f'a quotation mark (") in line {line} is not closed')
    return end


def set_aside(file: FileIO, path: Path, end: int) -> int:
    """Move the bytes after `end` to the file beside `path`; return how many."""
    file.seek(end)
    torn = file.read()
    if torn:
        with torn_path(path).open("ab") as beside:
            beside.write(torn)
            beside.flush()
            os.fsync(beside.fileno())
        file.truncate(end)
    return len(torn)


def _after_last_line_break(file: FileIO, size: int) -> int:
    start = size
    while start > 0:
        block = min(BLOCK, start)
        start = file.seek(start - block)
        line_break = file.read(block).rfind(b"\n")
        if line_break >= 0:
            return start + line_break + 1
    return 0


def _line_breaks(file: FileIO, end: int) -> int:
    file.seek(0)
    count = 0
    while end > 0 and (block := file.read(min(BLOCK, end))):
        count += block.count(b"\n")
        end -= len(block)
    return count


def _line_of_open_quote(file: FileIO, end: int) -> int:
    """Return the number of the line with a quotation mark that is never closed; 0 for none."""
    file.seek(0)
    lines = closed_lines = 0
    inside_quotes = False
    while end > 0 and (block := file.read(min(BLOCK, end))):
        end -= len(block)
        for number, part in enumerate(block.split(b'"')):
            inside_quotes ^= number > 0
            lines += part.count(b"\n")
            if not inside_quotes and b"\n" in part:
                closed_lines = lines
    return closed_lines + 1 if inside_quotes else 0
