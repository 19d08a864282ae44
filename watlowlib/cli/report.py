"""Reports of a recording without a terminal: a line a minute, and one at each change of state."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from rich.console import Console

from watlowlib._internal.threads import Worker
from watlowlib.cli.progress import WatchedSink
from watlowlib.model import Sample
from watlowlib.model.text import counted
from watlowlib.streaming.recorder import Recording

REPORT_S, LOOK_S = 60.0, 1.0
"""Seconds between two reports, and between two looks at the state."""

JOIN_S = 5.0
BUSY = "busy"
"""The status of a sample whose port is still being read: not a change of state."""


class Reporter:
    """Prints reports from its own thread; used in place of `Progress`."""

    def __init__(self, console: Console, stream: Recording) -> None:
        self._console = console
        self._stream = stream
        self._sinks: list[WatchedSink] = []
        self._states: dict[str, str] = {}
        self._report_at_s = time.monotonic() + REPORT_S
        self._end = threading.Event()
        self._worker = Worker("reporter", self._run, self._end.set)

    def add_sink(self, sink: WatchedSink) -> None:
        """Add a sink, whose counters are reported."""
        self._sinks.append(sink)

    def add_written(self, samples: Sequence[Sample]) -> None:
        """Do nothing: the counters of the sinks are enough."""

    def lines(self, now_s: float) -> list[str]:
        """Return the lines to print at `now_s` on the monotonic clock."""
        found = self._current_states()
        changed = [
            f"{name}: {state}"
            for name, state in found.items()
            if state != self._states.get(name, "ok")
        ]
        self._states |= found
        if now_s >= self._report_at_s:
            self._report_at_s = now_s + REPORT_S
            changed.append(self._counters())
        return changed

    def _current_states(self) -> dict[str, str]:
        """Return the state of each controller and sink: "ok", or what is wrong."""
        states: dict[str, str] = {}
        for sample in list(self._stream.latest):
            if sample.status == BUSY:
                continue
            if states.get(sample.device, "") != "ok":
                # A controller with at least one value replies.
                states[sample.device] = sample.status if sample.value is None else "ok"
        summary = self._stream.summary
        for sink in self._sinks:
            report = sink.output(summary).report
            states[report.name] = "ok"
            if report.error:
                states[report.name] = f"rows are lost: {report.error}"
            elif sink.problem:
                states[report.name] = f"rows wait: {sink.problem}"
        return states

    def _counters(self) -> str:
        summary = self._stream.summary
        sinks = [
            f"{report.name} {counted(report.rows_written, 'row')} written"
            + (f" and {report.rows_waiting:,} waiting" if report.rows_waiting else "")
            for report in (sink.output(summary).report for sink in self._sinks)
        ]
        return (
            f"{summary.duration_s:.0f} s: {', '.join(sinks)}; "
            f"{counted(summary.samples_emitted, 'tick')}, {summary.samples_late:,} late, "
            f"{counted(summary.gaps, 'read')} without a value"
        )

    def _run(self) -> None:
        while not self._end.wait(LOOK_S):
            self._print(self.lines(time.monotonic()))

    def _print(self, lines: list[str]) -> None:
        for line in lines:
            self._console.print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}")

    def __enter__(self) -> Reporter:
        self._worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._worker.join(JOIN_S)
