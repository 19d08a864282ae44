"""The progress display of a recording: the latest value of each read, and a progress bar."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from watlowlib.cli.read import sample_table
from watlowlib.model import Sample
from watlowlib.sinks.base import SampleSink, store_recording
from watlowlib.streaming.metadata import RecordingInfo
from watlowlib.streaming.recorder import Recording


class Progress:
    """A display of the rows written; a writer thread updates it, rich's own thread draws it."""

    def __init__(self, console: Console, stream: Recording) -> None:
        self._stream = stream
        self._latest: dict[tuple[str, str, int], Sample] = {}
        self._rows = 0
        self._lock = threading.Lock()
        text = "{task.fields[ticks]} ticks, {task.fields[late]} late, {task.fields[rows]} rows"
        self._bar = Bar(
            TextColumn("recording"),
            BarColumn(),
            TextColumn(text),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = self._bar.add_task("", total=stream.ticks, ticks=0, late=0, rows=0)
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=4)

    def add_written(self, samples: Sequence[Sample]) -> None:
        """Add samples that the sink has confirmed."""
        with self._lock:
            self._rows += len(samples)
            for each in samples:
                self._latest[each.device, each.parameter, each.instance] = each

    def _draw(self) -> Group:
        summary = self._stream.summary
        with self._lock:
            rows, latest = self._rows, list(self._latest.values())
        self._bar.update(
            self._task,
            completed=summary.samples_emitted + summary.samples_late,
            ticks=summary.samples_emitted,
            late=summary.samples_late,
            rows=rows,
        )
        return Group(sample_table(latest), self._bar)

    def close(self) -> None:
        """Draw the final state and leave it on the screen."""
        if self._live.is_started:
            self._live.stop()
            if not self._live.console.is_terminal:
                self._live.console.print()

    def __enter__(self) -> Progress:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class WatchedSink:
    """A sink that reports the samples it has written to `progress`."""

    def __init__(self, sink: SampleSink, progress: Progress) -> None:
        self._sink = sink
        self._progress = progress

    def __repr__(self) -> str:
        return repr(self._sink)

    @property
    def rows_waiting(self) -> int:
        """How many rows are not yet in their final place."""
        return int(getattr(self._sink, "rows_waiting", 0))

    def open(self) -> None:
        """Open the sink."""
        self._sink.open()

    def write_many(self, samples: Sequence[Sample]) -> None:
        """Write `samples`, then report them."""
        self._sink.write_many(samples)
        self._progress.add_written(samples)

    def write_recording(self, info: RecordingInfo) -> None:
        """Store what is known about a recording, if the sink does."""
        store_recording(self._sink, info)

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()
