"""The thread that sends rows from the spool to the server, with retries.

If the server is unavailable, or refuses the login or the table, all rows wait for the next
attempt. If it refuses rows, the thread finds them by sending smaller and smaller parts and
sets them aside in the spool; all other rows are stored. Refused rows are sent again when the
sink is opened and then every `REFUSED_RETRY_S`, a part at a time, after new rows.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from watlowlib._internal.backoff import Backoff
from watlowlib._internal.log import logger
from watlowlib._internal.process import NotCopied
from watlowlib._internal.queues import wait_for_event
from watlowlib._internal.threads import Worker
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.postgres.copy_format import split_rows
from watlowlib.sinks.postgres.early import EarlyBatch, NotSentError
from watlowlib.sinks.postgres.spool import (
    BATCHES_AT_ONCE,
    NEW,
    RECORDINGS,
    REFUSED,
    Refused,
    RowsRefusedError,
    ServerUnavailableError,
    Spool,
    SpooledRows,
)
from watlowlib.sinks.rows import ColumnLayout

if TYPE_CHECKING:  # it needs psycopg
    from watlowlib.sinks.postgres.server import Server

log = logger(__name__)

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 30.0
IDLE_S = 1.0
"""How long to wait before an empty spool is read again, unless `wake` is called."""

REFUSED_RETRY_S = 300.0
"""How long after the last attempt refused rows are sent again."""

REFUSED_ROWS = 256
"""The largest number of rows that are set aside together."""

JOIN_TIMEOUT_S = 15.0
"""How long `close` waits for the thread to end."""


class Sender(NotCopied):
    """Sends the rows of a spool, oldest first, from its own thread; see also `sending_early`.

    No other thread may use `spool`. Log and error messages name the sink by `name`.
    """

    def __init__(self, server: Server, spool: Spool, name: str) -> None:
        self.sent = 0
        self.failures = 0
        self.last_error: str | None = None
        self.refuses = False
        """Whether `last_error` is a refusal, which needs attention, of the login or the table."""
        self._server = server
        self._spool = spool
        self._name = name
        self._backoff = Backoff(FIRST_DELAY_S, LONGEST_DELAY_S)
        self._wake = threading.Event()
        self._last_batch = 0
        self._early: EarlyBatch | None = None
        self._finishing, self._stop, self._finished = (threading.Event() for _ in range(3))
        self._batches = {NEW: BATCHES_AT_ONCE, REFUSED: BATCHES_AT_ONCE}
        self._retry = RefusedRetry(spool)
        self._reported = False
        self._has_recordings = True  # perhaps, of an earlier run
        self._worker = Worker("sender-postgres", self._run, self._request_stop)

    def open(self, columns: tuple[str, ...]) -> None:
        """Check the server, then start the thread. Call `close` even if this raises.

        Raises:
            WatlowSinkError: The server refuses.
        """
        try:
            self._server.open(columns)
        except ServerUnavailableError as error:
            self._record_failure(error)
        self._worker.start()

    def start(self) -> None:
        """Start the thread without a check of the server, for which `open` may wait 10 s."""
        self._server.start()
        self._worker.start()

    @contextmanager
    def sending_early(self, batch: EarlyBatch) -> Iterator[None]:
        """Let the thread send `batch` while the `with` block packs it, if no other rows wait."""
        self._early = batch
        self._wake.set()
        try:
            yield
        finally:
            self._early = None
            batch.end()

    def wake(self) -> None:
        """Tell the thread that the spool has new rows."""
        self._wake.set()

    def wake_for_recordings(self) -> None:
        """Tell the thread that the spool has something about a recording."""
        self._has_recordings = True
        self._wake.set()

    def finish(self, last_batch: int, deadline_s: float) -> None:
        """Wait until all up to `last_batch` is sent; at most until monotonic `deadline_s`."""
        self._last_batch = last_batch
        self._finishing.set()
        self._wake.set()
        wait_for_event(self._finished, deadline_s - time.monotonic())

    def close(self) -> None:
        """Stop the thread; close the server's connections and the spool."""
        self._request_stop()
        self._server.close()  # ends a wait for a connection
        self._worker.join(JOIN_TIMEOUT_S)
        self._spool.close()

    def _request_stop(self) -> None:
        self._stop.set()
        self._finishing.set()
        self._wake.set()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._wake.clear()
                finishing = self._finishing.is_set()  # before reading: no rows are added afterwards
                try:
                    if not self._send_next(self._last_batch if finishing else None):
                        if finishing:
                            return
                        self._wake.wait(IDLE_S)
                    self._backoff.succeeded()
                except Exception as error:  # noqa: BLE001 - rows must be sent after any failure
                    if self._stop.is_set():
                        return
                    self._record_failure(error)
                    delay_s = self._backoff.failed()
                    if self._finishing.is_set():
                        self._stop.wait(min(delay_s, IDLE_S))
                    else:
                        self._finishing.wait(delay_s)
        finally:
            self._finished.set()

    def _send_next(self, last_batch: int | None) -> bool:
        """Send the oldest rows up to `last_batch`, or else refused ones that are due.

        Returns:
            False if there are none.
        """
        spooled = self._spool.next(self._batches[NEW])
        early = self._early
        if spooled is None and early is not None:
            self._early = None  # its parts can be taken only once
            self._send_early(early)
            return True
        if spooled is None or (last_batch is not None and spooled.first > last_batch):
            self._send_recordings()
            spooled = self._retry.next(self._batches[REFUSED])
            if self._reported and not self._retry.rows_left:
                self._reported = False
                log.warning("%s: no refused rows wait in the spool any more", self._name)
        if spooled is None:
            return False
        self._send(spooled)
        return True

    def _send_recordings(self) -> None:
        """Send what is known about recordings, after the rows, which do not depend on it."""
        if not self._has_recordings:
            return
        self._has_recordings = False  # before reading: more may be added meanwhile
        try:
            for recording in self._spool.recordings():
                self._server.send_recording(recording)
                self._spool.remove_recording(recording)
        except RowsRefusedError as error:
            log.warning(
                "%s: the metadata of recordings waits in the spool until the sink is opened again; "
                "create the table %s, or give create_table=True: %s",
                self._name, RECORDINGS, error,
            )  # fmt: skip
        except BaseException:
            self._has_recordings = True
            raise

    def _send_early(self, batch: EarlyBatch) -> None:
        """Send a batch while it is packed; if this fails, it is sent from the spool."""
        with suppress(NotSentError, RowsRefusedError):
            self._server.send_early(batch)
            self.sent += self._spool.remove(batch.spooled())
            self._succeeded()

    def _succeeded(self) -> None:
        """Log that sending has resumed if it had failed."""
        if self.last_error is not None:
            log.warning("%s: sending has resumed", self._name)
            self.last_error, self.refuses = None, False

    def _send(self, spooled: SpooledRows) -> None:
        """Send one or more batches; set the refused rows aside if there is only one batch."""
        try:
            self._server.send(spooled)
        except RowsRefusedError:
            self._server.check(spooled.layout)
            if spooled.first < spooled.last:
                # Next time, send half as many.
                self._batches[spooled.table] = (spooled.last - spooled.first + 1) // 2
                return
            self._set_aside(spooled)
        else:
            self.sent += self._spool.remove(spooled)
            self._batches[spooled.table] = min(2 * self._batches[spooled.table], BATCHES_AT_ONCE)
        self._retry.done(spooled)
        self._succeeded()

    def _set_aside(self, spooled: SpooledRows) -> None:
        """Store all rows of a batch except the refused ones, which are kept in the spool."""
        refused = list(self._refused_rows(spooled.layout, split_rows(spooled.data)))
        if refused:
            self._server.check(spooled.layout)  # again: the cause may be new, and the table's
        groups = _grouped(refused)
        if not self._spool.set_aside(spooled, groups):
            return  # another recorder has done so
        self.sent += spooled.rows - len(refused)
        if not groups:
            return
        self.failures += 1
        self._retry.rows_left = True
        if not self._reported:
            self._reported = True
            log.warning(
                "%s: refused rows wait in the spool and are sent again every %g s; others are "
                "stored: %s", self._name, REFUSED_RETRY_S, groups[0].reason,
            )  # fmt: skip

    def _refused_rows(
        self, layout: ColumnLayout, rows: list[bytes]
    ) -> Iterable[tuple[int, bytes, RowsRefusedError]]:
        """Send `rows`, in halves if necessary; yield the refused ones, each with its index."""
        parts = [(0, len(rows))]
        while parts:
            if self._stop.is_set():
                raise ServerUnavailableError("the sink is closed")
            begin, end = parts.pop()
            data = b"".join(rows[begin:end])
            try:
                self._server.send(SpooledRows(layout, data, end - begin, 0, 0))
            except RowsRefusedError as error:
                middle = (begin + end) // 2
                if begin == middle:
                    yield begin, rows[begin], error
                else:
                    parts += [(middle, end), (begin, middle)]

    def _record_failure(self, error: Exception) -> None:
        """Count a failure, and log it if it is the first or of another kind than the last."""
        in_spool = isinstance(error, sqlite3.Error)  # such as a disk that is full
        refuses = isinstance(error, (WatlowSinkError, RowsRefusedError))
        text = f"the spool: {error}" if in_spool else str(error) or type(error).__name__
        self.failures += 1
        if self.last_error is None or refuses != self.refuses:
            log.warning("%s: rows wait in the spool: %s", self._name, text)
        self.last_error, self.refuses = text, refuses


class RefusedRetry:
    """The passes over the refused rows of a spool; the first is due at once, for earlier rows.

    Args:
        spool: The spool.
    """

    def __init__(self, spool: Spool) -> None:
        self.rows_left = False
        """Whether refused rows were left at the end of the last pass."""
        self._spool = spool
        self._ended_s = time.monotonic()
        self._last = spool.last_batch(REFUSED)
        self._after = 0

    def next(self, batches: int) -> SpooledRows | None:
        """Return the next refused rows of the pass; None if it ends or none is due."""
        if not self._last:
            if time.monotonic() < self._ended_s + REFUSED_RETRY_S:
                return None
            self._after, self._last = 0, self._spool.last_batch(REFUSED)
        spooled = self._spool.next(batches, table=REFUSED, after=self._after)
        if spooled is not None and spooled.first <= self._last:
            return spooled
        self._last, self._ended_s = 0, time.monotonic()
        self.rows_left = spooled is not None
        return None

    def done(self, spooled: SpooledRows) -> None:
        """Continue the pass after `spooled`."""
        if spooled.table == REFUSED:
            self._after = spooled.last


def _grouped(refused: Iterable[tuple[int, bytes, RowsRefusedError]]) -> list[Refused]:
    """Join consecutive rows that are refused for the same reason."""
    groups: list[Refused] = []
    following: tuple[int, str] | None = None
    for index, row, error in refused:
        if following == (index, error.summary) and groups[-1].rows < REFUSED_ROWS:
            last = groups[-1]
            groups[-1] = last._replace(rows=last.rows + 1, data=last.data + row)
        else:
            groups.append(Refused(1, row, str(error)))
        following = index + 1, error.summary
    return groups
