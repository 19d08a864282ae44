"""A PostgreSQL table that loses nothing while the server is away: store and forward.

`write_many` puts the rows into a spool, a file on this computer. A thread sends them on
from there, and takes them out when the server has committed them. While the server is
down, slow or full the recording goes on; after a crash, what is in the spool is sent when
the sink is opened again. Each row carries `run_id` and `seq`, unique in the table: it can
be sent twice, and is there once.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from watlowlib._internal.optional import import_optional
from watlowlib._internal.validation import as_int, as_positive
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.sinks.base import TableSink
from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.postgres.copy_format import pack
from watlowlib.sinks.postgres.sender import Sender
from watlowlib.sinks.postgres.spool import Spool, SpoolFullError
from watlowlib.sinks.rows import COLUMN_TYPES, ColumnLayout, Row, columns_of

log = logging.getLogger(__name__)

SPOOL_BYTES = 1 << 30
SMALLEST_SPOOL_BYTES = 1 << 18


@dataclass(frozen=True)
class SpoolStats:
    """What has become of the rows that a `PostgresSink` was given.

    Attributes:
        rows_waiting: Rows in the spool, those of earlier runs included.
        rows_sent: Rows the server has committed since the sink was opened.
        failures: Times the server did not take what was sent.
        last_error: Why it did not the last time, or None.
    """

    rows_waiting: int
    rows_sent: int
    failures: int
    last_error: str | None


class PostgresSink(TableSink):
    r"""A PostgreSQL table, also a partitioned one or a TimescaleDB hypertable.

    Times are `timestamptz`. `value` holds the numbers (`double precision`) and
    `value_text` the texts; a whole number is in both. The table has a unique index on
    `run_id` and `seq`, and its time column where it is partitioned. Several recorders on
    several computers may write to one table.

    A row counts as written once it is in the spool, where a crash cannot take it; `stats`
    says how many the server has. When the spool is full, `write_many` raises: a server that
    is away for so long needs somebody to look. What is in the spool stays there.

    Args:
        config: Where the table is.
        spool: The spool's file; by default one in this user's state folder that belongs
            to the table (`~/.local/state/watlowlib`, `%LOCALAPPDATA%\watlowlib`). It is for
            one database, schema and table, which may move to another host.
        spool_limit_bytes: How large it may become, 262,144 or more; a row takes some 200.
        close_timeout_s: Seconds that `close` waits until all has been sent; some 10 more
            when a server neither answers nor refuses.
        columns: Names of the columns a table that is there must have, by default those
            of a Sample.

    Raises:
        WatlowConfigurationError: Something that cannot be.
    """

    def __init__(
        self,
        config: PostgresConfig,
        *,
        spool: str | os.PathLike[str] | None = None,
        spool_limit_bytes: int = SPOOL_BYTES,
        close_timeout_s: float = 10.0,
        columns: Sequence[str] | None = None,
    ) -> None:
        super().__init__(columns)
        if not isinstance(config, PostgresConfig):
            raise WatlowConfigurationError(
                f"config is a {type(config).__name__}: give PostgresConfig(...)"
            )
        self._config = config
        self.spool = _state_file(config) if spool is None else Path(spool)
        self._limit_bytes = as_int(
            "spool_limit_bytes", spool_limit_bytes, SMALLEST_SPOOL_BYTES, None,
            f"give {SMALLEST_SPOOL_BYTES} or more bytes",
        )  # fmt: skip
        self._close_timeout_s = as_positive("close_timeout_s", close_timeout_s, 86_400.0, "seconds")
        self._spool: Spool | None = None
        self._sender: Sender | None = None
        self._stats = SpoolStats(0, 0, 0, None)
        self._run_id = UUID(int=0)
        self._seq = 0

    def __repr__(self) -> str:
        return f"PostgresSink({self._config.target()!r})"

    @property
    def stats(self) -> SpoolStats:
        """How far the rows have come; after `close`, how far they had come then."""
        spool, sender = self._spool, self._sender
        if spool is not None and sender is not None:
            with suppress(sqlite3.ProgrammingError):  # it has just been closed
                self._stats = SpoolStats(
                    spool.waiting(), sender.sent, sender.failures, sender.last_error
                )
        return self._stats

    def open(self) -> None:
        """Open the spool, look at the server, and begin to send what is left from before.

        A server that does not answer is no error: the rows wait, and a warning says so.

        Raises:
            WatlowSinkError: psycopg is not installed, the spool cannot be written to or is
                another table's, or the server refuses: password, database, table or columns.
        """
        if self._spool is not None:
            return
        import_optional("psycopg", "postgres")
        import_optional("psycopg_pool", "postgres")
        from watlowlib.sinks.postgres.server import Server

        server = Server(self._config)
        kinds = (
            columns_of(ColumnLayout(COLUMN_TYPES))
            if self._required_columns == tuple(COLUMN_TYPES)
            else self._required_columns
        )
        with ExitStack() as undo:
            spool = self._connected()
            undo.callback(spool.close)
            sender = Sender(server, self._connected(), repr(self))
            undo.callback(sender.close)
            sender.open(tuple(kinds))
            self._run_id, self._seq = uuid4(), 0
            self._spool, self._sender = spool, sender
            undo.pop_all()

    def _connected(self) -> Spool:
        try:
            if not self.spool.parent.is_dir():
                self.spool.parent.mkdir(mode=0o700, parents=True)
            return Spool(self.spool, self._limit_bytes, self._config.table_id())
        except (OSError, sqlite3.Error) as error:
            raise WatlowSinkError(f"{self}: spool {self.spool}: {error}") from error

    def write_many(self, samples: Sequence[Row]) -> None:
        """Put `samples` into the spool; all of them or none.

        Raises:
            WatlowSinkError: The spool is full or cannot be written to, or the server has
                refused rows; these and all others are in the spool still.
        """
        if self._spool is None or self._sender is None:
            raise self._not_open()
        self._sender.check()
        if not samples:
            return
        layout = self._layout or ColumnLayout.infer(samples)
        data = pack(layout, samples, self._run_id, self._seq)
        self._seq += len(samples)  # given once: these may be there though Ctrl-C says otherwise
        try:
            self._spool.put(layout, len(samples), data)
        except SpoolFullError:
            raise WatlowSinkError(
                f"{self}: the spool {self.spool} is full with {self._spool.waiting()} rows "
                f"({self._limit_bytes} bytes); bring the server back, or give a larger "
                f"spool_limit_bytes. The last error: {self._sender.last_error}"
            ) from None
        except sqlite3.Error as error:
            raise self._failed("written", error) from error
        self._layout = layout
        self._sender.wake()

    def close(self) -> None:
        """Wait until all has been sent; what has not after `close_timeout_s` stays for later.

        Raises:
            WatlowSinkError: The server has refused rows; they are in the spool still.
        """
        spool, sender = self._spool, self._sender
        if spool is None or sender is None:
            return
        try:
            try:
                sender.finish(spool.last(), time.monotonic() + self._close_timeout_s)
            finally:
                sender.close()
            self._tell_what_waits(spool, sender)
        except sqlite3.Error as error:
            raise self._failed("closed", error) from error
        finally:
            self._spool = self._sender = self._layout = None
            spool.close()
        sender.check()

    def _tell_what_waits(self, spool: Spool, sender: Sender) -> None:
        waiting = self.stats.rows_waiting
        if not waiting:
            spool.shrink()
            return
        log.warning(
            "%s: %d rows wait in %s and are sent when the sink is opened again; the last error: %s",
            self, waiting, self.spool, sender.last_error,
        )  # fmt: skip


def _state_file(config: PostgresConfig) -> Path:
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    else:
        base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    target = config.target()
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", target)[-60:].strip("-")
    digest = hashlib.sha256(target.encode()).hexdigest()[:8]
    return base / "watlowlib" / f"{readable}-{digest}.spool"
