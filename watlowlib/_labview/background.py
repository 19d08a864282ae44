"""A recording in the background, for callers that check it only from time to time.

    with CsvSink("run.csv") as csv:
        background = Background(mgr, csv, parameters=["process_value"], rate_hz=2.0)
        background.start()
        background.latest()  # the samples of the last tick; sends nothing
        background.stop()

A separate thread pipes the recording into the sink.
"""

from __future__ import annotations

from collections.abc import Iterable

from watlowlib._internal.process import NotCopied
from watlowlib._internal.threads import Worker
from watlowlib.devices.targets import Parameters
from watlowlib.errors import WatlowTimeoutError
from watlowlib.manager.manager import WatlowManager
from watlowlib.model import AcquisitionSummary, Sample
from watlowlib.sinks.base import SampleSink
from watlowlib.sinks.pipe import pipe
from watlowlib.streaming.recorder import record

STOP_S = 90.0
"""Seconds a stopped recording may take to end: its current tick, and the sink's last rows."""


class Background(NotCopied):
    """A recording in its own thread, from `start` to `stop`.

    Args:
        fleet: The fleet to record. `stop` closes it.
        sink: The sink; it is opened at the start and closed at the end. None keeps only the
            latest samples.
        parameters, rate_hz, duration, instances: See `watlowlib.record`.

    Raises:
        WatlowConfigurationError: An argument is not valid; the message says which.
    """

    def __init__(
        self,
        fleet: WatlowManager,
        sink: SampleSink | None,
        *,
        parameters: Parameters,
        rate_hz: float,
        duration: float | None = None,
        instances: int | Iterable[int] = (1,),
    ) -> None:
        self._fleet = fleet
        self._sink = sink
        self._stream = record(
            fleet,
            parameters=parameters,
            rate_hz=rate_hz,
            duration=duration,
            instances=instances,
        )
        self.failed = ""
        """The error that ended the recording early or lost rows; empty if there is none."""
        self._worker = Worker("background", self._run, self._stream.stop)

    def start(self) -> None:
        """Open the sink and start recording.

        Raises:
            WatlowSinkError: The sink cannot be opened.
        """
        if self._sink is not None:
            self._sink.open()
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
        """Stop, write all samples read so far, close the sink, and return the summary.

        Raises:
            WatlowSinkError: The sink did not keep all rows.
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
        try:
            with self._stream as stream:
                if self._sink is not None:
                    pipe(stream, self._sink)
                else:
                    for _ in stream:
                        pass
        except BaseException as error:
            self.failed = str(error) or repr(error)
            raise
        finally:
            if self._sink is not None:
                self._sink.close()
