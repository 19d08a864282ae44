"""A simulated bus in a process of its own, so that it takes no time from its client.

    with BusProcess(partial(SimulatedBus, [1, 2], baudrate=38400)) as bus:
        with open_device(bus.port) as ctl:
            bus.ask("power_off", 1)

Threads of one Python process run one at a time: sixteen buses beside the program that
reads from them would be what is measured. Orders go through a pipe, one at a time.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection

from watlowlib.errors import WatlowClosedError
from watlowlib.simulator.bus import SimulatedBus

PATIENCE_S = 30.0
"""How long the process may take to start, and for an order."""


class BusProcess:
    """A `SimulatedBus` elsewhere, from `start` to `close`; used by one thread at a time.

    Args:
        make: Makes the bus, in its process: something that can be pickled, such as a
            `functools.partial` of `SimulatedBus`.
    """

    def __init__(self, make: Callable[[], SimulatedBus]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, self._theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._theirs, make), daemon=True)

    @property
    def port(self) -> str:
        """What to give to `open_device`, by now."""
        return str(self.ask("port"))

    def start(self) -> None:
        """Start the process, without waiting for it: the first `ask` does."""
        self._process.start()
        self._theirs.close()

    def ask(self, what: str, *arguments: object, **options: object) -> object:
        """Call a method of the bus, or take an attribute; what it gives must be picklable.

        Raises:
            WatlowClosedError: The process does not answer.
            Exception: What the method raises.
        """
        try:
            self._pipe.send((what, arguments, options))
            if not self._pipe.poll(PATIENCE_S):
                raise TimeoutError(f"no answer within {PATIENCE_S:g} s")
            done, result = self._pipe.recv()
        except (OSError, EOFError) as error:
            raise WatlowClosedError(f"the simulated bus does not run: {error!r}") from error
        if not done:
            raise result
        return result

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(PATIENCE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(PATIENCE_S)
        self._process.close()

    def __enter__(self) -> BusProcess:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _serve(pipe: Connection, make: Callable[[], SimulatedBus]) -> None:
    """Serve the bus until the other end of the pipe is closed, whichever way."""
    # Ctrl-C is for the program that has started us, and ends us by ending the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with make() as bus:
        while True:
            try:
                what, arguments, options = pipe.recv()
            except (EOFError, OSError):
                return
            pipe.send(_outcome(bus, what, arguments, options))


def _outcome(
    bus: SimulatedBus, what: str, arguments: tuple[object, ...], options: dict[str, object]
) -> tuple[bool, object]:
    try:
        found = getattr(bus, what)
        return True, found(*arguments, **options) if callable(found) else found
    except Exception as error:  # noqa: BLE001 - raised where it was asked for
        return False, error
