"""Asking a fleet: each port by a task of its own, the ports side by side.

On one port the controllers are asked one after the other, as the line demands. The
first port is asked by the calling thread, so that a fleet on one port needs no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeAlias, TypeVar

from watlowlib.device.controller import Controller
from watlowlib.device.polling import Halt
from watlowlib.device.sampling import Read, Sampler
from watlowlib.model import Sample
from watlowlib.protocol.stats import DeviceStats

T = TypeVar("T")
OnePort: TypeAlias = "dict[str, Controller]"
"""The controllers of one port, by name."""
Reads: TypeAlias = "list[Read]"

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
        self._ports = list(by_port.values())
        self.ports = {name: controller.port_key for name, controller in fleet.items()}
        """By name, which port it is on."""

    def run(self, task: Callable[[OnePort], dict[str, T]]) -> dict[str, T]:
        """Give each port to `task`, and wait for all of them.

        Args:
            task: Called once a port, in threads of their own; its results by name. Every
                wait in it has a deadline of its own, so this one needs none.
        """
        first, *others = self._ports
        running = [self._start(task, port) for port in others]
        found = task(first)
        for each in running:
            while not each.done():
                wait((each,), timeout=SLICE_S)
            found.update(each.result())
        return {name: found[name] for name in self.fleet}

    def _start(
        self, task: Callable[[OnePort], dict[str, T]], port: OnePort
    ) -> Future[dict[str, T]]:
        try:
            return self._pool.submit(task, port)
        except RuntimeError:
            # The manager was closed meanwhile: its controllers say so, at once.
            done: Future[dict[str, T]] = Future()
            done.set_result(task(port))
            return done


class ReadRound:
    """A planned poll of a fleet; a `watlowlib.device.polling.Poll`."""

    def __init__(self, round_: Round, samplers: Mapping[str, Sampler]) -> None:
        self._round = round_
        self._samplers = samplers

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

        def ask(port: OnePort) -> dict[str, Reads]:
            halt = Halt(stop)
            return {name: self._samplers[name].reads(halt) for name in port}

        return self._round.run(ask)
