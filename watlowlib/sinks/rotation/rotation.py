"""Decides when the active file of a sink becomes a part, and watches the free space.

A slot is chosen by the wall clock when rows are written, not by the times of the rows: the rows
of one `write_many` stay together. The slot of a file that was there before is the one of its last
change. When the wall clock is set, in whatever direction, the next rows begin the slot of the new
time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from watlowlib._internal.clock import Clock, SystemClock
from watlowlib._internal.log import logger
from watlowlib.sinks.rotation import finisher
from watlowlib.sinks.rotation.finisher import Finisher
from watlowlib.sinks.rotation.names import PartNames
from watlowlib.sinks.rotation.policy import Policy

log = logger(__name__)

CHECK_FREE_NS = 5_000_000_000
"""Time between two checks of the free space."""

FIRST_RETRY_NS = 10_000_000_000
LONGEST_RETRY_NS = 600_000_000_000
"""Time to the next try after a rotation has failed; it doubles with each failure."""


class Rotation:
    """The rotation of one open file.

    Args:
        path: The active file.
        policy: When a part is finished, and what happens to it.
        finish: Finishes a part in the thread, see `Finisher`.
        changed_at: The time of the last change of the file, in seconds since 1970; None if there
            is no file.
        clock: The clock.
    """

    def __init__(
        self,
        path: Path,
        policy: Policy,
        finish: Callable[[Path, threading.Event], None],
        changed_at: float | None,
        clock: Clock | None = None,
    ) -> None:
        self.path = path.absolute()
        self._policy = policy
        self._clock = clock or SystemClock()
        self._names = PartNames(self.path)
        self._finisher = Finisher(self._names, policy, finish, self._clock.utc)
        changed = None if changed_at is None else datetime.fromtimestamp(changed_at, timezone.utc)
        self._slot = self._slot_of(changed or self._clock.utc())
        self._retry_ns: int | None = None
        self._pause_ns = FIRST_RETRY_NS
        self._check_free_ns = self._clock.now_ns()
        self._is_low = False

    def is_due(self, size: Callable[[], int]) -> bool:
        """Whether the next rows belong to another file.

        Args:
            size: Returns the size of the active file in bytes, 0 if it has no rows.
        """
        now = self._clock.utc()
        over = self._slot is not None and not self._slot[0] <= now < self._slot[1]
        if not over and (self._policy.most_bytes is None or size() < self._policy.most_bytes):
            return False
        if not size():
            self._slot = self._slot_of(now)
            return False
        return self._retry_ns is None or self._clock.now_ns() >= self._retry_ns

    def next_part(self) -> Path:
        """Return the name for the active file: the start of its slot, or the present time.

        Raises:
            OSError: The folder cannot be read.
        """
        part = self._names.next(self._slot[0] if self._slot else self._clock.utc()).path
        self._finisher.renaming = part
        return part

    def succeeded(self) -> None:
        """Begin the present slot, and finish the part in the thread."""
        self._slot = self._slot_of(self._clock.utc())
        self._retry_ns, self._pause_ns = None, FIRST_RETRY_NS
        self._finisher.renaming = None
        self._finisher.wake()

    def failed(self, error: BaseException) -> None:
        """Log why the file was not rotated; the next try comes later."""
        log.warning(
            "%s could not be rotated: %s; the next rows are added to it, and the next attempt is "
            "in %d s",
            self.path,
            error,
            self._pause_ns // 1_000_000_000,
        )
        self._finisher.renaming = None
        self._retry_ns = self._clock.now_ns() + self._pause_ns
        self._pause_ns = min(2 * self._pause_ns, LONGEST_RETRY_NS)

    def check_free(self) -> None:
        """From time to time, compare the free space with the limit; warn once below it."""
        now_ns = self._clock.now_ns()
        if now_ns < self._check_free_ns:
            return
        self._check_free_ns = now_ns + CHECK_FREE_NS
        with suppress(OSError):
            free = finisher.disk_usage(self.path.parent).free
            if free >= self._policy.min_free:
                self._is_low = False
                return
            if not self._is_low:
                log.warning(
                    "only %s bytes are free for %s, less than %s%s",
                    f"{free:,}",
                    self.path,
                    f"{self._policy.min_free:,}",
                    "; the oldest parts are removed" if self._policy.removes else "",
                )
            self._is_low = True
            if self._policy.removes:
                self._finisher.wake()

    def finish_parts(self) -> None:
        """Finish the parts that an earlier program has left, in the thread."""
        self._finisher.wake()

    def close(self) -> None:
        """Wait for the thread."""
        self._finisher.close()

    def _slot_of(self, when: datetime) -> tuple[datetime, datetime] | None:
        period = self._policy.period
        return None if period is None else period.slot(when)


def changed_at(files: Sequence[Path]) -> float | None:
    """Return the time of the last change of `files`, in seconds since 1970; None without files."""
    times = []
    for file in files:
        with suppress(OSError):  # opening the file reports it
            times.append(file.stat().st_mtime)
    return max(times, default=None)
