"""Polls of a fleet: the ports in parallel, the controllers of one port in turn.

The calling thread reads the first port; a fleet on one port needs no other thread.

A recording does not wait for a busy port: when the next tick is due, the tick ends without
this port, unless the fastest port usually takes as long. The results of the busy port become
part of a later tick. Until they are there, no other request is sent on that port.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any, TypeAlias, TypeVar

from watlowlib._internal.process import NotCopied, OneProcess
from watlowlib._internal.queues import SLICE_S
from watlowlib.devices.controller import Controller
from watlowlib.devices.poll import Poll, StopCondition
from watlowlib.devices.sampling import Sampler, SampleResult
from watlowlib.errors import (
    WatlowClosedError,
    WatlowFrameError,
    WatlowLineNotQuietError,
    WatlowOfflineError,
    WatlowTransportError,
)
from watlowlib.model import Sample
from watlowlib.model.events import EventListener
from watlowlib.protocol.port import Port
from watlowlib.protocol.stats import DeviceStats

T = TypeVar("T")
PortGroup: TypeAlias = "dict[str, Controller]"
"""The controllers of one port, by name."""
ReadResults: TypeAlias = "list[SampleResult]"

LINE_ERRORS = (WatlowTransportError, WatlowFrameError, WatlowLineNotQuietError)
"""Errors of the line, not of a controller; they take time."""

NOT_SENT_ERRORS = (WatlowOfflineError, WatlowClosedError)
"""The line errors that take no time, because nothing was sent."""

DEFAULT_WAIT_S = 1.0
"""How long to wait for ports before the first poll, when no durations are known."""

IDENTIFY_S = 1.0
"""How long the first tick waits for the identities of all controllers."""

WAIT_FACTOR, WAIT_MARGIN_S = 1.25, 0.02
"""The wait for a port is its usual duration times this factor, plus this margin in seconds."""

RECENT_POLLS = 9
"""The usual duration is the median of this number of polls."""


class PortGroups(NotCopied):
    """A fleet grouped by port; `pool` has the threads for all ports but the first."""

    def __init__(self, fleet: Mapping[str, Controller], pool: ThreadPoolExecutor) -> None:
        self.fleet = dict(fleet)
        self._pool = pool
        # Not by device name: that changes when an adapter is plugged in again elsewhere.
        self.by_port: dict[Port, PortGroup] = {}
        for name, controller in fleet.items():
            self.by_port.setdefault(controller.session.port, {})[name] = controller
        self.ports = {name: controller.session.port.name for name, controller in fleet.items()}
        """The name of the port of each controller, as it was given, by name of the controller."""

    def run(self, task: Callable[[PortGroup], dict[str, T]]) -> dict[str, T]:
        """Call `task` for each port in parallel, wait for all, and return the results by name.

        The first port is read in this thread. Each wait in `task` has its own deadline; therefore
        this method has none.
        """
        first, *others = self.by_port.values()
        running = [self.start(task, group) for group in others]
        results = task(first)
        while wait(running, SLICE_S).not_done:
            pass
        for future in running:
            results.update(future.result())
        return {name: results[name] for name in self.fleet}

    def start(self, task: Callable[[PortGroup], T], group: PortGroup) -> Future[T]:
        """Call `task` for one port in another thread."""
        try:
            return self._pool.submit(task, group)
        except RuntimeError:
            # The manager was closed: reads of its controllers fail at once with "closed".
            done: Future[T] = Future()
            done.set_result(task(group))
            return done


@dataclass
class _PortResult:
    """The reads of one port and their total duration."""

    reads: dict[str, ReadResults]
    duration_s: float

    @property
    def is_typical(self) -> bool:
        """Whether the duration is typical: at least one read succeeded, without line errors."""
        errors = [error for reads in self.reads.values() for _, error in reads]
        return None in errors and not any(
            isinstance(error, LINE_ERRORS) and not isinstance(error, NOT_SENT_ERRORS)
            for error in errors
        )


@dataclass
class _Pending:
    """A poll in progress on one port."""

    poll: FleetPoll | None
    """None while the identities are read."""
    future: Future[_PortResult]


class FleetPoll(Poll, OneProcess):
    """A planned poll of a fleet."""

    _kind = "fleet"
    makes_new_samples = True

    def __init__(self, groups: PortGroups, samplers: Mapping[str, Sampler]) -> None:
        self._pid = os.getpid()
        self._groups = groups
        self._samplers = samplers
        self._pending: dict[Port, _Pending] = {}
        self._durations_s: dict[Port, deque[float]] = {}

    @property
    def ports(self) -> Mapping[str, str]:
        """The port of each device, by name; the recorder uses it to count lost ports."""
        return self._groups.ports

    @property
    def controllers(self) -> Sequence[Mapping[str, Any]]:
        """What is known about each controller, for the recording's metadata."""
        return [each for sampler in self._samplers.values() for each in sampler.controllers]

    @property
    def stats(self) -> Mapping[str, DeviceStats]:
        """The counters of each controller and port, for the log."""
        each = [sampler.stats for sampler in self._samplers.values()]
        return {name: stats for stats_of in each for name, stats in stats_of.items()}

    def __call__(self, stop: Event | None = None) -> list[Sample]:
        """Read everything once; end early if `stop` is set and a read has failed."""
        return [sample for reads in self.reads(stop).values() for sample, _ in reads]

    def identify(self, stop: Event) -> None:
        """Read the identities; wait at most `IDENTIFY_S` for the ports.

        A port that takes longer is busy in the first ticks.
        """
        self.check_process()
        groups = self._groups.by_port
        if len(groups) == 1:
            self._identify_group(self._groups.fleet, stop)
            return
        began_s = time.monotonic()
        for port, group in groups.items():
            future = self._groups.start(partial(self._identify_group, stop=stop), group)
            self._pending[port] = _Pending(None, future)
        self._wait(began_s + IDENTIFY_S)
        for port, pending in list(self._pending.items()):
            if pending.future.done():
                pending.future.result()
                del self._pending[port]

    def _identify_group(self, group: PortGroup, stop: Event) -> _PortResult:
        for name in group:
            if not stop.is_set():
                self._samplers[name].identify(stop)
        return _PortResult({name: [] for name in group}, 0.0)

    def reads(self, stop: Event | None = None) -> dict[str, ReadResults]:
        """Read everything once, and return samples and errors by name."""
        self.check_process()
        return self._groups.run(lambda group: self._read_group(group, stop))

    def share_ports_with(self, other: Poll) -> None:
        """Send nothing on a port that `other`, a poll of the same fleet, is still reading."""
        if isinstance(other, FleetPoll):
            self._pending = other._pending

    def continue_from(self, earlier: Poll) -> None:
        """Take over the reads in progress, and how long the ports usually take."""
        if isinstance(earlier, FleetPoll):
            self._pending = earlier._pending
            for port, pending in list(self._pending.items()):
                if port not in self._groups.by_port and pending.future.done():
                    del self._pending[port]
            self._durations_s = {
                port: deque(durations, maxlen=RECENT_POLLS)
                for port, durations in earlier._durations_s.items()
                if port in self._groups.by_port
            }

    def read_within(self, stop: Event | None, seconds: float | None) -> list[Sample]:
        """Read everything once, without waiting for busy ports.

        Args:
            stop: Once it is set, nothing more is sent on a line on which a read has failed.
            seconds: How long to wait for the ports; longer if all ports usually take longer.
                None to wait for all of them.

        Returns:
            One sample per read. The samples of a busy port have the status "busy".
        """
        self.check_process()
        groups = self._groups.by_port
        if len(groups) == 1:
            return self(stop)
        began_s = time.monotonic()
        for port, group in groups.items():
            if port not in self._pending:
                future = self._groups.start(partial(self._timed_read, stop=stop), group)
                self._pending[port] = _Pending(self, future)
        wait_s = None if seconds is None else max(seconds, wait_limit_s(self._durations_s))
        self._wait(None if wait_s is None else began_s + wait_s)
        results: dict[str, ReadResults] = {}
        for port, group in groups.items():
            results.update(self._collect(port, group))
        return [sample for name in self._groups.fleet for sample, _ in results[name]]

    def listen(self, listener: EventListener) -> None:
        """Call `listener` with each write of the program and each warning about writes."""
        for sampler in self._samplers.values():
            sampler.listen(listener)

    def unlisten(self, listener: EventListener) -> None:
        """Call `listener` no more."""
        for sampler in self._samplers.values():
            sampler.unlisten(listener)

    def finish(self) -> None:
        """Wait for the ports that are still being read, and discard their results."""
        self.check_process()
        self._wait(None)
        self._pending.clear()

    def _read_group(self, group: PortGroup, stop: Event | None) -> dict[str, ReadResults]:
        stop_condition = StopCondition(stop)
        # A failed probe must not delay online controllers. The offline ones are probed in turn.
        in_order = sorted(group, key=lambda name: self._samplers[name].last_probe_s)
        return {name: self._samplers[name].read(stop_condition) for name in in_order}

    def _timed_read(self, group: PortGroup, stop: Event | None) -> _PortResult:
        began_s = time.monotonic()
        reads = self._read_group(group, stop)
        return _PortResult(reads, time.monotonic() - began_s)

    def _wait(self, until_s: float | None) -> None:
        """Wait for the ports, and wake once: when the last one is read or `until_s` has passed.

        None is safe, because every wait on a port has its own limit.
        """
        while running := [each.future for each in self._pending.values() if not each.future.done()]:
            left_s = SLICE_S if until_s is None else until_s - time.monotonic()
            if left_s <= 0:
                return
            wait(running, min(left_s, SLICE_S))

    def _collect(self, port: Port, group: PortGroup) -> dict[str, ReadResults]:
        """Return the results of a port for this poll; "busy" for reads without a result."""
        durations_s = self._durations_s.setdefault(port, deque(maxlen=RECENT_POLLS))
        pending = self._pending[port]
        if not pending.future.done():
            return {name: self._samplers[name].busy() for name in group}
        del self._pending[port]
        result = pending.future.result()
        if pending.poll is not self:
            earlier = {} if pending.poll is None else pending.poll._groups.fleet
            # In a continued recording, another controller may have the name.
            reads = {name: result.reads[name] for name in group if earlier.get(name) is group[name]}
            return {
                name: _matching(self._samplers[name].busy(), reads.get(name, [])) for name in group
            }
        if result.is_typical:
            durations_s.append(result.duration_s)
        return result.reads


def wait_limit_s(durations_s: Mapping[Any, Sequence[float]]) -> float:
    """Return how long to wait for all ports: a little over the fastest port's usual duration.

    Args:
        durations_s: The durations of the last polls of each port; empty for a port that only
            failed, and no ports before the first poll.
    """
    if not durations_s:
        return DEFAULT_WAIT_S
    medians_s = [sorted(each)[len(each) // 2] for each in durations_s.values() if each]
    return WAIT_FACTOR * min(medians_s, default=0.0) + WAIT_MARGIN_S


def _matching(busy: ReadResults, results: ReadResults) -> ReadResults:
    """Return the results of another poll for the reads in `busy`; "busy" where it has none."""
    known = {(sample.parameter_id, sample.instance): (sample, error) for sample, error in results}
    return [known.get((read[0].parameter_id, read[0].instance), read) for read in busy]
