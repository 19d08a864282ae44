"""Asking a fleet: each port by a task of its own, the ports side by side.

On one port the controllers are asked one after the other, as the line demands. The
first port is asked by the calling thread, so that a fleet on one port needs no other.

A recording does not wait for a port that is held up: when the next tick is due and the port
has taken longer than it usually does, the tick goes without it. What it brings in the
end is its part of a later tick; until then it is asked nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import TypeAlias, TypeVar

from watlowlib.device.controller import Controller
from watlowlib.device.polling import Halt
from watlowlib.device.sampling import Read, Sampler
from watlowlib.errors import WatlowConnectionError, WatlowProtocolError, WatlowTimeoutError
from watlowlib.model import Sample
from watlowlib.protocol.stats import DeviceStats

T = TypeVar("T")
OnePort: TypeAlias = "dict[str, Controller]"
"""The controllers of one port, by name."""
Reads: TypeAlias = "list[Read]"

HOLDING_UP = (WatlowTimeoutError, WatlowConnectionError, WatlowProtocolError)
"""What goes wrong on a line, not in a controller, and costs time."""

UNKNOWN_S = 1.0
"""How long a port may take of which nothing is known yet."""

LONGER, MARGIN_S = 1.25, 0.02
"""So much longer than it usually does a port may take, and so many seconds."""

FADING = 0.9
"""How much of the longest time is remembered from one round to the next."""

SLICE_S = 1.0
"""The longest single wait: on Windows a wait without end cannot be interrupted."""


class Round:
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
            by_port.setdefault(controller.port_key, {})[name] = controller
        self.by_port = list(by_port.values())
        self.ports = {name: controller.port_key for name, controller in fleet.items()}
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
    def held_up(self) -> bool:
        """Whether something went wrong that takes time: nothing to measure a port by."""
        errors = (error for reads in self.reads.values() for _, error in reads)
        return any(isinstance(error, HOLDING_UP) for error in errors)


class ReadRound:
    """A planned poll of a fleet; a `watlowlib.device.polling.Poll`."""

    def __init__(self, round_: Round, samplers: Mapping[str, Sampler]) -> None:
        self._round = round_
        self._samplers = samplers
        self._running: dict[int, tuple[Future[_Brought], float]] = {}
        self._usual_s: dict[int, float] = {}

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

    def read_within(self, stop: Event | None, seconds: float) -> list[Sample]:
        """Read everything once, but do not wait for ports that are held up.

        Args:
            stop: Once it is set, a line on which a read has failed is asked no more.
            seconds: How long any port may take; one that usually takes longer may too.

        Returns:
            One sample a read, as ever. Those of a port that is held up say "busy".
        """
        ports = self._round.by_port
        if len(ports) == 1:
            return self(stop)
        began_s = time.monotonic()
        for number, port in enumerate(ports):
            if number not in self._running:
                task = partial(self._timed, stop=stop)
                self._running[number] = self._round.start(task, port), began_s
        self._wait(began_s + seconds)
        found: dict[str, Reads] = {}
        for number, port in enumerate(ports):
            found.update(self._taken(number) or {n: self._samplers[n].busy() for n in port})
        return [sample for name in self._round.fleet for sample, _ in found[name]]

    def _ask(self, port: OnePort, stop: Event | None) -> dict[str, Reads]:
        halt = Halt(stop)
        return {name: self._samplers[name].reads(halt) for name in port}

    def _timed(self, port: OnePort, stop: Event | None) -> _Brought:
        began_s = time.monotonic()
        reads = self._ask(port, stop)
        return _Brought(reads, time.monotonic() - began_s)

    def _wait(self, until_s: float) -> None:
        """Wait for the ports that run, each for as long as it may take."""
        while True:
            running = [
                (each, max(until_s, began_s + self._allowed_s(number)))
                for number, (each, began_s) in self._running.items()
                if not each.done()
            ]
            left_s = max((until for _, until in running), default=0.0) - time.monotonic()
            if left_s <= 0:
                return
            wait([each for each, _ in running], min(left_s, SLICE_S), FIRST_COMPLETED)

    def _allowed_s(self, number: int) -> float:
        """How long a port may take that is not held up."""
        usual_s = self._usual_s.get(number)
        return UNKNOWN_S if usual_s is None else LONGER * usual_s + MARGIN_S

    def _taken(self, number: int) -> dict[str, Reads] | None:
        """What a port has brought; None when it has not yet."""
        running, _ = self._running[number]
        if not running.done():
            return None
        del self._running[number]
        brought = running.result()
        if not brought.held_up:
            usual_s = self._usual_s.get(number, 0.0)
            self._usual_s[number] = max(brought.took_s, FADING * usual_s)
        return brought.reads
