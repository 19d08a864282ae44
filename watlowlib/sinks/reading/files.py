"""Finds the files that a path, a folder or a pattern stands for, and their order."""

from __future__ import annotations

import glob
import os
import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from watlowlib._internal.clock import parse_time
from watlowlib._internal.optional import import_optional
from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.model.events import EVENTS_TABLE
from watlowlib.sinks.choose import URLS, resembles_url
from watlowlib.sinks.files import DAMAGED, PACKED, events_path, has_events, packed_of
from watlowlib.sinks.parquet.journal import SUFFIX, journal_of, parquet_of
from watlowlib.sinks.reading.csv import CsvFile
from watlowlib.sinks.reading.jsonl import JsonlFile
from watlowlib.sinks.reading.parquet import ParquetFile
from watlowlib.sinks.reading.query import Query
from watlowlib.sinks.reading.reader import READING_ERRORS, Reader
from watlowlib.sinks.reading.sqlite import SqliteEvents, SqliteTable
from watlowlib.sinks.rotation.names import active_of

READERS: dict[str, Callable[[Path, str], Reader]] = {
    ".csv": lambda path, table: CsvFile(path),
    ".jsonl": lambda path, table: JsonlFile(path),
    ".sqlite": SqliteTable,
    ".sqlite3": SqliteTable,
    ".db": SqliteTable,
    ".parquet": lambda path, table: ParquetFile(path),
}
"""The readers by file extension."""

EVENT_READERS: dict[str, Callable[[Path, str], Reader]] = {
    ".sqlite": lambda path, table: SqliteEvents(path),
    ".sqlite3": lambda path, table: SqliteEvents(path),
    ".db": lambda path, table: SqliteEvents(path),
}
"""The readers of events that are in the same file as the samples."""


def readers_of(source: str | os.PathLike[str], table: str) -> list[Reader]:
    """Return a reader for each file or table that `source` stands for.

    Raises:
        WatlowConfigurationError: An unknown extension or URL, or files of several formats.
        WatlowSinkError: There is no such file.
    """
    text = os.fspath(source)
    if text.startswith(URLS):
        import_optional("psycopg")
        from watlowlib.sinks.reading.postgres import PostgresTable

        return [PostgresTable(text, table)]
    if "://" in text or (":/" in text and resembles_url(text)):
        raise WatlowConfigurationError(
            f"{shown(source)}: give a file, a folder, a pattern or {URLS[0]}user@host/database"
        )
    return [READERS[_format(path)](path, table) for path in _paths(Path(text))]


def event_readers_of(source: str | os.PathLike[str]) -> list[Reader]:
    """Return a reader for each file or table with events that belongs to `source`.

    Raises:
        WatlowConfigurationError: An unknown extension or URL.
        WatlowSinkError: There is no such file.
    """
    text = os.fspath(source)
    if text.startswith(URLS):
        import_optional("psycopg")
        from watlowlib.sinks.reading.postgres import PostgresEvents

        return [PostgresEvents(text, EVENTS_TABLE)]
    path = Path(text)
    found: Iterable[Path | None]
    if path.is_dir():
        found = map(_events_of, _recordings(path.iterdir()))
    elif glob.has_magic(text):
        names = glob.glob(text) + glob.glob(str(journal_of(path)))  # noqa: PTH207
        if not names:
            raise WatlowSinkError(f"no file matches {shown(text)}")
        found = map(_events_of, _recordings(map(Path, names)))
    else:
        found = [_events_of(path)]
        if found == [None]:
            _paths(path)  # raises an error if there is no such file
    files = dict.fromkeys(each for each in found if each is not None)
    return [EVENT_READERS.get(_format(each), READERS[_format(each)])(each, "") for each in files]


def _events_of(path: Path) -> Path | None:
    """Return the file with the events of `path`; None if there is none."""
    if _format(path) not in READERS:
        return None
    if _format(path) not in EVENT_READERS and not _holds_events(path):
        path = events_path(active_of(path))
    return path if path.is_file() or journal_of(path).exists() else None


def _holds_events(path: Path) -> bool:
    """Whether `path` is a file with events, not samples in a file that has such a name."""
    if not has_events(path):
        return False
    with suppress(WatlowSinkError, *READING_ERRORS):
        row = next(READERS[_format(path)](path, "").rows(Query()), None)
        return not isinstance(row, dict) or "parameter" not in row
    return True


def _format(path: Path) -> str:
    """Return the extension that selects the reader, without the one of a compressed part."""
    suffixes = [each.lower() for each in path.suffixes]
    packed = suffixes[-1:] == [PACKED] and suffixes[-2:-1] in ([".csv"], [".jsonl"])
    return suffixes[-2] if packed else path.suffix.lower()


def _paths(path: Path) -> list[Path]:
    known = _format(path) in READERS
    if known and (path.is_file() or journal_of(path).exists()):
        return [path]
    if path.is_dir():
        return _of_one_format(path, path.iterdir())
    if glob.has_magic(str(path)):
        pattern = str(path)
        names = glob.glob(pattern) + glob.glob(str(journal_of(path)))  # noqa: PTH207
        if found := _of_one_format(path, map(Path, names)):
            return found
        raise WatlowSinkError(f"no file matches {shown(pattern)}")
    if not known:
        raise WatlowConfigurationError(
            f"{shown(path)}: the file extension selects the format; "
            f"known are {', '.join(READERS)}, and folders of such files"
        )
    raise WatlowSinkError(f"there is no file {shown(path)}")


def _of_one_format(source: Path, paths: Iterable[Path]) -> list[Path]:
    """Return the files with samples among `paths`, sorted by name."""
    found = {path for path in _recordings(paths) if not _holds_events(path)}
    # A part beside its compressed file has the same rows: it is about to be deleted.
    found = {path for path in found if packed_of(path) not in found}
    if len({READERS[_format(path)] for path in found}) > 1:
        example = min(found)
        pattern = str(source if source.is_dir() else source.parent) + f"{os.sep}*{example.suffix}"
        raise WatlowConfigurationError(
            f"{shown(source)} has files of several formats, which may be the same recording; "
            f"give a pattern such as {shown(pattern)}"
        )
    return sorted(found, key=lambda path: _natural(path.name))


def _recordings(paths: Iterable[Path]) -> set[Path]:
    """Return the files with samples or events among `paths`; a journal stands for its file."""
    found = {
        parquet_of(path) if path.name.endswith(SUFFIX) else path
        for path in paths
        if path.name.endswith(SUFFIX) or not path.name.startswith(("_", "."))
    }
    return {path for path in found if _format(path) in READERS and not path.is_dir()}


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts run-2 before run-10."""
    parts = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def in_time_order(readers: list[Reader]) -> list[Reader]:
    """Return `readers` in the order of their first times; those without rows come last."""
    return sorted(readers, key=_first_time) if len(readers) > 1 else readers


def _first_time(reader: Reader) -> datetime:
    # Errors are raised later.
    with suppress(*DAMAGED, OSError, ValueError, TypeError, AttributeError, sqlite3.Error):
        for row in reader.rows(Query(columns=("requested_at",))):
            when = row.get("requested_at")
            if isinstance(when, str):
                when = parse_time(when)
            if when is not None:
                return when
    return datetime.max.replace(tzinfo=timezone.utc)
