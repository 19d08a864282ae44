"""The writer of a sink in a service: it opens a failed sink again, with a back-off.

No rows are written twice: those of a write that failed are counted as lost, and so are those that
come while the sink is closed. A sink that keeps rows in a spool, such as PostgreSQL, does not fail
while its server is down; its rows wait.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from watlowlib._internal.backoff import Backoff
from watlowlib._internal.log import logger
from watlowlib.model import Sample, SinkReport
from watlowlib.model.events import EventKind
from watlowlib.rig.values import RigSink
from watlowlib.sinks.base import FileSink, SampleSink, TableSink
from watlowlib.sinks.choose import open_sink
from watlowlib.sinks.csv import CsvSink
from watlowlib.sinks.pipe import JOIN_S, SinkWriter
from watlowlib.streaming.recorder import Recording

log = logger(__name__)

REOPEN_FIRST_S, REOPEN_MOST_S = 1.0, 60.0
"""The longest pauses before a failed sink is opened again: the first, and after many failures."""

BATCH_SIZE, FLUSH_S = 64, 1.0


class LastingWriter(SinkWriter):
    """An open sink of the rig, and the thread that writes to it."""

    def __init__(self, stream: Recording, rig_sink: RigSink, sink: TableSink) -> None:
        super().__init__(stream, sink, batch_size=BATCH_SIZE, flush_interval=FLUSH_S)
        self.rig_sink = rig_sink
        self.label = str(sink.path) if isinstance(sink, FileSink) else repr(sink)
        """The sink as the user named it: the path of a file."""
        self._problem: str | None = None
        self._failed = 0
        self._lock = threading.Lock()
        """Held while rows are written, or while the sink is exchanged."""
        self._backoff = Backoff(REOPEN_FIRST_S, REOPEN_MOST_S)

    def report(self) -> SinkReport:
        """Return the counts at this moment, and the error while the sink is not open.

        Rows that are in the queue, to be written soon, are in none of the counts.
        """
        report = super().report()
        return replace(
            report, rows_lost=self._refused + self._failed, error=self._problem or report.error
        )

    def exchange(self, rig_sink: RigSink) -> None:
        """Replace the sink by that of `rig_sink`, which has the same URL and other options.

        Rows wait meanwhile.

        Raises:
            WatlowSinkError: The new sink cannot be opened; the old one stays.
        """
        with self._lock:
            old, new = self._sink, sink_of(rig_sink)
            self._close_sink()
            try:
                new.open()
            except BaseException:
                self._open_again(old)
                raise
            self._sink, self.rig_sink, self._stored_id = new, rig_sink, None
            self._note_success()

    def close(self) -> None:
        """Write the remaining rows, and close the sink."""
        self.end()
        self.worker.join(JOIN_S)
        self._close_sink()

    def _write(self, samples: list[Sample]) -> None:
        with self._lock:
            self._try_to_write(samples)

    def _try_to_write(self, samples: list[Sample]) -> None:
        if self._problem is not None and self._backoff.left_s():
            self._failed += len(samples)
            return
        try:
            if self._problem is not None:
                self._sink.open()
                self._stored_id = None
            super()._write(samples)
        except Exception as error:  # noqa: BLE001 - of any sink: the next attempt may succeed
            self._failed += len(samples)
            self._note_failure(error)
        else:
            self._note_success()

    def _note_failure(self, error: Exception) -> None:
        pause_s = self._backoff.failed()
        if self._problem is None:
            log.error(
                "%s: rows are being lost: %s; the sink is opened again in %.1f s, then less often",
                self.label, error, pause_s,
            )  # fmt: skip
            self._stream.tell(EventKind.SINK_FAILED, f"{self.label}: {error}")
        self._problem = str(error) or repr(error)
        self._close_sink()

    def _open_again(self, sink: SampleSink) -> None:
        """Open a sink that was closed to be exchanged; a failed one is opened later."""
        if self._problem is None:
            try:
                sink.open()
            except Exception as error:  # noqa: BLE001 - of any sink: the next attempt may succeed
                self._note_failure(error)

    def _note_success(self) -> None:
        if self._problem is not None:
            self._problem = None
            self._backoff.succeeded()
            self._stream.tell(EventKind.SINK_BACK, self.label)
            log.warning(
                "%s: rows are written again; %d are lost", self.label, self.report().rows_lost
            )

    def _close_sink(self) -> None:
        try:
            self._sink.close()
        except Exception as error:  # noqa: BLE001 - the other sinks continue
            log.error("%s: %s", self.label, error)


def sink_of(rig_sink: RigSink) -> TableSink:
    """Return the sink that an entry of the rig file describes; it is not open."""
    sink = open_sink(rig_sink.url, **rig_sink.rotation)
    if isinstance(sink, CsvSink):
        return CsvSink(sink.path, spreadsheet_safe=True, **rig_sink.rotation)
    return sink


def find_writer(writers: Sequence[LastingWriter], rig_sink: RigSink) -> LastingWriter | None:
    """Return the writer for the URL of an entry of the rig file; None if there is none."""
    return next((each for each in writers if each.rig_sink.url == rig_sink.url), None)
