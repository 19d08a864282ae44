"""A file in which rows wait until the server has them.

It is a SQLite database, so that what is in it outlives a crash, and several recorders on
one computer can share it. Each batch has the layout of its rows with it: it can be sent by
a program that has never seen such rows.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.database import connect, set_journal_mode, transaction
from watlowlib.sinks.rows import ColumnLayout, ColumnType

BUSY_S = 30.0
"""How long to wait for another recorder that writes to the same spool."""

PAGE_BYTES = 16_384
"""A batch takes many pages of SQLite's usual size, and time for each."""

BYTES_AT_ONCE = 1 << 20
BATCHES_AT_ONCE = 256
"""What is sent at once at the most, unless a single batch is larger."""


class SpoolFullError(Exception):
    """There is no room for more rows."""


@dataclass(frozen=True)
class SpooledRows:
    """What is sent at once.

    Attributes:
        layout: The columns of its rows.
        data: The rows, in binary.
        rows: How many there are.
        first: The first batch in the spool.
        last: The last one.
    """

    layout: ColumnLayout
    data: bytes
    rows: int
    first: int
    last: int


class Spool:
    """One connection to a spool; writer and sender have one each.

    Others may ask meanwhile how much is waiting: hence the lock.

    Args:
        path: The file, made if it is not there.
        limit_bytes: How large it may become.
        table: Where its rows are to go; a spool is for one table as long as it is there.

    Raises:
        sqlite3.Error: It cannot be opened.
        WatlowSinkError: It is another table's, or no spool.
    """

    def __init__(self, path: Path, limit_bytes: int, table: str) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._database = connect(path, BUSY_S)
        try:
            self._check_kind(path)
            self._database.execute(f"PRAGMA page_size={PAGE_BYTES}")
            set_journal_mode(self._database, "WAL", BUSY_S)
            self._database.execute("PRAGMA synchronous=NORMAL")
            # Some systems write zeros over what is deleted: as much work as keeping it.
            self._database.execute("PRAGMA secure_delete=OFF")
            with transaction(self._database):
                self._begin(path, table)
        except BaseException:
            self._database.close()
            raise

    def _check_kind(self, path: Path) -> None:
        tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master")}
        if tables and "batches" not in tables:
            raise WatlowSinkError(f"{path} is no spool; give the name of another file")

    def _begin(self, path: Path, table: str) -> None:
        """Make what is not there yet, and look whose it is."""
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS batches (id INTEGER PRIMARY KEY AUTOINCREMENT, "
            "layout TEXT, rows INTEGER, data BLOB)"
        )
        self._database.execute("CREATE TABLE IF NOT EXISTS owner (name TEXT)")
        owner = self._database.execute("SELECT name FROM owner").fetchone()
        if owner is None:
            self._database.execute("INSERT INTO owner VALUES (?)", (table,))
        elif owner[0] != table:
            raise WatlowSinkError(
                f"the spool {path} belongs to {owner[0]}; give another one for {table}"
            )

    def put(self, layout: ColumnLayout, rows: int, data: bytes) -> None:
        """Keep a batch.

        Raises:
            SpoolFullError: There is no room for it.
            sqlite3.Error: It could not be written.
        """
        names = json.dumps({name: kind.value for name, kind in layout.types.items()})
        with self._lock, transaction(self._database):
            if self.bytes_used() + len(data) > self._limit_bytes:
                raise SpoolFullError
            self._database.execute(
                "INSERT INTO batches (layout, rows, data) VALUES (?, ?, ?)", (names, rows, data)
            )

    def next(self) -> SpooledRows | None:
        """The oldest rows, or None."""
        found = self._database.execute(
            "SELECT id, layout, rows, length(data) FROM batches ORDER BY id LIMIT ?",
            (BATCHES_AT_ONCE,),
        ).fetchall()
        if not found:
            return None
        first, layout, rows, size = found[0]
        last = first
        for batch in found[1:]:
            size += batch[3]
            if batch[1] != layout or size > BYTES_AT_ONCE:
                break
            last = batch[0]
            rows += batch[2]
        data = self._database.execute(
            "SELECT data FROM batches WHERE id BETWEEN ? AND ? ORDER BY id", (first, last)
        )
        kinds = {name: ColumnType(kind) for name, kind in json.loads(layout).items()}
        return SpooledRows(
            ColumnLayout(kinds), b"".join(each for (each,) in data), rows, first, last
        )

    def remove(self, parcel: SpooledRows) -> None:
        """Forget what the server has."""
        with transaction(self._database):
            self._database.execute(
                "DELETE FROM batches WHERE id BETWEEN ? AND ?", (parcel.first, parcel.last)
            )

    def waiting(self) -> int:
        """Rows in it."""
        with self._lock:
            found = self._database.execute("SELECT coalesce(sum(rows), 0) FROM batches")
            return int(found.fetchone()[0])

    def last(self) -> int:
        """The youngest batch."""
        (last,) = self._database.execute("SELECT coalesce(max(id), 0) FROM batches").fetchone()
        return int(last)

    def bytes_used(self) -> int:
        """Bytes of the file that are in use."""
        pages, free, size = (
            self._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def shrink(self) -> None:
        """Give back the disk space that is no longer used; quick when little waits."""
        with suppress(sqlite3.Error):  # a full disk has no room for that; no row is at stake
            self._database.execute("VACUUM")

    def close(self) -> None:
        """Let go."""
        with self._lock:
            self._database.close()
