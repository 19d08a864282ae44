"""Objects that belong to one process: no copies of them, and no use in a forked child.

A forked child has all objects of its parent and shares the parent's descriptors. It has none of
the parent's threads, and a lock that one of them held stays locked. Therefore an object with an
open port, an open file or a thread keeps the process in which it was opened, and refuses to work
in another one.

At a fork the child abandons what was registered with `abandon_in_child`: the descriptors of the
child become the null device, and no finalizer runs. So neither `close` nor the garbage collector
of the child reaches a port, file or connection of the parent, and its locks end with the parent.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar, SupportsIndex

from watlowlib.errors import WatlowProcessError

_resources: weakref.WeakSet[Any] = weakref.WeakSet()
_this_process = os.getpid()
abandoned: list[Any] = []
"""What this process has abandoned since it was forked; empty in a process that was not."""


class NotCopied:
    """Base class of objects that use a port, a file or a thread."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        # `copy.copy`, `copy.deepcopy` and `pickle` all call this method.
        raise TypeError(
            f"a {type(self).__name__} cannot be copied or pickled, because it uses a port, a file "
            "or a thread; use the object itself, or open another one"
        )


class OneProcess(NotCopied):
    """Base class of objects that know the process in which they were opened."""

    _kind: ClassVar[str] = "port"
    """What the object is, for messages."""

    _pid: int | None = None
    """The process in which the object was opened; None while there is nothing to protect."""

    @property
    def in_other_process(self) -> bool:
        """Whether the object was opened in another process than this one."""
        return self._pid is not None and self._pid != _this_process

    def check_process(self) -> None:
        """Refuse to use the object in another process.

        Raises:
            WatlowProcessError: This process is not the one in which it was opened.
        """
        if self._pid is not None and self._pid != _this_process:
            raise WatlowProcessError(
                f"this {self._kind} was opened in process {self._pid}; "
                f"this is process {_this_process}: open it here"
            )


def run_in_child(function: Callable[[], None]) -> None:
    """Call `function` in each forked child, right after the fork."""
    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(after_in_child=function)


def abandon_in_child(resource: object) -> None:
    """Let forked children abandon `resource`, an open port, file, connection or pool."""
    _resources.add(resource)


def release(resource: object) -> None:
    """Forget `resource`, which is closed now."""
    _resources.discard(resource)


def _abandon_all() -> None:
    global _resources, _this_process
    _this_process = os.getpid()
    resources, _resources = list(_resources), weakref.WeakSet()
    if not resources:
        return
    abandoned.extend(resources)
    null = os.open(os.devnull, os.O_RDWR)
    for resource in resources:
        with suppress(Exception):  # it was closed before, or has no descriptor
            # pyserial has no `fileno` for rfc2217 ports.
            os.dup2(null, getattr(resource, "_socket", resource).fileno(), inheritable=False)
    os.close(null)
    import ctypes  # only a child needs it

    for resource in resources:
        # Some finalizers write to a connection or to a database, or wait for a lock. A reference
        # that is never released prevents them, also at the end of the interpreter.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(resource))


run_in_child(_abandon_all)
