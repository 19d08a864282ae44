"""The events of recordings: `read_events`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from watlowlib._internal.clock import parse_time
from watlowlib._internal.validation import as_enum, shown
from watlowlib.errors import WatlowSinkError
from watlowlib.model.events import EVENT_COLUMNS, Event, EventKind
from watlowlib.sinks.files import has_events
from watlowlib.sinks.reading.files import event_readers_of
from watlowlib.sinks.reading.query import Names, Query, When, make_query
from watlowlib.sinks.reading.reader import Reader, reading_errors

KINDS: dict[str, EventKind] = {kind.value: kind for kind in EventKind}


def read_events(
    source: str | os.PathLike[str],
    *,
    kind: EventKind | str | Iterable[EventKind | str] | None = None,
    device: Names = None,
    since: When = None,
    until: When = None,
) -> list[Event]:
    """Return the events of recordings, in the order of their times; none if none were stored.

    An event that several files have is returned once.

    Args:
        source: What `read_samples` reads: the file with the samples, beside which the file with
            the events is, also a file with events itself, a folder, a pattern, or
            postgresql://user@host/database, where the events are in the table `events`.
        kind: One or several kinds, see `EventKind`.
        device: One or several names of devices; events that are about no device are left out.
        since: The first time: a datetime with a time zone, a date, or ISO 8601 text. Dates, and
            texts without an offset, are in UTC.
        until: The end of the times, which is not included; the same types as `since`.

    Raises:
        WatlowConfigurationError: An unknown extension, or an invalid filter.
        WatlowSinkError: There is no such file, it cannot be read, or a package is not installed.

    Example:
        >>> for event in read_events("ovens.csv", kind="note"):  # doctest: +SKIP
        ...     print(event)
        2026-03-01 12:00:00 note: door opened
    """
    query = make_query(device, None, since, until, None)
    kinds = None if kind is None else _kinds(kind)
    events = [
        event
        for reader in event_readers_of(source)
        for event in _events(reader)
        if (kinds is None or event.kind in kinds) and _passes(event, query)
    ]
    return sorted(dict.fromkeys(events), key=lambda event: event.time)


def read_all_events(
    sources: Sequence[str | os.PathLike[str]], query: Query, files: Sequence[str]
) -> list[Event]:
    """Return the events that belong to several sources, in the order of their times.

    Args:
        sources: What `read_samples` takes.
        query: Its devices and times; events that are about no device are not left out.
        files: Files that are read for their rows: a file with events among them has no events
            beside it.

    Raises:
        WatlowSinkError: The events of a source cannot be read.
    """
    kept = replace(query, devices=None)
    events = [
        event
        for source in sources
        for reader in event_readers_of(source)
        if not (reader.source in files and has_events(Path(reader.source)))
        for event in _events(reader)
        if _passes(event, query if event.device else kept)
    ]
    return sorted(dict.fromkeys(events), key=lambda event: event.time)


def _kinds(given: EventKind | str | Iterable[EventKind | str]) -> set[EventKind]:
    each_given = [given] if isinstance(given, str) or not isinstance(given, Iterable) else given
    return {as_enum("kind", EventKind, each) for each in each_given}


def _events(reader: Reader) -> Iterator[Event]:
    with reading_errors(reader):
        for row in reader.rows(Query()):
            yield _event(row, reader)


def _event(row: Any, reader: Reader) -> Event:
    if not isinstance(row, dict) or not set(EVENT_COLUMNS) <= row.keys():
        columns = ", ".join(EVENT_COLUMNS)
        raise WatlowSinkError(f"{shown(str(reader))} has no events: their columns are {columns}")
    time, kind = row["time"], str(row["kind"])
    return Event(
        time=time if isinstance(time, datetime) else parse_time(time),
        tick=row["tick"],
        device=row["device"],
        kind=KINDS.get(kind, kind),
        text=row["text"] or "",
        value=row["value"],
    )


def _passes(event: Event, query: Query) -> bool:
    return (
        (query.devices is None or event.device in query.devices)
        and (query.since is None or event.time >= query.since)
        and (query.until is None or event.time < query.until)
    )
