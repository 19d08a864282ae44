"""Helpers for sqlite3, for `SqliteSink` and the spool of `PostgresSink`."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from watlowlib._internal.process import abandon_in_child, abandoned, release
from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError, WatlowProcessError

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
"""Pattern of a valid table or schema name."""

RETRY_S = 0.02
"""Delay before the next try, while another program changes the journal mode of the file."""


def check_pattern(name: str, given: object, pattern: str, allowed: str | None) -> None:
    """Raise WatlowConfigurationError unless `given` is a string that matches `pattern`."""
    if not isinstance(given, str) or not re.fullmatch(pattern, given, re.ASCII):
        allowed = allowed or pattern.replace("|", ", ")
        raise WatlowConfigurationError(f"{name}={shown(given)}: allowed are {allowed}")


def quote_identifier(name: str) -> str:
    """Return `name`, which may have any characters, as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Connection(sqlite3.Connection):
    """A connection to the file `path`, abandoned by forked children.

    SQLite allows no use of a connection in a child, and not even closing it.
    """

    path: Path

    def close(self) -> None:
        """Close the connection."""
        super().close()
        release(self)


def connect(path: Path, busy_timeout_s: float) -> Connection:
    """Return a connection in autocommit mode; see `transaction`.

    Raises:
        WatlowProcessError: The file was open at the fork of this process. SQLite takes the
            parent's locks for locks of this process, and rows written here could be lost.
    """
    for each in abandoned:
        with suppress(OSError):  # one of them does not exist
            if isinstance(each, Connection) and each.path.samefile(path):
                raise WatlowProcessError(
                    f"{path} was open when this process was forked, and SQLite cannot open it "
                    "here again; write to another file, or fork before it is opened"
                )
    connection = sqlite3.connect(
        path,
        timeout=busy_timeout_s,
        isolation_level=None,
        # The caller opens it, a writer thread uses it; they never use it at the same time.
        check_same_thread=False,
        factory=Connection,
    )
    connection.path = path.absolute()
    abandon_in_child(connection)
    return connection


def set_journal_mode(database: sqlite3.Connection, mode: str, busy_timeout_s: float) -> None:
    """Set the journal mode; wait for other programs, which SQLite does not do here itself.

    Raises:
        sqlite3.Error: The file is locked for longer than `busy_timeout_s`, or is not a database.
    """
    deadline_s = time.monotonic() + busy_timeout_s
    while True:
        try:
            database.execute(f"PRAGMA journal_mode={mode}")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline_s:
                raise
        time.sleep(RETRY_S)


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Commit the statements of the `with` block, or roll all back; other writers wait."""
    try:
        database.execute("BEGIN IMMEDIATE")
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
