"""Marks of a plot at the times of events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from watlowlib._internal.log import logger
from watlowlib.errors import WatlowError
from watlowlib.model.events import Event, EventKind
from watlowlib.sinks.reading.events import read_events

log = logger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
LABEL = "event"
COLOR = "#444444"
LONGEST_TEXT = 40
TEXT_PX = 14
"""The smallest distance of two texts."""


@dataclass(frozen=True)
class Mark:
    """A mark.

    Attributes:
        at_us: The time in microseconds since 1970.
        text: The event in words.
        short: What is written beside the mark; empty where an earlier text is too near.
        device: The controller; None for all.
    """

    at_us: int
    text: str
    short: str
    device: str | None


def read_marks(files: Sequence[str], begin_us: int, end_us: int) -> list[Mark]:
    """Return a mark for each event of recordings between two times, in order of time."""
    events: set[Event] = set()
    for file in files:
        try:
            events.update(read_events(file))
        except WatlowError as error:  # the rows can be drawn without
            log.warning("the events of %s are not drawn: %s", file, error)
    return marks_of(events, begin_us, end_us)


def marks_of(events: Iterable[Event], begin_us: int, end_us: int) -> list[Mark]:
    """Return a mark for each of `events` between two times, in order of time."""
    marks = (_mark(event) for event in sorted(events, key=lambda event: event.time))
    return [each for each in marks if begin_us <= each.at_us <= end_us]


def _mark(event: Event) -> Mark:
    note = event.kind == EventKind.NOTE
    short = event.text if note else str(event.kind).replace("_", " ")
    if len(short) > LONGEST_TEXT:
        short = short[: LONGEST_TEXT - 1] + "…"
    at_us = (event.time - EPOCH) // timedelta(microseconds=1)
    return Mark(at_us, str(event), " ".join(short.split()), event.device)
