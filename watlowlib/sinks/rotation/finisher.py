"""The thread that finishes parts: it compresses them, and removes old ones.

It has no queue: it lists the files in the folder, and thus also finishes parts that a crash has
left. It ends when there is nothing left to do.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from watlowlib._internal.log import logger
from watlowlib._internal.threads import Worker
from watlowlib.errors import WatlowSinkError
from watlowlib.sinks.rotation.names import Part, PartNames
from watlowlib.sinks.rotation.policy import Policy

log = logger(__name__)

disk_usage = shutil.disk_usage

PATIENCE_S = 10.0
"""How long `close` waits before it interrupts a compression, which the next `open` repeats."""

JOIN_S = 60.0
"""Time limit for the rest: a Parquet file is not interrupted."""


class Finisher:
    """Finishes and removes the parts of a file.

    Args:
        names: The parts.
        policy: Which ones are removed.
        finish: Finishes a part, unless the event is set meanwhile; does nothing with a finished
            one.
        utc: Returns the time.
    """

    def __init__(
        self,
        names: PartNames,
        policy: Policy,
        finish: Callable[[Path, threading.Event], None],
        utc: Callable[[], datetime],
    ) -> None:
        self._names = names
        self._policy = policy
        self._finish = finish
        self._utc = utc
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.renaming: Path | None = None
        """The part that is being made: it may become the active file again if that fails."""
        self._idle = threading.Event()
        self._idle.set()
        self._again = False
        self._worker: Worker | None = None

    def wake(self) -> None:
        """Look for parts to finish and to remove, in the thread."""
        with self._lock:
            self._again = True
            if not self._idle.is_set() or self._stop.is_set():
                return
            self._idle.clear()
            if self._worker is not None:
                self._worker.join(JOIN_S)
            self._worker = Worker("rotation", self._run, self._stop.set)
            self._worker.start()

    def close(self) -> None:
        """Wait until the parts are finished; interrupt a compression that takes long."""
        self.wait(PATIENCE_S)
        with self._lock:
            self._stop.set()
        if self._worker is not None:
            self._worker.join(JOIN_S)

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    if not self._again or self._stop.is_set():
                        self._idle.set()
                        return
                    self._again = False
                self._work()
        except BaseException:
            self._idle.set()
            raise

    def _work(self) -> None:
        self._logged(self._remove_old)  # first: finishing may need the space
        self._logged(self._finish_all)
        self._logged(self._remove_old)

    def _logged(self, task: Callable[[], None]) -> None:
        try:
            task()
        except OSError as error:  # the folder cannot be read
            log.warning(
                "the parts of %s could not be listed: %s; this is tried again later",
                self._names.path,
                error,
            )

    def _finish_all(self) -> None:
        for part in self._parts():
            if not self._stop.is_set():
                self._finish_part(part.path)

    def wait(self, timeout_s: float) -> bool:
        """Wait until nothing is left to do; return False on timeout."""
        return self._idle.wait(timeout_s)

    def _parts(self) -> list[Part]:
        return [part for part in self._names.parts() if part.path != self.renaming]

    def _finish_part(self, path: Path) -> None:
        try:
            self._finish(path, self._stop)
        except (OSError, WatlowSinkError) as error:
            log.warning(
                "%s could not be finished: %s; this is tried again after the next rotation",
                path,
                error,
            )

    def _remove_old(self) -> None:
        if not self._policy.removes:
            return
        parts = self._parts()
        while parts and (reason := self._excess(parts)):
            oldest = parts.pop(0)
            try:
                for file in oldest.files():
                    file.unlink()
            except OSError as error:  # on Windows, a reader may have it open
                log.warning("%s could not be removed: %s; this is tried again later", file, error)
            else:
                log.info("%s was removed: %s", oldest.path, reason)

    def _excess(self, parts: list[Part]) -> str:
        """Return why the oldest of `parts` is to be removed; empty if it is not."""
        policy = self._policy
        hours = policy.period.hours if policy.period else 0
        if policy.keep_age is not None:
            end = parts[0].when + timedelta(hours=hours)
            if end < self._utc() - policy.keep_age:
                return f"it is older than {policy.keep_age}"
        if policy.keep_bytes is not None:
            total = sum(file.stat().st_size for part in parts for file in part.files())
            if total > policy.keep_bytes:
                return f"the parts have {total:,} bytes, more than {policy.keep_bytes:,}"
        free = disk_usage(self._names.path.parent).free
        if free < policy.min_free:
            return f"only {free:,} bytes are free, less than {policy.min_free:,}"
        return ""
