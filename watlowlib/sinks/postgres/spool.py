"""The spool: a file that keeps rows until the server has committed them.

The spool is a SQLite database: its rows survive a crash, and several recorders on one
computer can share it. Each batch is stored with the layout of its rows, which allows any
later program to send the batch.
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
"""How long to wait for another recorder that writes to the same spool, seconds."""

PAGE_BYTES = 16_384
"""Larger than SQLite's default: a batch then takes fewer pages, and less time."""

BYTES_AT_ONCE = 1 << 20
BATCHES_AT_ONCE = 256
"""Limits of what is sent at once, unless a single batch is larger."""


class SpoolFullError(Exception):
    """The spool has no room for more rows."""


class ServerUnavailableError(Exception):
    """The server cannot store rows now; a later attempt may succeed."""


@dataclass(frozen=True)
class SpooledRows:
    """One or more batches of a spool, sent at once.

    Attributes:
        layout: The columns of the rows.
        data: The rows in binary COPY format.
        rows: The number of rows.
        first: The number of the first batch in the spool.
        last: The number of the last batch.
    """

    layout: ColumnLayout
    data: bytes
    rows: int
    first: int
    last: int


class Spool:
    """A connection to a spool; the sink and its sender have one each.

    A lock allows other threads to call `rows_waiting` at the same time.

    Args:
        path: The file; created if it does not exist.
        limit_bytes: The largest size of the file, bytes.
        table: The table that the rows are for. A spool file is always for the same table.

    Raises:
        sqlite3.Error: The file cannot be opened.
        WatlowSinkError: The file is not a spool, or is the spool of another table.
    """

    def __init__(self, path: Path, limit_bytes: int, table: str) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._database = connect(path, BUSY_S)
        try:
            self._check_is_spool(path)
            self._database.execute(f"PRAGMA page_size={PAGE_BYTES}")
            set_journal_mode(self._database, "WAL", BUSY_S)
            self._database.execute("PRAGMA synchronous=NORMAL")
            # Some builds of SQLite overwrite deleted rows with zeros, which is slow.
            self._database.execute("PRAGMA secure_delete=OFF")
            with transaction(self._database):
                self._create_tables(path, table)
        except BaseException:
            self._database.close()
            raise

    def _check_is_spool(self, path: Path) -> None:
        tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master")}
        if tables and "batches" not in tables:
            raise WatlowSinkError(f"{path} is not a spool; give the name of another file")

    def _create_tables(self, path: Path, table: str) -> None:
        """Create the spool's own tables if they are missing; check which table it is for."""
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
                f"the spool {path} belongs to {owner[0]}; give another spool for {table}"
            )

    def put(self, layout: ColumnLayout, rows: int, data: bytes) -> None:
        """Store a batch of `rows` rows, packed as `data`.

        Raises:
            SpoolFullError: The spool has no room for the batch.
            sqlite3.Error: The batch could not be written.
        """
        types = json.dumps({name: type_.value for name, type_ in layout.types.items()})
        with self._lock, transaction(self._database):
            if self.bytes_used() + len(data) > self._limit_bytes:
                raise SpoolFullError
            self._database.execute(
                "INSERT INTO batches (layout, rows, data) VALUES (?, ?, ?)", (types, rows, data)
            )

    def next(self) -> SpooledRows | None:
        """Return the oldest rows, or None if the spool is empty."""
        found = self._database.execute(
            "SELECT id, layout, rows, length(data) FROM batches ORDER BY id LIMIT ?",
            (BATCHES_AT_ONCE,),
        ).fetchall()
        if not found:
            return None
        first, types, rows, size = found[0]
        last = first
        for batch, batch_types, batch_rows, batch_size in found[1:]:
            size += batch_size
            if batch_types != types or size > BYTES_AT_ONCE:
                break
            last = batch
            rows += batch_rows
        data = self._database.execute(
            "SELECT data FROM batches WHERE id BETWEEN ? AND ? ORDER BY id", (first, last)
        )
        layout = ColumnLayout({name: ColumnType(t) for name, t in json.loads(types).items()})
        return SpooledRows(layout, b"".join(each for (each,) in data), rows, first, last)

    def remove(self, spooled: SpooledRows) -> None:
        """Delete rows that the server has committed."""
        with transaction(self._database):
            self._database.execute(
                "DELETE FROM batches WHERE id BETWEEN ? AND ?", (spooled.first, spooled.last)
            )

    def rows_waiting(self) -> int:
        """Return the number of rows in the spool."""
        with self._lock:
            found = self._database.execute("SELECT coalesce(sum(rows), 0) FROM batches")
            return int(found.fetchone()[0])

    def last_batch(self) -> int:
        """Return the number of the newest batch, or 0 if the spool is empty."""
        (last,) = self._database.execute("SELECT coalesce(max(id), 0) FROM batches").fetchone()
        return int(last)

    def bytes_used(self) -> int:
        """Return how many bytes of the file are in use."""
        pages, free, size = (
            self._database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def shrink(self) -> None:
        """Return unused disk space to the system; quick if few rows wait."""
        with suppress(sqlite3.Error):  # needs free disk space; a failure loses no rows
            self._database.execute("VACUUM")

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._database.close()
