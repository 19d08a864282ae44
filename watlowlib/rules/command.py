"""A command that runs beside the caller, who polls it: nothing here waits."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from watlowlib._internal.clock import Deadline

MOST_OUTPUT = 1000
"""The bytes of the output that are kept."""

CHUNK = 1 << 16
MOST_CHUNKS = 64
"""The chunks that one poll reads: a command that never stops writing does not hold it."""

NONBLOCKING = hasattr(os, "set_blocking")  # on Windows since Python 3.12


class Outcome(NamedTuple):
    """How a command ended: None as error if its exit code is 0."""

    error: str | None
    output: str


class Command:
    """A running program, in a process group of its own, with bounded output and a deadline.

    Args:
        arguments: The program and its arguments.
        timeout_s: The seconds after which `poll` kills it.
        folder: The working directory; None for that of this program.

    Raises:
        OSError: It cannot be started.
        ValueError: An argument cannot be passed to a program.
    """

    def __init__(self, arguments: Sequence[str], timeout_s: float, folder: Path | None) -> None:
        self._timeout_s = timeout_s
        self._deadline = Deadline.after(timeout_s)
        self._output = b""
        self._process = subprocess.Popen(
            arguments,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if NONBLOCKING else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,  # Ctrl-C in the terminal is not for it
        )
        if self._process.stdout is not None:
            os.set_blocking(self._process.stdout.fileno(), False)

    def poll(self) -> Outcome | None:
        """Read its output; return how it ended, or None while it runs."""
        self._read()
        code = self._process.poll()
        if code is not None:
            self._read()  # what it wrote between the two calls
            error = None if code == 0 else f"exit code {code}"
            return self._ended(error)
        if self._deadline.passed():
            return self.kill(f"it was killed after {self._timeout_s:g} s")
        return None

    def kill(self, why: str) -> Outcome:
        """Kill it and what it has started."""
        if os.name == "nt":
            self._process.kill()
        else:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            except PermissionError:  # it runs as another user
                why = f"it could not be killed; {why}"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        self._read()
        return self._ended(why)

    def _ended(self, error: str | None) -> Outcome:
        if self._process.stdout is not None:
            self._process.stdout.close()
        return Outcome(error, self._output.decode("utf-8", "replace").strip())

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        for _ in range(MOST_CHUNKS):
            data = stream.read(CHUNK)  # None: nothing now
            if not data:
                return
            self._output = (self._output + data)[:MOST_OUTPUT]
