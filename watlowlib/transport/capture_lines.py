"""Reads the lines of captures, one after another, however large the file is."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from watlowlib._internal.clock import parse_time
from watlowlib._internal.log import logger
from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model.text import counted
from watlowlib.transport.capture_file import FORMAT, older_path

log = logger(__name__)

LONGEST_LINE = 1 << 16
"""A longer line is damaged; no more of it is in memory at once."""

HINT = "give a file that was written with capture= or --capture"


class CaptureLine(NamedTuple):
    """One line of a capture.

    Attributes:
        file: The file.
        number: The number of the line, from 1.
        what: "sent", "received", "timeout" (a read that ended without a byte), "opened",
            "closed", "failed", "dropped" or "start".
        data: The bytes that were sent or received.
        fields: All values of the line.
    """

    file: Path
    number: int
    what: str
    data: bytes
    fields: dict[str, Any]

    @property
    def port(self) -> str | None:
        """The port; None for a line about the capture itself."""
        return self.fields.get("port")

    @property
    def place(self) -> str:
        """Where the line is, for messages."""
        return f"{self.file.name}, line {self.number}"

    @property
    def missing(self) -> str:
        """How many lines are missing here, according to a line "dropped"."""
        count = self.fields.get("count")
        if type(count) is not int:  # changed by hand
            return "lines are missing"
        return counted(count, "line is missing", "lines are missing")


def read_capture(
    path: str | os.PathLike[str], report: Callable[[str], None] = log.warning
) -> Iterator[CaptureLine]:
    """Yield the lines of a capture, first those of the older file beside it.

    Args:
        path: The capture.
        report: Called with a message about lines that are damaged; they are left out.

    Raises:
        WatlowConfigurationError: The file cannot be read, or is no capture.
    """
    file = Path(path)
    older = older_path(file)
    for each in (older, file) if older.exists() else (file,):
        try:
            yield from _lines(each, report)
        except OSError as error:
            raise WatlowConfigurationError(
                f"{shown(str(each))} cannot be read: {error.strerror}; {HINT}"
            ) from error


def _lines(file: Path, report: Callable[[str], None]) -> Iterator[CaptureLine]:
    """Yield the good lines of one file; report damaged ones, neighbours together."""
    first = last = good = 0
    with file.open("rb") as opened:
        for number, text in enumerate(_limited(opened), 1):
            line = _parsed(file, number, text)
            if line is None:
                first, last = first or number, number
                continue
            if first:
                report(_damaged(file, first, last))
            first, good = 0, good + 1
            yield line
    if first and not good:
        raise WatlowConfigurationError(f"{shown(str(file))} has no line of a capture; {HINT}")
    if first:
        report(_damaged(file, first, last))


def _limited(opened: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file; nothing of one that is too long."""
    while text := opened.readline(LONGEST_LINE):
        if len(text) == LONGEST_LINE and not text.endswith(b"\n"):
            while text and not text.endswith(b"\n"):
                text = opened.readline(LONGEST_LINE)
            text = b""
        yield text


def _damaged(file: Path, first: int, last: int) -> str:
    lines = f"line {first} is" if first == last else f"lines {first} to {last} are"
    return f"{shown(str(file))}: {lines} damaged, and left out"


def _parsed(file: Path, number: int, text: bytes) -> CaptureLine | None:
    """Return a line; None for a damaged one."""
    try:
        fields = json.loads(text)
        what, raw = fields["what"], fields.get("raw", "")
        good = (
            isinstance(what, str)
            and isinstance(fields["t"], (int, float))
            and math.isfinite(fields["t"])
            and isinstance(fields.get("port", ""), str)
            and parse_time(fields["utc"]).tzinfo is not None
        )
        data = bytes.fromhex(raw)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    if not good:
        return None
    if what == "start" and fields.get("format") != FORMAT:
        raise WatlowConfigurationError(
            f"{shown(str(file))} has format {fields.get('format')!r:.20}, and this version reads "
            f"only {FORMAT}; update watlowlib"
        )
    return CaptureLine(file, number, what, data, fields)
