"""A simulated bus in its own process, so it does not slow its client down.

    with BusProcess(partial(SimulatedBus, [1, 2], baudrate=38400)) as bus:
        with open_device(bus.port) as ctl:
            bus.call("power_off", 1)

Threads of one Python process run one at a time: sixteen buses in the process of the program that
reads from them would distort a measurement. Calls go through a pipe, one at a time.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection

from watlowlib._internal.process import OneProcess
from watlowlib.errors import WatlowClosedError
from watlowlib.simulator.bus import SimulatedBus

TIMEOUT_S = 30.0
"""The time limit for starting the process and for a call."""


class BusProcess(OneProcess):
    """A `SimulatedBus` in its own process, from `start` to `close`; for one thread at a time.

    Args:
        make: Makes the bus, in its process; must be picklable, such as a `functools.partial` of
            `SimulatedBus`.
    """

    _kind = "simulated bus"

    def __init__(self, make: Callable[[], SimulatedBus]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, self._child_pipe = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._child_pipe, make), daemon=True)

    @property
    def port(self) -> str:
        """The current port for `open_device`."""
        return str(self.call("port"))

    def start(self) -> None:
        """Start the process without waiting for it; the first call waits."""
        self._pid = os.getpid()
        self._process.start()
        self._child_pipe.close()

    def call(self, what: str, *arguments: object, **options: object) -> object:
        """Call a method of the bus or read an attribute; the result must be picklable.

        Raises:
            WatlowClosedError: The process does not reply.
            Exception: The exception of the method.
        """
        self.check_process()
        try:
            self._pipe.send((what, arguments, options))
            if not self._pipe.poll(TIMEOUT_S):
                raise TimeoutError(f"no reply within {TIMEOUT_S:g} s")
            succeeded, result = self._pipe.recv()
        except (OSError, EOFError) as error:
            raise WatlowClosedError(f"the simulated bus is not running: {error!r}") from error
        if not succeeded:
            raise result
        return result

    def close(self) -> None:
        """End the process."""
        if self.in_other_process:
            return
        self._pipe.close()
        self._process.join(TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(TIMEOUT_S)
        self._process.close()

    def __enter__(self) -> BusProcess:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _serve(pipe: Connection, make: Callable[[], SimulatedBus]) -> None:
    """Serve the bus until the other end of the pipe is closed, also by a crash."""
    # Ctrl-C goes to the parent process; its end closes the pipe, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with make() as bus:
        while True:
            try:
                what, arguments, options = pipe.recv()
            except (EOFError, OSError):
                return
            pipe.send(_call(bus, what, arguments, options))


def _call(
    bus: SimulatedBus, what: str, arguments: tuple[object, ...], options: dict[str, object]
) -> tuple[bool, object]:
    try:
        attribute = getattr(bus, what)
        return True, attribute(*arguments, **options) if callable(attribute) else attribute
    except Exception as error:  # noqa: BLE001 - raised in the calling process
        return False, error
