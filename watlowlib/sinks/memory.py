"""In-memory storage of samples, for notebooks and tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from watlowlib.model import Sample
from watlowlib.model.events import Event
from watlowlib.model.text import counted
from watlowlib.sinks.base import Sink
from watlowlib.sinks.rows import Row
from watlowlib.streaming.metadata import RecordingInfo


class InMemorySink(Sink):
    """Lists of samples, recordings and events; they stay available after `close`."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.recordings: list[RecordingInfo] = []
        self.events: list[Event] = []
        self._open = False

    def __repr__(self) -> str:
        return f"<InMemorySink of {counted(len(self.samples), 'sample')}>"

    @property
    def is_open(self) -> bool:
        """Whether the sink is open."""
        return self._open

    def open(self) -> None:
        """Open the sink."""
        self._open = True

    def write_many(self, samples: Sequence[Row]) -> None:
        """Append `samples`."""
        if not self._open:
            raise self._not_open()
        self.samples.extend(cast("Sequence[Sample]", samples))

    def write_recording(self, info: RecordingInfo) -> None:
        """Append `info` to `recordings`, unless it is there."""
        if not self._open:
            raise self._not_open()
        if all(each.id != info.id for each in self.recordings):
            self.recordings.append(info)

    def write_events(self, events: Sequence[Event]) -> None:
        """Append `events`."""
        self.events.extend(events)

    def close(self) -> None:
        """Close the sink; keep `samples`."""
        self._open = False
