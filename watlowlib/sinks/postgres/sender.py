"""The thread that sends rows from the spool to the server, with retries."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from watlowlib._internal.backoff import Backoff
from watlowlib._internal.threads import Worker
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.postgres.spool import ServerUnavailableError, Spool

if TYPE_CHECKING:  # it needs psycopg
    from watlowlib.sinks.postgres.server import Server

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 30.0
IDLE_S = 1.0
"""How long to wait before an empty spool is read again, unless `wake` is called."""

JOIN_TIMEOUT_S = 15.0
"""How long `close` waits for the thread to end."""


class Sender:
    """Sends the rows of a spool, oldest first, from its own thread.

    No other thread may use `spool`. Log and error messages name the sink by `name`.
    """

    def __init__(self, server: Server, spool: Spool, name: str) -> None:
        self.sent = 0
        self.failures = 0
        self.last_error: str | None = None
        self._server = server
        self._spool = spool
        self._name = name
        self._backoff = Backoff(FIRST_DELAY_S, LONGEST_DELAY_S)
        self._wake = threading.Event()
        self._last_batch = 0
        self._finishing, self._stop, self._finished = (threading.Event() for _ in range(3))
        self._worker = Worker("sender-postgres", self._run, self._request_stop)

    def open(self, columns: tuple[str, ...]) -> None:
        """Check the server, then start the thread. Call `close` even if this raises.

        Raises:
            WatlowSinkError: The server refuses.
        """
        try:
            self._server.open(columns)
        except ServerUnavailableError as error:
            self._record_failure(str(error))
        self._worker.start()

    def wake(self) -> None:
        """Tell the thread that the spool has new rows."""
        self._wake.set()

    def check(self) -> None:
        """Raise a WatlowSinkError if the server has refused rows permanently."""
        failure = self._worker.failure
        if failure is not None:
            raise WatlowSinkError(
                f"{self._name} has stopped sending: {failure}. Unsent rows remain in the spool"
            ) from failure

    def finish(self, last_batch: int, deadline_s: float) -> None:
        """Wait until all up to `last_batch` is sent; at most until monotonic `deadline_s`."""
        self._last_batch = last_batch
        self._finishing.set()
        self._wake.set()
        self._finished.wait(max(0.0, deadline_s - time.monotonic()))

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
                except (ServerUnavailableError, sqlite3.OperationalError) as error:
                    if self._stop.is_set():
                        return
                    in_spool = isinstance(error, sqlite3.Error)  # such as a disk that is full
                    self._record_failure(f"the spool: {error}" if in_spool else str(error))
                    delay_s = self._backoff.failed()
                    if self._finishing.is_set():
                        self._stop.wait(min(delay_s, IDLE_S))
                    else:
                        self._finishing.wait(delay_s)
        finally:
            self._finished.set()

    def _send_next(self, last_batch: int | None) -> bool:
        """Send the oldest rows; return False if there are none up to `last_batch`."""
        spooled = self._spool.next()
        if spooled is None or (last_batch is not None and spooled.first > last_batch):
            return False
        self._server.send(spooled)
        self._spool.remove(spooled)
        self.sent += spooled.rows
        if self.last_error is not None:
            log.warning("%s: sending has resumed", self._name)
            self.last_error = None
        return True

    def _record_failure(self, text: str) -> None:
        self.failures += 1
        if self.last_error is None:
            log.warning("%s: rows wait in the spool: %s", self._name, text)
        self.last_error = text
