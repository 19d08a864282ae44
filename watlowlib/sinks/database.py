"""What the two users of sqlite3 share: a connection, a transaction, a quoted name."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watlowlib.errors import WatlowConfigurationError

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
"""What a table or schema may be called."""


def one_of(name: str, given: object, pattern: str, what: str | None) -> None:
    """Raises a WatlowConfigurationError unless `given` is a text that `pattern` allows."""
    if not isinstance(given, str) or not re.fullmatch(pattern, given, re.ASCII):
        allowed = what or pattern.replace("|", ", ")
        raise WatlowConfigurationError(f"{name}={given!r}: allowed are {allowed}")


def quoted(name: str) -> str:
    """A column's name, whatever is in it, as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def connect(path: Path, busy_timeout_s: float) -> sqlite3.Connection:
    """A connection whose transactions are begun and ended by hand."""
    return sqlite3.connect(
        path,
        timeout=busy_timeout_s,
        isolation_level=None,
        # Opened by the caller, used by a writer thread: never both at once.
        check_same_thread=False,
    )


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All that is done within, or nothing; nobody else writes meanwhile."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
