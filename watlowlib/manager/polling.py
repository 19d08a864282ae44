"""Asking a fleet: each port by a task of its own, the ports side by side.

On one port the controllers are asked one after the other, as the line demands. The
first port is asked by the calling thread, so that a fleet on one port needs no other.

A recording does not wait for a port that is held up: when the next tick is due, the tick
goes without it, unless the quickest port usually takes as long. What it brings in the
end is its part of a later tick; until then it is asked nothing else.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TypeAlias, TypeVar

from watlowlib.devices.controller import Controller
from watlowlib.devices.poll import StopCondition
from watlowlib.devices.sampling import Sampler, SampleResult
from watlowlib.errors import (
    WatlowClosedError,
    WatlowConnectionError,
    WatlowOfflineError,
    WatlowProtocolError,
    WatlowTimeoutError,
)
from watlowlib.model import Sample
from watlowlib.protocol.stats import DeviceStats

T = TypeVar("T")
OnePort: TypeAlias = "dict[str, Controller]"
"""The controllers of one port, by name."""
Reads: TypeAlias = "list[SampleResult]"

HOLDING_UP = (WatlowTimeoutError, WatlowConnectionError, WatlowProtocolError)
"""What goes wrong on a line, not in a controller, and costs time."""

AT_ONCE = (WatlowOfflineError, WatlowClosedError)
"""But for these: nothing was sent."""

UNKNOWN_S = 1.0
"""How long ports may take of which nothing is known yet."""

LONGER, MARGIN_S = 1.25, 0.02
"""So much longer than it usually takes a port may take, and so many seconds."""

LATELY = 9
"""The median of so many rounds is what is usual."""

SLICE_S = 1.0
"""The longest single wait: on Windows a wait without end cannot be interrupted."""


class PortTasks:
    """A fleet by ports, to be asked again and again.

    Args:
        fleet: The controllers by name.
        pool: Whose threads ask the other ports.
    """

    def __init__(self, fleet: Mapping[str, Controller], pool: ThreadPoolExecutor) -> None:
        self.fleet = dict(fleet)
        self._pool = pool
        by_port: dict[str, OnePort] = {}
        for name, controller in fleet.items():
            by_port.setdefault(controller.session.port_key, {})[name] = controller
        self.by_port = list(by_port.values())
        self.ports = {name: controller.session.port_key for name, controller in fleet.items()}
        """By name, which port it is on."""

    def run(self, task: Callable[[OnePort], dict[str, T]]) -> dict[str, T]:
        """Give each port to `task`, and wait for all of them.

        Args:
            task: Called once a port, in threads of their own; its results by name. Every
                wait in it has a deadline of its own, so this one needs none.
        """
        first, *others = self.by_port
        running = [self.start(task, port) for port in others]
        found = task(first)
        for each in running:
            while not each.done():
                wait((each,), timeout=SLICE_S)
            found.update(each.result())
        return {name: found[name] for name in self.fleet}

    def start(self, task: Callable[[OnePort], T], port: OnePort) -> Future[T]:
        """Give one port to `task`, in another thread."""
        try:
            return self._pool.submit(task, port)
        except RuntimeError:
            # The manager was closed meanwhile: its controllers say so, at once.
            done: Future[T] = Future()
            done.set_result(task(port))
            return done


@dataclass
class _Brought:
    """What one port has brought, and how long that took."""

    reads: dict[str, Reads]
    took_s: float

    @property
    def tells(self) -> bool:
        """Whether it says how long the port usually takes: something was read, in one go."""
        errors = [error for reads in self.reads.values() for _, error in reads]
        return None in errors and not any(
            isinstance(error, HOLDING_UP) and not isinstance(error, AT_ONCE) for error in errors
        )


@dataclass
class _UnderWay:
    """What one port is being asked, for which poll."""

    asked: FleetPoll
    brings: Future[_Brought]


class FleetPoll:
    """A planned poll of a fleet; a `watlowlib.devices.poll.Poll`."""

    def __init__(self, round_: PortTasks, samplers: Mapping[str, Sampler]) -> None:
        self._round = round_
        self._samplers = samplers
        self._under_way: dict[int, _UnderWay] = {}
        self._lately_s: dict[int, deque[float]] = {}

    @property
    def ports(self) -> Mapping[str, str]:
        """By a device's name, which port it is on; the recorder counts lost ports by it."""
        return self._round.ports

    @property
    def stats(self) -> Mapping[str, DeviceStats]:
        """The counters of each controller and port, for the log."""
        each = [sampler.stats for sampler in self._samplers.values()]
        return {name: stats for stats_of in each for name, stats in stats_of.items()}

    def __call__(self, stop: Event | None = None) -> list[Sample]:
        """Read everything once, until `stop` is set and a read has failed."""
        return [sample for reads in self.reads(stop).values() for sample, _ in reads]

    def reads(self, stop: Event | None = None) -> dict[str, Reads]:
        """The same by name, with the errors."""
        return self._round.run(lambda port: self._ask(port, stop))

    def take_turns_with(self, other: FleetPoll) -> None:
        """Ask no port that is still being asked for `other`, another poll of the same fleet."""
        self._under_way = other._under_way

    def read_within(self, stop: Event | None, seconds: float | None) -> list[Sample]:
        """Read everything once, but do not wait for ports that are held up.

        Args:
            stop: Once it is set, a line on which a read has failed is asked no more.
            seconds: How long any port may take; longer where all take longer. None to wait
                for all of them.

        Returns:
            One sample a read, as ever. Those of a port that is held up say "busy".
        """
        ports = self._round.by_port
        if len(ports) == 1:
            return self(stop)
        began_s = time.monotonic()
        for number, port in enumerate(ports):
            if number not in self._under_way:
                brings = self._round.start(partial(self._timed, stop=stop), port)
                self._under_way[number] = _UnderWay(self, brings)
        self._wait(None if seconds is None else began_s + max(seconds, allowed_s(self._lately_s)))
        found: dict[str, Reads] = {}
        for number, port in enumerate(ports):
            found.update(self._taken(number, port))
        return [sample for name in self._round.fleet for sample, _ in found[name]]

    def finish(self) -> None:
        """Wait for the ports that are still being asked; what they bring has no tick."""
        self._wait(None)
        self._under_way.clear()

    def _ask(self, port: OnePort, stop: Event | None) -> dict[str, Reads]:
        halt = StopCondition(stop)
        # Nobody who is there waits for a look in vain; of the others each has its turn.
        in_turn = sorted(port, key=lambda name: self._samplers[name].last_probe_s)
        return {name: self._samplers[name].read(halt) for name in in_turn}

    def _timed(self, port: OnePort, stop: Event | None) -> _Brought:
        began_s = time.monotonic()
        reads = self._ask(port, stop)
        return _Brought(reads, time.monotonic() - began_s)

    def _wait(self, until_s: float | None) -> None:
        """Wait for the ports; without a limit, since every wait on a port has its own."""
        while running := [
            each.brings for each in self._under_way.values() if not each.brings.done()
        ]:
            left_s = SLICE_S if until_s is None else until_s - time.monotonic()
            if left_s <= 0:
                return
            wait(running, min(left_s, SLICE_S), FIRST_COMPLETED)

    def _taken(self, number: int, port: OnePort) -> dict[str, Reads]:
        """What a port has brought for this poll; "busy" for what it has not."""
        lately = self._lately_s.setdefault(number, deque(maxlen=LATELY))
        under_way = self._under_way[number]
        if not under_way.brings.done():
            return {name: self._samplers[name].busy() for name in port}
        del self._under_way[number]
        brought = under_way.brings.result()
        if under_way.asked is not self:
            return {name: _among(self._samplers[name].busy(), brought.reads[name]) for name in port}
        if brought.tells:
            lately.append(brought.took_s)
        return brought.reads


def allowed_s(lately_s: Mapping[int, Sequence[float]]) -> float:
    """How long all ports may take: as long as the quickest usually does, and a little more.

    Args:
        lately_s: By port, how long its last rounds took; nothing for one that failed, and no
            ports before the first round.
    """
    if not lately_s:
        return UNKNOWN_S
    usual_s = [sorted(rounds_s)[len(rounds_s) // 2] for rounds_s in lately_s.values() if rounds_s]
    return LONGER * min(usual_s, default=0.0) + MARGIN_S


def _among(wanted: Reads, brought: Reads) -> Reads:
    """What was brought for another poll, as far as it is wanted in this one too."""
    known = {(read[0].parameter_id, read[0].instance): read for read in brought}
    return [known.get((read[0].parameter_id, read[0].instance), read) for read in wanted]
