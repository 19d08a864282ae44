"""The file of a capture: one line of JSON for each event on a port, of limited size.

    {"utc": "2026-03-01T08:00:00.250000Z", "t": 0.25, "port": "/dev/ttyUSB0",
     "protocol": "stdbus", "what": "sent", "raw": "55 ff 05 10 00 00 06 e8 01 03 01 04 01 01 e3 99"}

A thread writes what has happened every `FLUSH_S`, so a slow disk delays no exchange. The queue in
between is bounded: a line "dropped" counts what did not fit. When the file has half of its limit,
it becomes `wire.jsonl.1`, and the one of that name before it is lost. Several ports may share a
file.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

from watlowlib._internal.log import logger
from watlowlib._internal.process import OneProcess, abandon_in_child, release, run_in_child
from watlowlib._internal.queues import wait_for_event
from watlowlib._internal.threads import Worker
from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowConfigurationError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logger(__name__)

FORMAT = 1
"""The version of the format, in the line "start"."""

BEGIN = b'{"utc": "'
"""How each line, and so each capture, begins."""

FLUSH_S = 0.25
"""How often the file is written; a killed program loses no more than this."""

MOST_QUEUED = 5_000
CLOSE_S = 5.0


class Event(NamedTuple):
    """Something that happened, with both clocks in nanoseconds, and the values of its line."""

    utc_ns: int
    monotonic_ns: int
    fields: dict[str, Any]


class CaptureFile(OneProcess):
    """A capture that is being written; `open_capture` returns it, `leave` ends it."""

    _kind = "capture"

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path, self.most_bytes = path, most_bytes
        self.users = 0
        self._pid = os.getpid()
        self._start_ns = time.monotonic_ns()
        self._events: deque[Event] = deque()
        self._dropped = 0
        self._refused: list[Event] = []
        self._failing = self._torn = False
        self._counting = threading.Lock()
        self._stopped = threading.Event()
        self._reopen()
        self._worker = Worker("capture", self._run, self._stopped.set)
        self.add({"what": "start", "format": FORMAT})
        self._worker.start()

    def add(self, fields: dict[str, Any]) -> None:
        """Queue an event of now; never waits."""
        if len(self._events) < MOST_QUEUED:
            self._events.append(Event(time.time_ns(), time.monotonic_ns(), fields))
        else:
            self._drop(1)

    def close(self) -> None:
        """Write what is queued and close the file; on a stuck disk leave both to the thread."""
        self._worker.stop()
        self._worker.join(CLOSE_S)
        if self._worker.failure is not None:
            log.warning("capture %s ended early: %r", self.path, self._worker.failure)

    def leave(self) -> None:
        """End the use by one port; the last one closes the file."""
        if self.in_other_process:
            return
        with _lock:
            self.users -= 1
            if not self.users:
                del _files[self.path]
                self.close()

    def _drop(self, count: int) -> None:
        with self._counting:
            self._dropped += count

    def _run(self) -> None:
        try:
            stopped = False
            while not stopped:
                stopped = wait_for_event(self._stopped, FLUSH_S)
                self._write_queued()
        finally:
            release(self._file)
            self._file.close()

    def _write_queued(self) -> None:
        """Write the queued events, and after them how many were dropped because of them."""
        # An event is dropped only while the queue is full: those in it are older.
        queued = [self._events.popleft() for _ in range(len(self._events))]
        events = self._refused + queued
        with self._counting:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            lost = {"what": "dropped", "count": dropped}
            events.append(Event(time.time_ns(), time.monotonic_ns(), lost))
        written = 0
        try:
            for portion in self._portions(events):
                self._write(b"".join(portion))
                written += len(portion)
        except (OSError, WatlowConfigurationError) as error:
            self._refused = [_dropped_line(events[written:])]
            if not self._failing:
                log.warning("capture %s cannot be written now: %s", self.path, error)
            self._failing = True
        else:
            self._refused = []
            self._failing = self._failing and not events

    def _portions(self, events: list[Event]) -> Iterator[list[bytes]]:
        """Yield the lines of `events`; each list fits into the rest of the file."""
        portion: list[bytes] = []
        size = 0
        for event in events:
            line = self._line(event)
            if self._size + size + len(line) > self.most_bytes // 2:
                yield portion
                self._rotate()
                portion, size = [], 0
            portion.append(line)
            size += len(line)
        yield portion

    def _line(self, event: Event) -> bytes:
        utc = datetime.fromtimestamp(event.utc_ns // 1000 / 1e6, timezone.utc)
        text = utc.isoformat(timespec="microseconds").replace("+00:00", "Z")
        offset_s = round((event.monotonic_ns - self._start_ns) / 1e9, 6)
        fields = {"utc": text, "t": offset_s, **event.fields}
        if "raw" in fields:
            fields["raw"] = fields["raw"].hex(" ")
        return json.dumps(fields).encode() + b"\n"

    def _write(self, data: bytes) -> None:
        if not data:
            return
        data = b"\n" * self._torn + data
        self._torn = True  # until all of it is written
        while data:
            count = self._file.write(data) or 0
            self._size += count
            data = data[count:]
        self._torn = False

    def _rotate(self) -> None:
        """Begin a new file; the one before it stays, an older one does not."""
        self._size = self.most_bytes  # if this fails, the next line tries it again
        self._file.close()  # Windows renames no open file
        with suppress(FileNotFoundError):
            self.path.replace(older_path(self.path))
        self._reopen()

    def _reopen(self) -> None:
        self._file = _opened(self.path)
        try:
            self._size = self._file.seek(0, os.SEEK_END)
            self._file.seek(max(self._size - 1, 0))
            self._torn = self._file.read(1) not in (b"", b"\n")  # a line that a crash cut short
        except BaseException:
            self._file.close()
            raise


def _dropped_line(events: list[Event]) -> Event:
    """Return the line "dropped" in the place of `events`, which may have such lines."""
    count = sum(each.fields.get("count", 1) for each in events)
    return events[0]._replace(fields={"what": "dropped", "count": count})


def older_path(path: Path) -> Path:
    """Return the file with what was captured before `path`."""
    return path.parent / f"{path.name}.1"


def open_capture(path: Path, most_bytes: int) -> CaptureFile:
    """Return the capture that writes `path`, with one more user; it appends to a file.

    Raises:
        WatlowConfigurationError: The file cannot be written or is no capture, another program
            writes it, or this program does with another limit.
    """
    with _lock:
        path = Path(os.path.realpath(path))
        file = _files.get(path)
        if file is None:
            try:
                for each in (path, older_path(path)):
                    _check_contents(each)
                file = _files[path] = CaptureFile(path, most_bytes)
            except OSError as error:
                raise WatlowConfigurationError(
                    f"capture={shown(str(path))} cannot be written: {error.strerror}; give a file "
                    "in a folder that exists"
                ) from error
        elif file.most_bytes != most_bytes:
            raise WatlowConfigurationError(
                f"capture_bytes={most_bytes}: {shown(str(path))} is being written with "
                f"{file.most_bytes}; give the same limit, or another file"
            )
        file.users += 1
        return file


def is_capture(path: Path) -> bool:
    """Whether this program is writing a capture to `path`."""
    return Path(os.path.realpath(path)) in _files


_lock = threading.Lock()
_files: dict[Path, CaptureFile] = {}


def _forget_all() -> None:
    global _lock
    _lock = threading.Lock()
    _files.clear()


run_in_child(_forget_all)


def _check_contents(path: Path) -> None:
    """Refuse a file that is no capture: lines would be added to it, or it would be replaced."""
    if path.exists() and not path.is_file():  # a rotation would rename a device
        raise WatlowConfigurationError(
            f"capture={shown(str(path))}: this is a folder or a device; give the name of a file"
        )
    with suppress(FileNotFoundError), path.open("rb") as file:
        begin = file.read(len(BEGIN))
        if not BEGIN.startswith(begin):
            raise WatlowConfigurationError(
                f"capture={shown(str(path))}: this file exists and is no capture; give another name"
            )


def _opened(path: Path) -> FileIO:
    """Return the open file, locked against other programs."""
    file = FileIO(str(path), "a+")
    abandon_in_child(file)
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise WatlowConfigurationError(
                f"capture={shown(str(path))}: another program or a sink writes this "
                "file; give another one"
            ) from None
        except OSError:  # some network drives have no locks
            pass
    return file
