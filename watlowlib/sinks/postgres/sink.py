"""A sink for a PostgreSQL table that loses no rows while the server is down.

`write_many` stores the rows in a spool, a file on this computer. A thread sends them to the
server and removes them from the spool when the server has committed them. It sends a large batch
while the batch is packed; the server commits no row that is not in the spool. The recording
continues while the server is down, slow or full. After a crash, the rows in the spool are
sent when the sink is opened again. Each row has `run_id` and `seq`, which are unique in the
table: a row that is sent twice is stored once. Rows that the server refuses, because of a
constraint or a missing partition, are set aside in the spool and sent again later.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

from watlowlib._internal.folders import state_folder
from watlowlib._internal.log import logger
from watlowlib._internal.optional import import_optional
from watlowlib._internal.validation import as_int, as_positive
from watlowlib.errors import WatlowConfigurationError, WatlowSinkError
from watlowlib.model.events import EVENT_COLUMNS, EVENTS_TABLE
from watlowlib.model.text import counted
from watlowlib.sinks.base import TableSink
from watlowlib.sinks.postgres.config import PostgresConfig
from watlowlib.sinks.postgres.copy_format import ROWS_AT_ONCE, pack
from watlowlib.sinks.postgres.early import EarlyBatch
from watlowlib.sinks.postgres.sender import Sender
from watlowlib.sinks.postgres.spool import RECORDINGS, Spool, SpooledRecording, SpoolFullError
from watlowlib.sinks.rows import COLUMN_TYPES, REQUIRED_COLUMNS, ColumnLayout, Row, columns_of
from watlowlib.streaming.metadata import RecordingInfo

log = logger(__name__)

SPOOL_BYTES = 1 << 30
SMALLEST_SPOOL_BYTES = 1 << 18


@dataclass(frozen=True)
class SpoolStats:
    """Counts of the rows of a `PostgresSink`.

    Attributes:
        rows_waiting: Rows in the spool, including those of earlier runs and other recorders,
            and including refused ones.
        rows_sent: Rows that the server has committed since the sink was opened.
        failures: Number of failed attempts to send.
        last_error: Why no rows can be sent at the moment; otherwise why the server has refused
            rows that are still in the spool; otherwise None.
        rows_refused: The part of `rows_waiting` that the server has refused.
    """

    rows_waiting: int
    rows_sent: int
    failures: int
    last_error: str | None
    rows_refused: int = 0


class PostgresSink(TableSink):
    r"""A sink for a PostgreSQL table, a partitioned table or a TimescaleDB hypertable.

    Times are `timestamptz`. `value` holds the numbers (`double precision`) and
    `value_text` the texts; an integer is in both. The table has a unique index on `run_id`,
    `seq` and, if it has one, `requested_at`. Several recorders on several computers may write to
    one table. `PostgresConfig` has the options of a partitioned table; see `docs/scale.md`.

    `write_many` stores rows in the spool, where they survive a crash, whatever the server says.
    It raises an error only when the spool is full or cannot be written to. Rows that the server
    refuses are set aside in the spool; all others are stored. Refused rows are sent again every
    5 minutes, when the sink is opened, and by `watlowlib recover SPOOL`. Several recorders on
    one computer may share a spool. `stats` has the numbers of rows sent, waiting and refused.

    Args:
        config: The connection settings and the table.
        spool: The spool's file; by default a file for this table in the user's state folder
            (`~/.local/state/watlowlib`, `%LOCALAPPDATA%\watlowlib`). A spool is for one
            database, schema and table, which may move to another host.
        spool_limit_bytes: Largest size of the spool, 262,144 or more; a row takes about 200.
        close_timeout_s: How long `close` waits until all rows are sent, seconds; about 10
            more if the server neither replies nor refuses.
        columns: Names of the columns that an existing table must have, by default those
            of a Sample.

    Raises:
        WatlowConfigurationError: An option is out of range.
    """

    _checks_server = True
    """Whether `open` waits for the server; the sink of events is opened while rows arrive."""

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
        if columns is None:
            types = {name: COLUMN_TYPES[name] for name in REQUIRED_COLUMNS}
            self._required_columns = tuple(columns_of(ColumnLayout(types)))
        if not isinstance(config, PostgresConfig):
            raise WatlowConfigurationError(
                f"config is a {type(config).__name__}: give PostgresConfig(...)"
            )
        self._config = config
        self.spool = _default_spool(config) if spool is None else Path(spool)
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
        self._writer = uuid4().bytes
        self._rows_waiting = 0

    def __repr__(self) -> str:
        return f"PostgresSink({self._config.target()!r})"

    @property
    def stats(self) -> SpoolStats:
        """The current counts of rows; after `close`, the counts at that time."""
        spool, sender = self._spool, self._sender
        if spool is not None and sender is not None and not self.in_other_process:
            with suppress(sqlite3.ProgrammingError):  # another thread has just closed the spool
                waiting, refused, reason = spool.count()
                self._stats = SpoolStats(
                    waiting, sender.sent, sender.failures, sender.last_error or reason, refused
                )
        return self._stats

    @property
    def rows_waiting(self) -> int:
        """How many of the rows given to this sink are in the spool; after `close`, as then."""
        spool = self._spool
        if spool is not None and not self.in_other_process:
            with suppress(sqlite3.Error):  # closed by another thread, or not readable now
                self._rows_waiting = spool.count(self._writer).waiting
        return self._rows_waiting

    @property
    def config(self) -> PostgresConfig:
        """The server and the table."""
        return self._config

    def open(self) -> None:
        """Open the spool, check the server, and start to send rows of earlier runs.

        A server that does not reply is not an error: the rows wait, and a warning is logged.

        Raises:
            WatlowSinkError: psycopg is not installed, the spool cannot be written to or is
                for another table, or the server refuses: password, database, table or columns.
        """
        self.check_process()
        if self._spool is not None:
            return
        import_optional("psycopg")
        import_optional("psycopg_pool")
        from watlowlib.sinks.postgres.server import Server

        server = Server(self._config)
        with ExitStack() as undo:
            spool = self._open_spool(self._settings(server.address()))
            undo.callback(spool.close)
            sender = Sender(server, self._open_spool(), repr(self))
            undo.callback(sender.close)
            if self._checks_server:
                sender.open(self._required_columns)
            else:
                sender.start()
            self._run_id, self._seq = uuid4(), 0
            self._spool, self._sender, self._pid = spool, sender, os.getpid()
            undo.pop_all()

    def _settings(self, dsn: str) -> str:
        """Return the settings as JSON, without the password; `dsn` does not have it."""
        given = None if self._config.dsn is None else dsn
        return json.dumps(asdict(replace(self._config, dsn=given, password=None)))

    def _open_spool(self, settings: str = "") -> Spool:
        try:
            if not self.spool.parent.is_dir():
                self.spool.parent.mkdir(mode=0o700, parents=True)
            return Spool(self.spool, self._limit_bytes, self._config.table_id(), settings)
        except (OSError, sqlite3.Error) as error:
            raise WatlowSinkError(f"{self}: spool {self.spool}: {error}") from error

    def write_many(self, samples: Sequence[Row]) -> None:
        """Store `samples` in the spool; all of them or none.

        Raises:
            WatlowSinkError: The spool is full or cannot be written to. All rows stored before
                stay in the spool.
        """
        self.check_process()
        spool, sender = self._spool, self._sender  # another thread may close the sink meanwhile
        if spool is None or sender is None:
            raise self._not_open()
        if not samples:
            return
        layout = self._layout or ColumnLayout.infer(samples)
        batch = EarlyBatch(layout, len(samples))
        large = len(samples) > ROWS_AT_ONCE
        try:
            with sender.sending_early(batch) if large else nullcontext():
                data = b"".join(batch.passing(pack(layout, samples, self._run_id, self._seq)))
                self._seq += len(samples)  # before put(): Ctrl-C may follow it
                batch.number = spool.put(layout, len(samples), data, self._writer)
        except SpoolFullError:
            stats = self.stats
            raise WatlowSinkError(
                f"{self}: the spool {self.spool} is full with "
                f"{counted(stats.rows_waiting, 'row')}, {stats.rows_refused} of them refused "
                f"({self._limit_bytes} bytes); make the server available and correct what it "
                f"refuses, or give a larger spool_limit_bytes. The last error: {stats.last_error}"
            ) from None
        except sqlite3.Error as error:
            raise self._failed("written", error) from error
        self._layout = layout
        sender.wake()

    def write_recording(self, info: RecordingInfo) -> None:
        """Store `info` in the spool; it goes to the server's table `recordings`.

        The table is in the schema of the rows, and is created with `create_table`. If the server
        refuses it, a warning is logged, and it is sent again when the sink is opened.

        Raises:
            WatlowSinkError: The spool is full or cannot be written to.
        """
        if self._spool is None or self._sender is None:
            raise self._not_open()
        if self._config.table == RECORDINGS:
            raise WatlowSinkError(f"{self}: the table {RECORDINGS} has the rows, no metadata")
        recording = SpooledRecording(info.id, self._run_id.bytes, info.as_json())
        try:
            self._spool.put_recording(recording)
        except SpoolFullError:
            raise WatlowSinkError(f"{self}: the spool {self.spool} is full") from None
        except sqlite3.Error as error:
            raise self._failed("written", error) from error
        self._sender.wake_for_recordings()

    def _new_event_sink(self) -> PostgresSink:
        if self._config.table == EVENTS_TABLE:
            raise WatlowSinkError(f"{self}: the table {EVENTS_TABLE} has the rows, no events")
        # Events are few: their table has no parts.
        config = replace(
            self._config,
            table=EVENTS_TABLE,
            partition=None,
            keep=None,
            detach=False,
            hypertable=False,
        )
        sink = PostgresSink(
            config,
            spool=self.spool.with_name(f"{self.spool.stem}.events{self.spool.suffix}"),
            spool_limit_bytes=self._limit_bytes,
            close_timeout_s=self._close_timeout_s,
            columns=EVENT_COLUMNS,
        )
        sink._checks_server = False
        return sink

    def close(self) -> None:
        """Wait until all rows are sent; after `close_timeout_s`, the others stay in the spool.

        Raises:
            WatlowSinkError: The server has refused rows, the login or the table. No row is
                lost: the message says how many rows wait in the spool, why, and what to do.
        """
        try:
            self._close_rows()
        finally:
            self._close_event_sink()

    def _close_rows(self) -> None:
        spool, sender = self._spool, self._sender
        if spool is None or sender is None or self.in_other_process:
            return
        try:
            try:
                sender.finish(spool.last_batch(), time.monotonic() + self._close_timeout_s)
            finally:
                sender.close()
            refusal = self._refusal(spool, sender)
            if refusal is None:
                self._shrink_or_warn(spool)
        except sqlite3.Error as error:
            raise self._failed("closed", error) from error
        finally:
            self._spool = self._sender = self._layout = self._pid = None
            spool.close()
        if refusal is not None:
            raise WatlowSinkError(refusal)

    def _refusal(self, spool: Spool, sender: Sender) -> str | None:
        """Return the message about rows of this sink that the server refuses, or None."""
        stats, own = self.stats, spool.count(self._writer)
        self._rows_waiting = own.waiting
        if own.refused:
            problem = f"{_waiting(own.refused)} as refused in {self.spool}: {own.reason}"
            if stats.rows_waiting > own.refused:
                problem += f" ({_waiting(stats.rows_waiting)} there in all)"
        elif sender.refuses and own.waiting:
            problem = f"{_waiting(own.waiting)} in {self.spool}: {sender.last_error}"
        else:
            return None
        return f"{self}: {problem}; correct the cause, then run: watlowlib recover {self.spool}"

    def _shrink_or_warn(self, spool: Spool) -> None:
        stats = self.stats
        if not stats.rows_waiting:
            spool.shrink()
            return
        refused = f", {stats.rows_refused} of them refused" if stats.rows_refused else ""
        log.warning(
            "%s: %s in %s%s until the sink is opened again; "
            "the last error: %s",
            self, _waiting(stats.rows_waiting), self.spool, refused, stats.last_error,
        )  # fmt: skip


def _waiting(rows: int) -> str:
    return counted(rows, "row waits", "rows wait")


def _default_spool(config: PostgresConfig) -> Path:
    target = config.target()
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", target)[-60:].strip("-")
    digest = hashlib.sha256(target.encode()).hexdigest()[:8]
    return state_folder() / f"{readable}-{digest}.spool"
