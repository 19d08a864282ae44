"""What a reader of one file or table is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.files import DAMAGED
from watlowlib.sinks.reading.query import Query

Rows: TypeAlias = "Iterator[dict[str, Any]]"
Recordings: TypeAlias = "list[dict[str, Any]]"

READING_ERRORS = (
    *DAMAGED, OSError, ValueError, TypeError, NotImplementedError, sqlite3.Error,
)  # fmt: skip
"""The errors of a file that cannot be read."""

ROWS_AT_ONCE = 10_000
"""Rows that are converted together while rows are iterated over."""


class Reader(Protocol):
    """One file or table. Each call reads it from its beginning.

    The rows and tables may have more rows and columns than the query asks for.

    Attributes:
        source: The path, or the URL of a database.
    """

    source: str

    def __str__(self) -> str:
        """Return the name for messages."""

    def rows(self, query: Query) -> Rows:
        """Yield the rows as dicts; times may be ISO 8601 texts. pyarrow may be missing."""

    def tables(self, query: Query) -> Iterator[Any]:
        """Yield pyarrow Tables with the columns of `schema_of`; see `tables.conform`."""

    def recordings(self) -> Recordings:
        """Return what is stored about the recordings of the rows, the first one first."""


@contextmanager
def reading_errors(reader: Reader) -> Iterator[None]:
    """Raise the errors of a file or a table as a WatlowSinkError that names it."""
    try:
        yield
    except READING_ERRORS as error:
        raise WatlowSinkError(f"{reader} could not be read: {error}") from error
