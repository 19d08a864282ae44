"""A recording in the background, for callers that check it only from time to time.

    with CsvSink("run.csv") as csv:
        background = Background(mgr, csv, parameters=["process_value"], rate_hz=2.0)
        background.start()
        background.latest()  # the samples of the last tick; sends nothing
        background.stop()

A separate thread pipes the recording into the sinks.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, TypeAlias

from watlowlib._internal.process import NotCopied
from watlowlib._internal.threads import Worker
from watlowlib.devices.controller import Controller
from watlowlib.errors import WatlowTimeoutError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import AcquisitionSummary, Sample
from watlowlib.sinks.base import SampleSink
from watlowlib.sinks.pipe import pipe
from watlowlib.streaming.recorder import record

Status: TypeAlias = "tuple[int, float, int, int, int, int, float, int, int, int]"

STOP_S = 90.0
"""Seconds a stopped recording may take to end: its current tick, and the sink's last rows."""


class Background(NotCopied):
    """A recording in its own thread, from `start` to `stop`.

    Args:
        fleet: The fleet to record. `stop` closes it.
        sinks: They are opened at the start and closed at the end. Without one, only the latest
            samples are kept.
        arguments: Those of `watlowlib.record`, without the source; events are stored.

    Raises:
        WatlowConfigurationError: An argument is not valid; the message says which.
    """

    def __init__(
        self,
        fleet: WatlowManager,
        *sinks: SampleSink,
        **arguments: Any,
    ) -> None:
        self._fleet = fleet
        self._sinks = sinks
        self._open_sinks = ExitStack()
        self._stream = record(fleet, events=True, **arguments)
        self.failed = ""
        """The error that ended the recording early or lost rows; empty if there is none."""
        self._worker = Worker("background", self._run, self._stream.stop)

    def start(self) -> None:
        """Open the sinks and start recording.

        Raises:
            WatlowSinkError: A sink cannot be opened; those opened before are closed.
        """
        with ExitStack() as opened:
            for sink in self._sinks:
                sink.open()
                opened.callback(sink.close)
            self._open_sinks = opened.pop_all()
        self._worker.start()

    @property
    def running(self) -> bool:
        """Whether the recording is running."""
        return self._worker.alive

    @property
    def summary(self) -> AcquisitionSummary:
        """The summary so far; after the end the final one."""
        return self._stream.summary

    def latest(self) -> list[Sample]:
        """Return the samples of the last tick; empty before the first."""
        return self._stream.latest

    def stop(self) -> AcquisitionSummary:
        """Stop, write all samples read so far, close the sinks, and return the summary.

        Raises:
            WatlowSinkError: A sink did not keep all rows.
            WatlowTimeoutError: The recording has not ended within 90 s.
        """
        try:
            self._worker.stop()
            if not self._worker.join(STOP_S):
                raise WatlowTimeoutError(f"the recording has not ended within {STOP_S:g} s")
            self._worker.reraise()
            return self.summary
        finally:
            self._fleet.close()

    close = stop

    def _run(self) -> None:
        with self._open_sinks:
            try:
                with self._stream as stream:
                    if self._sinks:
                        pipe(stream, *self._sinks)
                    else:
                        for _ in stream:
                            pass
            except BaseException as error:
                self.failed = str(error) or repr(error)
                raise


def start_background(
    controllers: Iterable[Controller], sinks: Iterable[SampleSink], arguments: dict[str, Any]
) -> Background:
    """Start a recording of controllers, under their own names; see `Background`."""
    fleet = WatlowManager()
    try:
        for ctl in controllers:
            fleet.add(ctl.name, ctl)
        recording = Background(fleet, *sinks, **arguments)
        recording.start()
    except BaseException:
        fleet.close()
        raise
    return recording


def status_of(recording: Background) -> Status:
    """Return the state and the counters of a recording as LabVIEW shows them."""
    summary = recording.summary
    state = 1 if recording.running else -1 if recording.failed else 0
    return (
        state,
        summary.duration_s,
        summary.samples_emitted,
        summary.samples_late,
        summary.rows,
        summary.gaps,
        summary.max_drift_ms,
        summary.disconnects,
        sum(sink.rows_written for sink in summary.sinks),
        sum(sink.rows_lost for sink in summary.sinks),
    )
