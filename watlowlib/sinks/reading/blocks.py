"""Reads a text file in blocks of complete lines, and parses several blocks at the same time.

A file is not mapped into memory: a program that truncates it would crash the reader.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TypeVar

from watlowlib._internal.threads import make_pool
from watlowlib.sinks.files import PACKED, complete_lines, open_text
from watlowlib.sinks.meta_file import recordings_beside
from watlowlib.sinks.reading.reader import Recordings

T = TypeVar("T")

PARSED_TOGETHER = 1 << 20
"""The bytes that pyarrow parses at a time."""

BLOCK = 1 << 22
"""The bytes of a block; a row has 100 to 400."""

THREADS = max(1, min(4, os.cpu_count() or 1))
"""Blocks that are parsed at the same time."""

BUFFERS = THREADS + 2
"""Blocks in memory: one more is read, and the result of one is in use."""

LONGEST_PARSE_S = 600.0
"""Limit for one block, which usually takes some milliseconds."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class TextFile:
    """A text file with a row in each line; the base class of its readers."""

    def __init__(self, path: Path) -> None:
        self.source = str(path)
        self._path = path

    def __str__(self) -> str:
        return self.source

    def recordings(self) -> Recordings:
        """Return the recordings in the file beside, `NAME.meta.json`."""
        plain = self._path.name.removesuffix(PACKED)
        return recordings_beside(self._path.with_name(plain))


@dataclass(frozen=True)
class Block:
    """Complete lines: the bytes of `data` before `end`."""

    data: bytearray
    end: int

    @property
    def view(self) -> memoryview:
        """The bytes, without a copy."""
        return memoryview(self.data)[: self.end]

    def __bytes__(self) -> bytes:
        return bytes(self.view)

    def __contains__(self, part: bytes) -> bool:
        return self.data.find(part, 0, self.end) >= 0

    def count(self, part: bytes) -> int:
        """Return how often the block has `part`."""
        return self.data.count(part, 0, self.end)


def parse_blocks(
    path: Path, parse: Callable[[Block], T], *, quotes: bool, skip: int = 0
) -> Iterator[T]:
    """Yield `parse(block)` for the blocks of `complete_blocks`, in their order.

    Args:
        path: The file.
        parse: Called in several threads; must not keep the block.
        quotes: As for `complete_blocks`.
        skip: As for `complete_blocks`.

    Raises:
        ValueError: A quotation mark is not closed.
    """
    blocks = complete_blocks(path, quotes=quotes, skip=skip)
    pending: deque[Future[T]] = deque()
    pool = make_pool("parse", THREADS)
    try:
        for block in blocks:
            pending.append(pool.submit(parse, block))
            if len(pending) > THREADS:
                yield pending.popleft().result(LONGEST_PARSE_S)
        while pending:
            yield pending.popleft().result(LONGEST_PARSE_S)
    finally:
        pool.shutdown(cancel_futures=True)


def complete_blocks(
    path: Path, *, quotes: bool, skip: int = 0, size: int = BLOCK
) -> Iterator[Block]:
    """Yield the complete lines of a file in blocks; the rules are those of `complete_lines`.

    Each `BUFFERS` blocks share their memory: a block is valid until that many more are read.

    Args:
        path: The file. Bytes after its last line break are a torn line and left out.
        quotes: Whether a line break between quotation marks belongs to the line, as in CSV.
        skip: The bytes to leave out at the beginning, after a byte order mark.
        size: The bytes to read at a time.

    Raises:
        ValueError: A quotation mark is not closed.
    """
    buffers = cycle(bytearray(size) for _ in range(BUFFERS))  # made when needed
    with open_text(path, buffering=0) as file:
        mark = len(BYTE_ORDER_MARK)
        start = mark if file.read(mark) == BYTE_ORDER_MARK else 0  # some editors add it
        file.seek(start + skip)
        data, length = next(buffers), 0
        while True:
            length += file.readinto(memoryview(data)[length:]) or 0  # type: ignore[attr-defined]
            end = _end_of_lines(data, length, quotes)
            if not end and length < len(data):
                break
            rest = data[end:length]  # not read again: a compressed file cannot go back
            if end:
                yield Block(data, end)
                data = next(buffers)
            length = len(rest)
            if length >= len(data):  # a row that is longer than a block
                data = bytearray(2 * length)
            data[:length] = rest
    if quotes and data.find(b"\n", 0, length) >= 0:
        for _ in complete_lines(path, quotes=True):  # raises the error with the line's number
            pass


def _end_of_lines(data: bytearray, length: int, quotes: bool) -> int:
    """Return the offset after the last line break that ends a row."""
    end = data.rfind(b"\n", 0, length) + 1
    has_quotes = quotes and data.find(b'"', 0, end) >= 0  # faster than counting
    open_quotes = data.count(b'"', 0, end) if has_quotes else 0
    while end and open_quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        open_quotes -= data.count(b'"', before, end)
        end = before
    return end
