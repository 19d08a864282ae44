"""The thread that takes rows from a spool to the server, again and again if need be."""

from __future__ import annotations

import logging
import random
import sqlite3
import threading
import time
from typing import TYPE_CHECKING

from watlowlib._internal.threads import Worker
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.postgres.spool import Spool

if TYPE_CHECKING:
    from watlowlib.sinks.postgres.server import Server

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.25
LONGEST_DELAY_S = 30.0
IDLE_S = 1.0
"""How long to sleep when there is nothing to send and nobody wakes us."""

LAST_ANSWER_S = 15.0
"""How long the thread may still need, once it has been told to give up."""


class ServerUnavailable(Exception):  # noqa: N818 - a state of things, which passes
    """The server cannot take rows now; it may later."""


class Sender:
    """Sends what is in a spool, oldest first, from a thread of its own.

    Args:
        server: Where it goes.
        spool: Its own connection to the spool.
        name: What it is called in the log.
    """

    def __init__(self, server: Server, spool: Spool, name: str) -> None:
        self.sent = 0
        self.failures = 0
        self.last_error: str | None = None
        self._server = server
        self._spool = spool
        self._name = name
        self._wake = threading.Event()
        self._last = 0
        self._ending, self._stop, self._done = (threading.Event() for _ in range(3))
        self._worker = Worker("sender-postgres", self._run, self._give_up)

    def open(self, columns: tuple[str, ...]) -> None:
        """Look at the server, then let the thread run. `close` it, whatever comes of this.

        Raises:
            WatlowSinkError: The server refuses.
        """
        try:
            self._server.open(columns)
        except ServerUnavailable as error:
            self._failed(str(error))
        self._worker.start()

    def wake(self) -> None:
        """There is something to send."""
        self._wake.set()

    def check(self) -> None:
        """Raises a WatlowSinkError when the server has refused rows for good."""
        failure = self._worker.failure
        if failure is not None:
            raise WatlowSinkError(
                f"{self._name} sends no more: {failure}. What was not sent is in the spool"
            ) from failure

    def finish(self, last: int, until_s: float) -> None:
        """Wait until all up to the batch `last` is sent, or until then by the monotonic clock."""
        self._last = last
        self._ending.set()
        self._wake.set()
        self._done.wait(max(0.0, until_s - time.monotonic()))

    def close(self) -> None:
        """Send no more; let go."""
        self._give_up()
        self._server.close()  # who waits for a connection need not
        self._worker.join(LAST_ANSWER_S)
        self._spool.close()

    def _give_up(self) -> None:
        self._stop.set()
        self._ending.set()
        self._wake.set()

    def _run(self) -> None:
        try:
            delay_s = FIRST_DELAY_S
            while not self._stop.is_set():
                self._wake.clear()
                ending = self._ending.is_set()  # before looking: nothing comes in after it
                try:
                    if not self._send_next(self._last if ending else None):
                        if ending:
                            return
                        self._wake.wait(IDLE_S)
                    delay_s = FIRST_DELAY_S
                except (ServerUnavailable, sqlite3.OperationalError) as error:
                    if self._stop.is_set():
                        return
                    mine = isinstance(error, sqlite3.Error)  # a full disk, which passes, too
                    self._failed(f"the spool: {error}" if mine else str(error))
                    self._pause(delay_s)
                    delay_s = min(2 * delay_s, LONGEST_DELAY_S)
        finally:
            self._done.set()

    def _send_next(self, last: int | None) -> bool:
        """Send some rows; False when there are none, or none up to the batch `last`."""
        parcel = self._spool.next()
        if parcel is None or (last is not None and parcel.first > last):
            return False
        self._server.send(parcel)
        self._spool.remove(parcel)
        self.sent += parcel.rows
        if self.last_error is not None:
            log.warning("%s: rows are being sent again", self._name)
            self.last_error = None
        return True

    def _pause(self, delay_s: float) -> None:
        """Wait, so that a server that comes back is not overrun by all its recorders at once."""
        delay_s *= random.uniform(0.5, 1.0)
        if self._ending.is_set():
            self._stop.wait(min(delay_s, IDLE_S))
        else:
            self._ending.wait(delay_s)

    def _failed(self, text: str) -> None:
        self.failures += 1
        if self.last_error is None:
            log.warning("%s: rows wait in the spool: %s", self._name, text)
        self.last_error = text
