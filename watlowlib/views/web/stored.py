"""Shows stored rows and events on a page, and follows files and tables that grow. Opens no port.

A file is read again when its size or time has changed, a table of PostgreSQL always. Only rows
after the last one are used, and the reader of the format skips older rows if it can; events are
few, and all are read. A large file costs little processor time: after a read that took a second,
the next one is ten seconds later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from watlowlib._internal.clock import parse_time
from watlowlib._internal.log import logger
from watlowlib._internal.threads import Worker
from watlowlib._internal.validation import masked
from watlowlib.sinks.parquet.journal import journal_of
from watlowlib.sinks.reading.events import read_events
from watlowlib.sinks.reading.files import event_readers_of
from watlowlib.sinks.reading.samples import StoredSamples, read_samples
from watlowlib.views.web.board import SHOWN_EVENTS, Board, Point, events_of
from watlowlib.views.web.page import WebPage

log = logger(__name__)

LONGEST_WINDOW = timedelta(days=1)
OVERLAP = timedelta(seconds=10)
"""Rows this much older than the last one are read again: sinks of several ports may be late."""

AHEAD = timedelta(days=1)
"""Rows that are later than this from now are not shown: they would hide all rows until then."""

POLL_S = 1.0
SHARE = 10
"""A read that takes a second is repeated after this many seconds at the earliest."""

POINTS_AT_ONCE = 1000
JOIN_S = 15.0
COLUMNS = (
    "device", "parameter", "parameter_id", "instance", "value", "unit", "status",
    "requested_at", "received_at", "scheduled_at",
)  # fmt: skip


def stored_board(title: str) -> Board:
    """Return the board of stored rows: ages are computed with the wall clock."""
    return Board(title, live=False, clock=time.time)


class StoredFeed:
    """Puts stored rows on a page, in a `with` statement.

    Args:
        page: The page, with a board of `stored_board`.
        source: What `read_samples` takes.
        table: The table in a SQLite file or a database.
        utc: Returns the time, for tests.
    """

    def __init__(
        self,
        page: WebPage,
        source: str,
        table: str = "samples",
        utc: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._page = page
        self._source = source
        self._table = table
        self._utc = utc
        self._last: datetime | None = None
        self._seen: object = None
        self._ahead = False
        self._events: list[dict[str, Any]] = []
        self._health: dict[str, Any] = {"reading": True}
        self._end = threading.Event()
        self._worker = Worker("web-feed", self._run, self._end.set)

    def __enter__(self) -> StoredFeed:
        self._worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._worker.join(JOIN_S)

    def _run(self) -> None:
        next_s = 0.0
        while not self._end.is_set():
            if time.monotonic() >= next_s:
                began_s = time.monotonic()
                self.look()
                took_s = time.monotonic() - began_s
                next_s = began_s + took_s + max(POLL_S, SHARE * took_s)
                self._health["every_s"] = round(max(POLL_S, SHARE * took_s))
            self._page.publish(self._health)
            self._end.wait(POLL_S)

    def look(self) -> None:
        """Read the rows that are new, if the source has changed."""
        try:
            stored = self._stored(None)
            events = [reader.source for reader in event_readers_of(self._source)]
            seen = _state([*stored.files, *events])
            if seen is None or seen != self._seen:
                if self._seen is None and self._last is None:
                    self._page.publish(self._health)
                self._read()
                self._events = events_of(read_events(self._source)[-SHOWN_EVENTS:])
                self._seen = seen
            self._health = {"read_at": self._utc().timestamp(), "ahead": self._ahead}
        except Exception as error:  # noqa: BLE001 - also from cells of another program
            self._health = {"problem": masked(str(error))}
        self._health["events"] = self._events

    def _read(self) -> None:
        """Read what is new. At first the last day; if it is empty, all."""
        day = self._utc() - LONGEST_WINDOW
        if self._last is not None:
            self._add(self._stored(self._last - OVERLAP))
            return
        self._add(self._stored(day))
        if self._last is None:
            self._add(self._stored(None))

    def _stored(self, since: datetime | None) -> StoredSamples:
        return read_samples(self._source, table=self._table, since=since, columns=COLUMNS)

    def _add(self, rows: Iterable[dict[str, Any]]) -> None:
        points: list[Point] = []
        latest = self._utc() + AHEAD
        for row in rows:
            if self._end.is_set():
                return
            when, point = point_of(row)
            if point is None or when is None:
                continue
            if max(when.timestamp(), point.at_s) > latest.timestamp():
                self._ahead = True
                continue
            self._last = when if self._last is None else max(when, self._last)
            points.append(point)
            if len(points) >= POINTS_AT_ONCE:
                self._page.board.add(points)
                points.clear()
        self._page.board.add(points)


def point_of(row: dict[str, Any]) -> tuple[datetime | None, Point | None]:
    """Return the time of a row and its point; None if it has no device, parameter or time."""
    when = _time(row.get("requested_at"))
    if when is None or row.get("device") is None or row.get("parameter") is None:
        return None, None
    received = _time(row.get("received_at")) or when
    at = _time(row.get("scheduled_at")) or received
    value = row.get("value")
    number = row.get("parameter_id")
    return when, Point(
        str(row["device"]),
        str(row["parameter"]),
        number if isinstance(number, int) else 0,
        int(row.get("instance") or 1),
        value,
        str(row.get("unit") or ""),
        str(row.get("status") or ("ok" if value is not None else "no value")),
        at.timestamp(),
        received.timestamp(),
    )


def _time(cell: Any) -> datetime | None:
    if isinstance(cell, str):
        cell = parse_time(cell)
    if not isinstance(cell, datetime):
        return None
    return cell if cell.tzinfo is not None else cell.replace(tzinfo=timezone.utc)


def _state(sources: Iterable[str]) -> object:
    """Return what changes when files grow; None if it cannot be told, as for a database."""
    found: list[tuple[str, int, int]] = []
    for source in sources:
        if "://" in source:
            return None
        for path in _parts(Path(source)):
            with suppress(OSError):
                status = path.stat()
                found.append((str(path), status.st_size, status.st_mtime_ns))
    return found


def _parts(path: Path) -> Iterator[Path]:
    """Yield a file and the files beside it that have its newest rows."""
    yield path
    yield path.with_name(path.name + "-wal")
    if path.suffix.lower() == ".parquet":
        yield journal_of(path)
