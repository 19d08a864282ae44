"""Runs functions in forked children of the test's process, with a deadline."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest

from watlowlib import WatlowProcessError

DEADLINE_S = 30.0
"""Less than the 60 s for which a port waits for its lock."""

STARTED = b"s"
needs_fork = pytest.mark.skipif(sys.platform == "win32", reason="needs os.fork")


class Child:
    """A forked child that runs `call(child)` and reports its result, or its exception.

    The child ends with `os._exit`. In the child, `wait_for_parent` returns when the parent calls
    `go_on`. Leaving the `with` block in the parent kills a child that still runs.
    """

    def __init__(self, call: Callable[[Child], object]) -> None:
        self._report, report = os.pipe()
        go_on, self._go_on = os.pipe()
        self._wait = go_on
        with warnings.catch_warnings():
            # Python 3.12 warns about threads, which is what these tests are about.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if not self.pid:
            self._run(call, report)
        os.close(report)
        os.close(go_on)
        # The functions that run in the child after a fork have run.
        assert select.select([self._report], [], [], DEADLINE_S)[0]
        assert os.read(self._report, 1) == STARTED

    def _run(self, call: Callable[[Child], object], report: int) -> None:
        try:
            os.write(report, STARTED)
            os.close(self._report)
            try:
                result: object = call(self)
            except BaseException as error:
                result = error
            os.write(report, pickle.dumps(result))
        finally:
            os._exit(0)

    def wait_for_parent(self) -> None:
        assert select.select([self._wait], [], [], DEADLINE_S)[0]

    def go_on(self) -> None:
        os.write(self._go_on, b"x")

    def result(self) -> Any:
        """Return what the child reports; a child that reports nothing in time fails the test."""
        data = b""
        until_s = time.monotonic() + DEADLINE_S
        while select.select([self._report], [], [], max(0.0, until_s - time.monotonic()))[0]:
            more = os.read(self._report, 1 << 16)
            if not more:
                return pickle.loads(data)
            data += more
        raise AssertionError(f"the child has not ended within {DEADLINE_S:g} s")

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._report)
        os.close(self._go_on)


def in_child(call: Callable[[], object]) -> Any:
    """Return the result of `call` in a forked child, or the exception that it raised."""
    with Child(lambda _: call()) as child:
        return child.result()


def assert_refused(result: object) -> None:
    assert isinstance(result, WatlowProcessError), repr(result)
    assert f"opened in process {os.getpid()}; this is process" in str(result)
