"""A recording that goes on by itself, for callers that come back only now and then.

    with CsvSink("run.csv") as csv:
        background = Background(mgr, csv, parameters=["process_value"], rate_hz=2.0)
        background.start()
        background.latest()  # what was read last, without touching the bus
        background.stop()

A thread of its own pipes the recording into the sink. What was read last is noted on its
way from the fleet to the recorder, so that it is there before any sink has it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from watlowlib._internal.threads import Worker
from watlowlib.devices.poll import Poll
from watlowlib.devices.targets import Parameters
from watlowlib.errors import WatlowTimeoutError
from watlowlib.manager.manager import WatlowManager
from watlowlib.manager.polling import FleetPoll
from watlowlib.model import AcquisitionSummary, Sample
from watlowlib.sinks.base import SampleSink
from watlowlib.sinks.pipe import pipe
from watlowlib.streaming.recorder import record

STOP_S = 90.0
"""How long a stopped recording may take: its current tick, and the sink's last rows."""


class Background:
    """A recording in a thread of its own, from `start` to `stop`.

    Args:
        fleet: What is recorded. It is closed when the recording is.
        sink: Where to; it is opened at the start and closed in the end. None keeps nothing
            but what was read last.
        parameters: What to read; see `watlowlib.record`.
        rate_hz: How often a second.
        duration: Seconds to record; None until `stop`.
        instances: Which instances of each parameter.

    Raises:
        WatlowConfigurationError: An argument that cannot be; the message says which.
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
        self._watched = _Watched(fleet)
        self._sink = sink
        self._stream = record(
            self._watched,
            parameters=parameters,
            rate_hz=rate_hz,
            duration=duration,
            instances=instances,
        )
        self._failed = ""
        self._worker = Worker("background", self._run, self._stream.stop)

    def start(self) -> None:
        """Open the sink and begin.

        Raises:
            WatlowSinkError: The sink cannot be opened.
        """
        if self._sink is not None:
            self._sink.open()
        self._worker.start()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._worker.alive

    @property
    def failed(self) -> str:
        """What has ended it before its time, or that rows were lost; empty if nothing."""
        return self._failed

    @property
    def summary(self) -> AcquisitionSummary:
        """What it amounts to, by now or in the end."""
        return self._stream.summary

    def latest(self) -> list[Sample]:
        """The samples of the last tick; none before the first."""
        return self._watched.latest

    def stop(self) -> AcquisitionSummary:
        """End it, write what was read, close the sink; what it came to.

        Raises:
            WatlowSinkError: The sink did not keep all rows.
            WatlowTimeoutError: It has not ended within 90 s.
        """
        try:
            return self._stop()
        finally:
            self._fleet.close()

    close = stop

    def _stop(self) -> AcquisitionSummary:
        self._worker.stop()
        if not self._worker.join(STOP_S):
            raise WatlowTimeoutError(f"the recording has not ended within {STOP_S:g} s")
        self._worker.reraise()
        return self.summary

    def _run(self) -> None:
        try:
            with self._stream as stream:
                if self._sink is not None:
                    pipe(stream, self._sink)
                else:
                    for _ in stream:
                        pass
        except BaseException as error:
            self._failed = str(error) or repr(error)
            raise
        finally:
            if self._sink is not None:
                self._sink.close()


class _Watched:
    """A fleet that notes what was read last."""

    def __init__(self, fleet: WatlowManager) -> None:
        self._fleet = fleet
        self.latest: list[Sample] = []

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        sensor_check: bool = False,
    ) -> Poll:
        """As the fleet does."""
        poll = self._fleet.prepare(
            parameters, instances=instances, names=names, sensor_check=sensor_check
        )
        return _WatchedPoll(poll, self)


class _WatchedPoll:
    """A fleet's poll, with all that a recorder asks of it."""

    def __init__(self, poll: FleetPoll, watched: _Watched) -> None:
        self._poll = poll
        self._watched = watched
        self.ports = poll.ports

    @property
    def stats(self) -> Mapping[str, object]:
        return self._poll.stats

    def __call__(self, stop: threading.Event | None = None) -> list[Sample]:
        self._watched.latest = self._poll(stop)
        return self._watched.latest

    def read_within(self, stop: threading.Event | None, seconds: float | None) -> list[Sample]:
        self._watched.latest = self._poll.read_within(stop, seconds)
        return self._watched.latest

    def take_turns_with(self, other: _WatchedPoll) -> None:
        self._poll.take_turns_with(other._poll)

    def finish(self) -> None:
        self._poll.finish()
