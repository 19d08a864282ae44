"""The interface between a recording and its source: a poll, planned once and called each tick."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from threading import Event
from typing import Any, Protocol, TypeAlias, runtime_checkable

from watlowlib._internal.process import NotCopied
from watlowlib._internal.validation import shown
from watlowlib.devices.targets import Parameters, as_list
from watlowlib.errors import WatlowConfigurationError
from watlowlib.model import Sample, Unit
from watlowlib.model.events import EventListener


class Poll(NotCopied):
    """A planned set of reads. A subclass must define `__call__`; the rest has defaults."""

    makes_new_samples = False
    """Whether each call makes new samples, which nothing else has; the recorder completes these."""

    def __call__(self, stop: Event | None = None) -> list[Sample]:
        """Read everything once.

        Args:
            stop: Once it is set, no more reads are sent on a line on which a read has failed;
                each read left out is a sample with the status "stopped".

        Returns:
            One sample per read, in the order of devices, parameters and instances. A failed
            read is a sample without a value. A failing controller or port never raises.
        """
        raise NotImplementedError

    def identify(self, stop: Event) -> None:
        """Read what identifies each controller, for the recording's metadata.

        Nothing more is read once `stop` is set. A controller that does not reply never raises.
        """

    def read_within(self, stop: Event | None, seconds: float | None) -> list[Sample]:
        """Read everything once, without waiting longer than `seconds` for a busy port."""
        return self(stop)

    def share_ports_with(self, other: Poll) -> None:
        """Send nothing on a port that `other`, a poll of the same source, is still reading."""

    def continue_from(self, earlier: Poll) -> None:
        """Take over the reads in progress of `earlier`, a poll that is not called any more."""

    def finish(self) -> None:
        """Wait until no read is in progress."""

    def listen(self, listener: EventListener) -> None:
        """Call `listener` with each write of the program and each warning about writes."""

    def unlisten(self, listener: EventListener) -> None:
        """Call `listener` no more."""

    @property
    def ports(self) -> Mapping[str, str]:
        """The port of each device, by name; devices that are not named share one port."""
        return {}

    @property
    def controllers(self) -> Sequence[Mapping[str, Any]]:
        """What is known about each controller, as JSON types, for the recording's metadata."""
        return ()

    @property
    def stats(self) -> Mapping[str, object]:
        """The counters of each device and port, for the log."""
        return {}


PollFunction: TypeAlias = "Callable[[Event | None], list[Sample]]"


class FunctionPoll(Poll):
    """A poll that calls a function."""

    def __init__(self, function: PollFunction) -> None:
        self._function = function

    def __call__(self, stop: Event | None = None) -> list[Sample]:
        """Call the function."""
        return self._function(stop)


@runtime_checkable
class PollSource(Protocol):
    """A `Controller`, a `WatlowManager`, or any other object that can be recorded."""

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        sensor_check: bool = False,
    ) -> Poll | PollFunction:
        """Check the request and plan its reads.

        With `record(..., alarms=...)` there are pairs with None in `parameters`, such as
        `("alarm_state", None)`: all instances that the controller has.

        A source that cannot check sensors may omit `sensor_check`: the argument is passed
        only when it is True. A source that can convert temperatures takes `show_unit` too, a
        `Unit`, which is passed only when the caller of `record` gives it.

        Raises:
            WatlowConfigurationError: Something requested does not exist or cannot be read.
        """


@runtime_checkable
class SimplePollSource(Protocol):
    """An object that can be polled, such as another instrument; `record` accepts it."""

    def poll(
        self,
        parameters: list[str | int],
        *,
        names: list[str] | None = None,
        instances: Sequence[int] = (1,),
    ) -> Sequence[Sample]:
        """Return the samples of one tick. An exception ends the recording, which raises it."""


class SimpleSource:
    """A `PollSource` made of a `SimplePollSource`."""

    def __init__(self, source: SimplePollSource) -> None:
        self._source = source

    def prepare(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        sensor_check: bool = False,
        show_unit: Unit | None = None,
    ) -> FunctionPoll:
        """Plan a poll.

        Raises:
            WatlowConfigurationError: `poll` is a coroutine function, or cannot check sensors or
                convert temperatures.
        """
        poll = self._source.poll
        if inspect.iscoroutinefunction(poll):
            raise WatlowConfigurationError(
                f"poll of {shown(self._source)} is a coroutine function: write it without 'async'"
            )
        if sensor_check:
            raise WatlowConfigurationError(
                f"{shown(self._source)} cannot check sensors; leave sensor_check out"
            )
        if show_unit is not None:
            raise WatlowConfigurationError(
                f"{shown(self._source)} cannot convert temperatures; leave show_unit out"
            )
        wanted = as_list("parameters", parameters)
        devices = None if names is None else as_list("names", names)
        numbers = tuple(as_list("instances", instances))
        return FunctionPoll(lambda stop: list(poll(wanted, names=devices, instances=numbers)))


@runtime_checkable
class AssemblySource(Protocol):
    """A source that can read scattered parameters together; see `Controller.assembly`."""

    def assembly(
        self,
        parameters: Parameters,
        *,
        instances: int | Iterable[int] = (1,),
        names: str | Iterable[str] | None = None,
        confirm: bool = False,
    ) -> AbstractContextManager[object]:
        """Set the assemblies up within a `with` block."""


class StopCondition:
    """Whether to break off a poll: a stop was requested and a read has failed.

    On a healthy line a tick completes. On a dead line each read would cost a timeout.
    """

    def __init__(self, stop: Event | None) -> None:
        self._stop = stop
        self._failed = False

    @property
    def reached(self) -> bool:
        """Whether to send no more requests."""
        return self._failed and self._stop is not None and self._stop.is_set()

    def note_failure(self) -> None:
        """Record that a read has failed."""
        self._failed = True
