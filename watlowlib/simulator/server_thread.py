"""The thread of a simulated bus or gateway: its start and end, and commands from other threads."""

from __future__ import annotations

import os
import socket
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from watlowlib._internal.process import OneProcess
from watlowlib._internal.threads import Worker
from watlowlib.errors import WatlowClosedError, WatlowConfigurationError

JOIN_S = 5.0

S = TypeVar("S", bound="ServerThread")


class ServerThread(OneProcess):
    """A thread that serves a port while it runs. It can be started only once.

    A subclass defines `_plug_in`, `_unplug` and `_run`, which waits for `_wake_descriptor` among
    others, then calls `_carry_out_commands`, and returns when `_stopping` is set.
    """

    def __init__(self, role: str) -> None:
        self._stopping = False
        self._started = False
        self._commands: deque[Callable[[], None]] = deque()
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._worker = Worker(role, self._run, self._request_stop)

    def start(self) -> None:
        """Make the port and serve it."""
        if self._started:
            raise WatlowConfigurationError(f"a {self._kind} runs once; make a new one")
        self._started = True
        self._pid = os.getpid()
        self._plug_in()
        self._wake = socket.socketpair()
        self._worker.start()

    def close(self) -> None:
        """Remove the port and end the thread.

        Raises:
            Exception: The exception that ended the thread earlier, if any.
        """
        if self.in_other_process:
            return
        self._worker.stop()
        self._worker.join(JOIN_S)
        self._unplug()
        wake, self._wake = self._wake, None
        for each in wake or ():
            each.close()
        self._worker.reraise()

    def __enter__(self: S) -> S:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def unplug(self) -> None:
        """Remove the port, as when an adapter is unplugged or a server switched off."""
        self._run_on_thread(self._unplug)

    @abstractmethod
    def _plug_in(self) -> None:
        """Make the port."""

    @abstractmethod
    def _unplug(self) -> None:
        """Remove the port, if there is one."""

    @abstractmethod
    def _run(self) -> None:
        """Serve the port until `_stopping`."""

    @property
    def _wake_descriptor(self) -> int:
        assert self._wake is not None
        return self._wake[0].fileno()

    def _carry_out_commands(self) -> None:
        assert self._wake is not None
        self._wake[0].recv(64)
        while self._commands:
            self._commands.popleft()()

    def _run_on_thread(self, command: Callable[[], None]) -> None:
        """Run `command` on the thread and wait for it."""
        self.check_process()
        done = threading.Event()
        self._commands.extend((command, done.set))
        self._wake_up()
        if not done.wait(JOIN_S):
            raise WatlowClosedError(f"the {self._kind} is not running: use it in a with statement")

    def _request_stop(self) -> None:
        self._stopping = True
        self._wake_up()

    def _wake_up(self) -> None:
        if self._wake is not None:
            self._wake[1].send(b"\0")
