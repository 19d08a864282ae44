"""Reads a text file in blocks of complete lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from watlowlib.sinks.files import complete_lines

BLOCK = 1 << 25
"""The bytes of a block; a row has 100 to 400."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def complete_blocks(path: Path, *, quotes: bool, size: int = BLOCK) -> Iterator[bytes]:
    """Yield the complete lines of a file in blocks; the rules are those of `complete_lines`.

    Args:
        path: The file. Bytes after its last line break are a torn line and left out.
        quotes: Whether a line break between quotation marks belongs to the line, as in CSV.
        size: The bytes to read at a time.

    Raises:
        ValueError: A quotation mark is not closed.
    """
    with path.open("rb", buffering=0) as file:
        begin = len(BYTE_ORDER_MARK)
        start = begin if file.read(begin) == BYTE_ORDER_MARK else 0  # some editors add it
        longest = size
        while True:
            file.seek(start)
            data = file.read(longest)
            end = _end_of_lines(data, quotes)
            if end:
                yield data[:end]
                start += end
                longest = size
            elif len(data) < longest:
                break
            else:  # a row that is longer than a block
                longest *= 2
    if quotes and b"\n" in data:
        for _ in complete_lines(path, quotes=True):  # raises the error with the line's number
            pass


def _end_of_lines(data: bytes, quotes: bool) -> int:
    """Return the offset after the last line break that ends a row."""
    end = data.rfind(b"\n") + 1
    open_quotes = data.count(b'"', 0, end) if quotes and b'"' in data else 0
    while end and open_quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        open_quotes -= data.count(b'"', before, end)
        end = before
    return end
