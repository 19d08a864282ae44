"""What a recording needs from its source: a poll that is planned once and called every tick."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

from watlowlib.devices.targets import Parameters
from watlowlib.model import Sample


class Poll(Protocol):
    """A planned set of reads, executed at each call."""

    def __call__(self, stop: threading.Event | None = None) -> list[Sample]:
        """Read everything once.

        Args:
            stop: Once it is set, a line on which a read has failed is not read any further;
                each read left out is a sample with the status "stopped".

        Returns:
            One sample per read, in the order of devices, parameters and instances. A failed
            read is a sample without a value. A failing controller or port never raises.
        """


class PollSource(Protocol):
    """A `Controller`, a `WatlowManager`, or any other object that can be recorded."""

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        sensor_check: bool = False,
    ) -> Poll:
        """Check the request and plan its reads.

        A source that cannot check sensors may omit `sensor_check`: the argument is passed
        only when it is True.

        Raises:
            WatlowConfigurationError: Something requested does not exist or cannot be read.
        """


class StopCondition:
    """Whether to break off a poll: a stop was requested and a read has failed.

    On a healthy line a tick completes. On a dead line each read would cost a timeout.
    """

    def __init__(self, stop: threading.Event | None) -> None:
        self._stop = stop
        self._failed = False

    @property
    def reached(self) -> bool:
        """Whether to send no more requests."""
        return self._failed and self._stop is not None and self._stop.is_set()

    def note_failure(self) -> None:
        """Record that a read has failed."""
        self._failed = True
