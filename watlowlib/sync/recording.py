"""Recording, under the names of another library's blocking interface."""

from __future__ import annotations

from collections.abc import Iterable

from watlowlib.devices.poll import PollSource
from watlowlib.devices.targets import Parameters
from watlowlib.model import AcquisitionSummary
from watlowlib.sinks.base import SampleSink
from watlowlib.sinks.pipe import pipe as native_pipe
from watlowlib.streaming.recorder import OverflowPolicy, Recording
from watlowlib.streaming.recorder import record as native_record
from watlowlib.sync.portal import SyncPortal, check_portal

__all__ = ["AcquisitionSummary", "OverflowPolicy", "pipe", "record"]


def record(
    source: PollSource,
    *,
    parameters: Parameters,
    rate_hz: float,
    duration: float | None = None,
    names: str | Iterable[str] | None = None,
    instances: int | Iterable[int] = (1,),
    overflow: OverflowPolicy | str = OverflowPolicy.BLOCK,
    buffer_size: int = 64,
    portal: SyncPortal | None = None,
) -> Recording:
    """Record `source`; see `watlowlib.record`."""
    check_portal(portal)
    return native_record(
        source,
        parameters=parameters,
        rate_hz=rate_hz,
        duration=duration,
        names=names,
        instances=instances,
        overflow=overflow,
        buffer_size=buffer_size,
    )


def pipe(
    stream: Recording, sink: SampleSink, *, batch_size: int = 64, flush_interval: float = 1.0
) -> AcquisitionSummary:
    """Write a recording to one sink; see `watlowlib.pipe`."""
    return native_pipe(stream, sink, batch_size=batch_size, flush_interval=flush_interval)
