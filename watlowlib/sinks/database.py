"""What the two users of sqlite3 share: a connection, a transaction, a quoted name."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from watlowlib.errors import WatlowConfigurationError

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
"""What a table or schema may be called."""


RETRY_S = 0.02
"""How long to leave others alone with a file whose journal they are changing."""


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


def set_journal_mode(database: sqlite3.Connection, mode: str, busy_timeout_s: float) -> None:
    """Have the journal of `mode`; SQLite itself does not wait for others with that.

    Raises:
        sqlite3.Error: Others have the file for longer than `busy_timeout_s`, or it is none.
    """
    until_s = time.monotonic() + busy_timeout_s
    while True:
        try:
            database.execute(f"PRAGMA journal_mode={mode}")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until_s:
                raise
        time.sleep(RETRY_S)


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All that is done within, or nothing; nobody else writes meanwhile."""
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
