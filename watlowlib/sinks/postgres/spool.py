"""The spool: a file that keeps rows until the server has committed them.

The spool is a SQLite database: its rows survive a crash, and several recorders on one
computer can share it. Each batch is stored with the layout of its rows, which allows any
later program to send the batch. Rows that the server refuses move to a second table, with the
reason. The spool also has the sink's settings, without the password, for `watlowlib recover`.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from watlowlib._internal.process import NotCopied
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

RECORDINGS = "recordings"
"""The table of what is known about recordings, here and on the server."""

NEW, REFUSED = "batches", "refused"
"""The tables of rows that were not yet sent, and of rows that the server has refused."""


class SpoolFullError(Exception):
    """The spool has no room for more rows."""


class ServerUnavailableError(Exception):
    """The server cannot store rows now; a later attempt may succeed."""


class RowsRefusedError(Exception):
    """The server refuses to store rows.

    Args:
        text: The server's message, without the password.
        summary: The part of it that is the same for all rows with the same problem.
    """

    def __init__(self, text: str, summary: str) -> None:
        super().__init__(text)
        self.summary = summary


class Refused(NamedTuple):
    """Rows that the server refuses for the same reason.

    Attributes:
        rows: The number of rows.
        data: The rows in binary COPY format.
        reason: The server's message about the first row.
    """

    rows: int
    data: bytes
    reason: str


class SpoolCounts(NamedTuple):
    """How many rows are in a spool.

    Attributes:
        waiting: All rows in the spool.
        refused: The part of them that the server has refused.
        reason: Why it refused the last ones; None if there are none.
    """

    waiting: int
    refused: int
    reason: str | None


@dataclass(frozen=True)
class SpooledRows:
    """One or more batches of a spool, sent at once.

    Attributes:
        layout: The columns of the rows.
        data: The rows in binary COPY format.
        rows: The number of rows.
        first: The number of the first batch in the spool.
        last: The number of the last batch.
        table: The table of the spool in which the batches are, `NEW` or `REFUSED`.
    """

    layout: ColumnLayout
    data: bytes
    rows: int
    first: int
    last: int
    table: str = NEW


class SpooledRecording(NamedTuple):
    """What is known about a recording, as JSON, and the `run_id` of its rows."""

    id: str
    run_id: bytes
    info: str


class Spool(NotCopied):
    """A connection to a spool; the sink and its sender have one each.

    A lock allows other threads to call `count` and `rows_waiting` at the same time.

    Args:
        path: The file; created if it does not exist.
        limit_bytes: The largest size of the file, bytes.
        table: The table that the rows are for. A spool file is always for the same table.
        settings: The sink's settings without the password, for `settings_of`.

    Raises:
        sqlite3.Error: The file cannot be opened.
        WatlowSinkError: The file is not a spool, or is the spool of another table.
    """

    def __init__(self, path: Path, limit_bytes: int, table: str, settings: str = "") -> None:
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
                self._create_tables()
                self._check_owner(path, table)
                if settings:
                    self._database.execute("UPDATE owner SET settings = ?", (settings,))
        except BaseException:
            self._database.close()
            raise

    def _check_is_spool(self, path: Path) -> None:
        tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master")}
        if tables and "batches" not in tables:
            raise WatlowSinkError(f"{path} is not a spool; give the name of another file")

    def _create_tables(self) -> None:
        """Create the tables that are missing."""
        execute = self._database.execute
        columns = "id INTEGER PRIMARY KEY AUTOINCREMENT, layout TEXT, rows INTEGER"
        execute(f"CREATE TABLE IF NOT EXISTS {NEW} ({columns}, writer BLOB, data BLOB)")
        execute(
            f"CREATE TABLE IF NOT EXISTS {REFUSED} "
            f"({columns}, writer BLOB, data BLOB, reason TEXT, refused_at TEXT)"
        )
        execute(f"CREATE TABLE IF NOT EXISTS {RECORDINGS} (id TEXT, run_id BLOB, info TEXT)")
        execute("CREATE TABLE IF NOT EXISTS owner (name TEXT, settings TEXT)")
        # Columns that spools of an earlier version lack.
        for table, column in ((NEW, "writer BLOB"), ("owner", "settings TEXT")):
            names = {name for _, name, *_ in execute(f"PRAGMA table_info({table})")}
            if column.split()[0] not in names:
                execute(f"ALTER TABLE {table} ADD COLUMN {column}")
        for name in (NEW, REFUSED):  # they make `count` quick
            execute(f"CREATE INDEX IF NOT EXISTS {name}_of_writer ON {name} (writer, rows)")

    def _check_owner(self, path: Path, table: str) -> None:
        """Check that the spool is for `table`; a new one is."""
        owner = self._database.execute("SELECT name FROM owner").fetchone()
        if owner is None:
            self._database.execute("INSERT INTO owner (name) VALUES (?)", (table,))
        elif owner[0] != table:
            raise WatlowSinkError(
                f"the spool {path} belongs to {owner[0]}; give another spool for {table}"
            )

    def put(self, layout: ColumnLayout, rows: int, data: bytes, writer: bytes = b"") -> int:
        """Store a batch of `rows` rows, packed as `data`, from the sink `writer`.

        Returns:
            The number of the batch.

        Raises:
            SpoolFullError: The spool has no room for the batch.
            sqlite3.Error: The batch could not be written.
        """
        with self._lock, transaction(self._database):
            if self.bytes_used() + len(data) > self._limit_bytes:
                raise SpoolFullError
            inserted = self._database.execute(
                f"INSERT INTO {NEW} (layout, rows, writer, data) VALUES (?, ?, ?, ?)",
                (_types_of(layout), rows, writer, data),
            )
        return inserted.lastrowid or 0

    def put_recording(self, recording: SpooledRecording) -> None:
        """Store what is known about a recording.

        Raises:
            SpoolFullError: The spool has no room for it.
            sqlite3.Error: It could not be written.
        """
        with self._lock, transaction(self._database):
            if self.bytes_used() + len(recording.info) > self._limit_bytes:
                raise SpoolFullError
            self._database.execute(f"INSERT INTO {RECORDINGS} VALUES (?, ?, ?)", recording)

    def recordings(self) -> list[SpooledRecording]:
        """Return what is known about the recordings, as far as the server does not have it."""
        found = self._database.execute(f"SELECT id, run_id, info FROM {RECORDINGS} ORDER BY rowid")
        return [SpooledRecording(*each) for each in found]

    def remove_recording(self, recording: SpooledRecording) -> None:
        """Delete what the server has committed."""
        with transaction(self._database):
            self._database.execute(
                f"DELETE FROM {RECORDINGS} WHERE id = ? AND run_id = ?", recording[:2]
            )

    def next(
        self, batches: int = BATCHES_AT_ONCE, *, table: str = NEW, after: int = 0
    ) -> SpooledRows | None:
        """Return the oldest rows of `table`, or None if there are none.

        Args:
            batches: The largest number of batches to return.
            table: `NEW` or `REFUSED`.
            after: Return only batches with a larger number.
        """
        found = self._database.execute(
            f"SELECT id, layout, rows, length(data) FROM {table} WHERE id > ? ORDER BY id LIMIT ?",
            (after, batches),
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
            f"SELECT data FROM {table} WHERE id BETWEEN ? AND ? ORDER BY id", (first, last)
        )
        layout = ColumnLayout({name: ColumnType(t) for name, t in json.loads(types).items()})
        return SpooledRows(layout, b"".join(each for (each,) in data), rows, first, last, table)

    def remove(self, spooled: SpooledRows) -> int:
        """Delete rows that the server has committed.

        Returns:
            The number of rows deleted. Those that are missing were sent by another recorder.
        """
        limits = (spooled.first, spooled.last)
        with transaction(self._database):
            (rows,) = self._database.execute(
                f"SELECT coalesce(sum(rows), 0) FROM {spooled.table} WHERE id BETWEEN ? AND ?",
                limits,
            ).fetchone()
            self._database.execute(f"DELETE FROM {spooled.table} WHERE id BETWEEN ? AND ?", limits)
        return int(rows)

    def set_aside(self, spooled: SpooledRows, refused: Iterable[Refused]) -> bool:
        """Delete a single batch, and keep its refused rows in the table `REFUSED`.

        Returns:
            False if another recorder has done so before; then nothing is changed.
        """
        execute = self._database.execute
        types, now = _types_of(spooled.layout), datetime.now(timezone.utc).isoformat()
        with transaction(self._database):
            found = execute(f"SELECT writer FROM {spooled.table} WHERE id = ?", (spooled.first,))
            writer = found.fetchone()
            execute(f"DELETE FROM {spooled.table} WHERE id = ?", (spooled.first,))
            for rows, data, reason in refused if writer is not None else ():
                execute(
                    f"INSERT INTO {REFUSED} (layout, rows, writer, data, reason, refused_at) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    (types, rows, writer[0], data, reason, now),
                )
        return writer is not None

    def rows_waiting(self) -> int:
        """Return the number of rows in the spool."""
        return self.count().waiting

    def count(self, writer: bytes | None = None) -> SpoolCounts:
        """Return how many rows are in the spool, of the sink `writer` or of all."""
        condition = "" if writer is None else " WHERE writer = ?"
        values = () if writer is None else (writer,)
        with self._lock:
            new, refused = (
                self._database.execute(
                    f"SELECT coalesce(sum(rows), 0) FROM {table}{condition}", values
                ).fetchone()[0]
                for table in (NEW, REFUSED)
            )
            found = self._database.execute(
                f"SELECT reason FROM {REFUSED}{condition} ORDER BY id DESC LIMIT 1", values
            ).fetchone()
        return SpoolCounts(new + refused, refused, found and found[0])

    def last_batch(self, table: str = NEW) -> int:
        """Return the number of the newest batch in `table`, or 0 if there is none."""
        (last,) = self._database.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()
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


def _types_of(layout: ColumnLayout) -> str:
    return json.dumps({name: type_.value for name, type_ in layout.types.items()})


def settings_of(path: Path) -> tuple[str, str] | None:
    """Return the table and the sink's settings in a spool; None if the file is not a spool.

    The table is database.schema.table. The settings are empty if an earlier version has made
    the spool.
    """
    with suppress(sqlite3.Error), closing(connect(path, BUSY_S)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
        if {NEW, "owner"} <= tables:
            # An earlier version has only the first column.
            name, *settings = database.execute("SELECT * FROM owner").fetchone()
            return name, settings[0] or "" if settings else ""
    return None
