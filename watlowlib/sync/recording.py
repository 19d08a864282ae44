"""Recording, under the names of another library's blocking interface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from watlowlib._internal.process import NotCopied
from watlowlib.devices.poll import PollSource, SimplePollSource
from watlowlib.devices.targets import Parameters
from watlowlib.model import AcquisitionSummary, Sample
from watlowlib.sinks.base import SampleSink
from watlowlib.sinks.pipe import pipe as native_pipe
from watlowlib.streaming.recorder import OverflowPolicy, Recording
from watlowlib.streaming.recorder import record as native_record
from watlowlib.sync.portal import SyncPortal, check_portal
from watlowlib.sync.values import SyncSummary, with_names

__all__ = ["AcquisitionSummary", "OverflowPolicy", "SyncRecording", "pipe", "record"]


class SyncRecording(NotCopied):
    """A `watlowlib.Recording` that is an iterator, and has further names."""

    def __init__(self, recording: Recording, rate_hz: float) -> None:
        self.recording = recording
        """The recording itself."""
        self.rate_hz = rate_hz
        """Ticks per second."""
        self._batches: Iterator[list[Sample]] | None = None

    def __getattr__(self, name: str) -> Any:
        if name == "recording":
            raise AttributeError(name)
        return getattr(self.recording, name)

    def __repr__(self) -> str:
        return f"<SyncRecording of {self.recording!r}>"

    def __enter__(self) -> SyncRecording:
        self.recording.__enter__()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.recording.__exit__(kind, error, trace)

    def __iter__(self) -> Iterator[list[Sample]]:
        return self

    def __next__(self) -> list[Sample]:
        if self._batches is None:
            self._batches = iter(self.recording)
        return next(self._batches)

    @property
    def stream(self) -> SyncRecording:
        """The iterator over the batches: this object."""
        return self

    @property
    def summary(self) -> SyncSummary:
        """The summary so far; after the end the final one."""
        return with_names(SyncSummary, self.recording.summary)

    def close(self) -> None:
        """End the schedule."""
        self.recording.stop()


def record(
    source: PollSource | SimplePollSource,
    *,
    parameters: Parameters,
    rate_hz: float,
    duration: float | None = None,
    names: str | Iterable[str] | None = None,
    instances: int | Iterable[int] = (1,),
    overflow: OverflowPolicy | str = OverflowPolicy.BLOCK,
    buffer_size: int = 64,
    portal: SyncPortal | None = None,
) -> SyncRecording:
    """Record `source`; see `watlowlib.record`. A source may have `poll_many` instead of `poll`."""
    check_portal(portal)
    if not isinstance(source, (PollSource, SimplePollSource)) and hasattr(source, "poll_many"):
        source = SimpleNamespace(poll=source.poll_many)
    recording = native_record(
        source,
        parameters=parameters,
        rate_hz=rate_hz,
        duration=duration,
        names=names,
        instances=instances,
        overflow=overflow,
        buffer_size=buffer_size,
    )
    return SyncRecording(recording, rate_hz)


def pipe(
    stream: SyncRecording | Recording | Iterable[Sequence[Sample]],
    sink: SampleSink,
    *,
    batch_size: int = 64,
    flush_interval: float = 1.0,
    portal: SyncPortal | None = None,
) -> SyncSummary:
    """Write a recording, or any iterable of batches, to one sink; see `watlowlib.pipe`.

    Returns:
        The summary; its `samples_emitted` counts the samples that were given to the sink.
    """
    check_portal(portal)
    batches = stream.recording if isinstance(stream, SyncRecording) else stream
    summary = native_pipe(batches, sink, batch_size=batch_size, flush_interval=flush_interval)
    written = sum(report.rows_written + report.rows_waiting for report in summary.sinks)
    return with_names(SyncSummary, summary, samples_emitted=written)
