"""The live display of a recording on a terminal, and the sinks that it watches.

It is drawn on the normal screen and not on the alternate one: warnings of the log appear above
it, and its final state stays on the screen. Its memory use is constant.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live

from watlowlib.cli.tracks import Track
from watlowlib.cli.view import ASCII, UNICODE, Output, ViewState, draw
from watlowlib.model import AcquisitionSummary, Sample, SinkReport
from watlowlib.model.events import Event
from watlowlib.sinks.base import FileSink, SampleSink, store_events, store_recording
from watlowlib.streaming.metadata import RecordingInfo
from watlowlib.streaming.recorder import Recording

REDRAWS_PER_S = 4

LINES_BELOW = 3
"""The lines left free below the final state, besides one for each sink: summary and prompt."""


class Progress:
    """A display of the samples written; writer threads update it, rich's own thread draws it."""

    def __init__(self, console: Console, stream: Recording) -> None:
        self._console = console
        self._stream = stream
        self._tracks: dict[tuple[str, str, int], Track] = {}
        self._sinks: list[WatchedSink] = []
        self._lock = threading.Lock()
        self._lines_below = 0
        self._live = Live(
            console=console, get_renderable=self._draw, refresh_per_second=REDRAWS_PER_S
        )

    def add_sink(self, sink: WatchedSink) -> None:
        """Add a sink, whose counters are shown."""
        with self._lock:
            self._sinks.append(sink)

    def add_written(self, samples: Sequence[Sample]) -> None:
        """Add samples that a sink has confirmed; those of another sink before are ignored."""
        with self._lock:
            for each in samples:
                key = (each.device, each.parameter, each.instance)
                if key in self._tracks:
                    self._tracks[key].add(each)
                else:
                    self._tracks[key] = Track(each)

    def _draw(self) -> Group:
        console = self._console
        height = max(1, console.height - self._lines_below) if console.is_terminal else None
        glyphs = ASCII if console.options.ascii_only else UNICODE
        return draw(self._state(), console.width, height, glyphs)

    def _state(self) -> ViewState:
        summary = self._stream.summary
        with self._lock:
            rows = [track.row() for track in self._tracks.values()]
            sinks = list(self._sinks)
        outputs = [sink.output(summary) for sink in sinks]
        return ViewState(summary, rows, outputs, self._stream.ticks)

    def close(self) -> None:
        """Draw the final state and leave it on the screen."""
        if self._live.is_started:
            self._lines_below = LINES_BELOW + len(self._sinks)
            self._live.stop()
            if not self._console.is_terminal:
                self._console.print()

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Watcher(Protocol):
    """What a `WatchedSink` reports to."""

    def add_sink(self, sink: WatchedSink) -> None:
        """Add a sink."""

    def add_written(self, samples: Sequence[Sample]) -> None:
        """Add samples that a sink has confirmed."""


class WatchedSink:
    """A sink that reports the samples it has written to `progress`."""

    def __init__(self, sink: SampleSink, progress: Watcher) -> None:
        self._sink = sink
        self._progress = progress
        self._text = repr(sink)  # stays the same, so that the report of this sink can be found
        self._written = 0
        self._error: str | None = None
        progress.add_sink(self)

    def __repr__(self) -> str:
        return self._text

    @property
    def rows_waiting(self) -> int:
        """How many rows are not yet in their final place."""
        return int(getattr(self._sink, "rows_waiting", 0))

    @property
    def problem(self) -> str | None:
        """Why rows wait; None where they do not, or the sink does not say."""
        return getattr(getattr(self._sink, "stats", None), "last_error", None)

    def output(self, summary: AcquisitionSummary) -> Output:
        """Return the counters for the display: those of `summary` if it has a report already.

        Until then, rows that were dropped because this sink was slow count as not written.
        """
        name = self._sink.path.name if isinstance(self._sink, FileSink) else self._text
        for report in summary.sinks:
            if report.name == self._text:
                return Output(replace(report, name=name))
        waiting = min(self.rows_waiting, self._written)
        report = SinkReport(name, self._written - waiting, 0, self._error, waiting)
        return Output(report, max(0, summary.rows - self._written))

    def open(self) -> None:
        """Open the sink."""
        self._sink.open()

    def write_many(self, samples: Sequence[Sample]) -> None:
        """Write `samples`, then report them."""
        try:
            self._sink.write_many(samples)
        except Exception as error:
            self._error = str(error) or repr(error)
            raise
        self._written += len(samples)
        self._progress.add_written(samples)

    def write_recording(self, info: RecordingInfo) -> None:
        """Store what is known about a recording, if the sink does."""
        store_recording(self._sink, info)

    def write_events(self, events: Sequence[Event]) -> None:
        """Store events, if the sink does."""
        store_events(self._sink, events)

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()
