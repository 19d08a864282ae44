"""One worker thread that runs what it is given, in order.

    with SyncPortal() as portal:
        info = portal.call(ctl.identify)

There is no event loop behind it: what is given must be an ordinary function, context
manager or iterator. An error comes back as it was raised, and out of a group that has
no other.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar

from watlowlib._internal.queues import SLICE_S, ClosableQueue, QueueClosed
from watlowlib._internal.threads import Worker
from watlowlib.errors import WatlowClosedError, WatlowConfigurationError

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

P = ParamSpec("P")
T = TypeVar("T")

WAITING = 64
"""Calls that may wait for the one that runs; who has one more waits with it."""

JOIN_S = 90.0
"""How long the call that runs may take when the portal is left."""


class SyncPortal:
    """A worker thread for the calls of one `with` block; it cannot be entered again."""

    def __init__(self) -> None:
        self._calls: ClosableQueue[tuple[Future[Any], Callable[[], Any]]] = ClosableQueue(WAITING)
        self._worker = Worker("portal", self._run, self._calls.close)
        self._entered = False
        self._left = False

    def __repr__(self) -> str:
        state = "left" if self._left else "running" if self._entered else "not entered"
        return f"<SyncPortal, {state}>"

    def __enter__(self) -> SyncPortal:
        if self._entered:
            raise WatlowConfigurationError("a portal is entered once; make a new SyncPortal()")
        self._entered = True
        self._worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left = True
        self._worker.stop()
        self._worker.join(JOIN_S)

    def call(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `func(*args, **kwargs)` in the portal's thread, after what was called before.

        Raises:
            WatlowConfigurationError: `func` is a coroutine function, or the portal has not
                been entered.
            WatlowClosedError: The portal was left.
            Exception: What `func` raises; a group with one member as that member.
        """
        refuse_coroutines(func)
        if not self._entered:
            raise WatlowConfigurationError("enter the portal first: with SyncPortal() as portal")
        func = ordinary(func)
        with single_errors():
            if threading.current_thread().name == self._worker.name:
                return func(*args, **kwargs)  # by a call that runs: it cannot wait for itself
            return self._outcome(partial(func, *args, **kwargs))

    def wrap_async_context_manager(
        self, manager: AbstractContextManager[T]
    ) -> AbstractContextManager[T]:
        """`manager`, entered and left in the portal's thread."""
        if not hasattr(manager, "__enter__"):
            raise WatlowConfigurationError(f"{manager!r} is no ordinary context manager")
        return self._managed(manager)

    def wrap_async_iter(self, iterable: Iterable[T]) -> SyncAsyncIterator[T]:
        """`iterable`, whose items are made in the portal's thread, one at a time."""
        if not isinstance(iterable, Iterable):
            raise WatlowConfigurationError(f"{iterable!r} is no ordinary iterable")
        return SyncAsyncIterator(self, iterable)

    def _outcome(self, call: Callable[[], T]) -> T:
        outcome: Future[T] = Future()
        try:
            self._calls.put((outcome, call))
        except QueueClosed:
            raise WatlowClosedError("the portal was left; make a new SyncPortal()") from None
        while not outcome.done():
            # Every call has its own deadlines. In slices, so that Ctrl-C gets through.
            wait((outcome,), timeout=SLICE_S)
        return outcome.result()

    @contextmanager
    def _managed(self, manager: AbstractContextManager[T]) -> Iterator[T]:
        value = self.call(manager.__enter__)
        try:
            yield value
        except BaseException as error:
            if not self.call(manager.__exit__, type(error), error, error.__traceback__):
                raise
        else:
            self.call(manager.__exit__, None, None, None)

    def _run(self) -> None:
        while True:
            try:
                call = self._calls.get()
            except QueueClosed:
                return
            if call is not None:
                _carry_out(*call)


class SyncAsyncIterator(Generic[T]):
    """What `SyncPortal.wrap_async_iter` gives: iterated like any other, and closed early."""

    def __init__(self, portal: SyncPortal, iterable: Iterable[T]) -> None:
        self._portal = portal
        self._iterator = portal.call(iter, iterable)

    def __iter__(self) -> SyncAsyncIterator[T]:
        return self

    def __next__(self) -> T:
        # A StopIteration cannot be the outcome of a call.
        found = self._portal.call(lambda: list(_first(self._iterator)))
        if not found:
            raise StopIteration
        return found[0]

    def close(self) -> None:
        """End it early, if it can be."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            self._portal.call(close)


def run_sync(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run one function in a portal of its own."""
    with SyncPortal() as portal:
        return portal.call(func, *args, **kwargs)


def check_portal(portal: SyncPortal | None) -> None:
    """Refuse what is no portal; a portal is not needed for anything.

    Raises:
        WatlowConfigurationError: It is none.
    """
    if not isinstance(portal, (SyncPortal, type(None))):
        raise WatlowConfigurationError(f"portal={portal!r}: give a SyncPortal, or leave it out")


def refuse_coroutines(func: object) -> None:
    """Say of a coroutine function, or of what one gives, that nothing here runs it.

    Raises:
        WatlowConfigurationError: It is one, or nothing that can be called.
    """
    bare = func.func if isinstance(func, partial) else func
    called = getattr(type(bare), "__call__", None)  # noqa: B004 - an object's may be one
    if any(map(inspect.iscoroutinefunction, (bare, called))) or inspect.isasyncgenfunction(bare):
        raise _no_loop_for(bare)
    if inspect.iscoroutine(func):
        func.close()
        raise _no_loop_for(func)
    if not callable(bare):
        raise WatlowConfigurationError(f"{func!r} is no function: give one, and then its arguments")


def ordinary(func: Callable[P, T]) -> Callable[P, T]:
    """`func`, with an error in the place of a coroutine that it gives: nothing of it would run."""

    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        outcome = func(*args, **kwargs)
        if inspect.iscoroutine(outcome):
            outcome.close()
            raise _no_loop_for(outcome)
        return outcome

    return called


def _no_loop_for(what: object) -> WatlowConfigurationError:
    name = getattr(what, "__name__", type(what).__name__)
    return WatlowConfigurationError(
        f"{name} is a coroutine function, and there is no event loop here: "
        f"write 'def {name}' without 'async', and leave out 'await' in it"
    )


@contextmanager
def single_errors() -> Iterator[None]:
    """Raise the one error of a group instead of the group."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if error is group:
            raise
        raise error from error.__cause__


def _carry_out(outcome: Future[Any], call: Callable[[], Any]) -> None:
    try:
        outcome.set_result(call())
    except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
        outcome.set_exception(error)


def _first(iterator: Iterator[T]) -> Iterator[T]:
    for item in iterator:
        yield item
        return
