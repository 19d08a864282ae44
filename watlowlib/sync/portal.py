"""A worker thread that runs calls in order.

    with SyncPortal() as portal:
        info = portal.call(ctl.identify)

It has no event loop: functions, context managers and iterators must not be asynchronous.
Errors are raised in the calling thread; a single error is taken out of its exception group.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import islice
from typing import Any, Generic, ParamSpec, TypeVar

from watlowlib._internal.process import NotCopied, OneProcess
from watlowlib._internal.queues import SLICE_S, BoundedQueue, ShutDown, get_waiting, put_waiting
from watlowlib._internal.threads import Worker
from watlowlib._internal.validation import shown
from watlowlib.errors import WatlowClosedError, WatlowConfigurationError

if sys.version_info < (3, 11):
    from exceptiongroup import BaseExceptionGroup

P = ParamSpec("P")
T = TypeVar("T")

BACKLOG = 64
"""The maximum number of queued calls; a thread with a further call waits for room."""

JOIN_S = 90.0
"""Seconds that the current call may take when the portal is left."""


class PortalError(WatlowConfigurationError, RuntimeError):
    """A portal, or an object that has one, is used before it is entered or a second time."""


class SyncPortal(OneProcess):
    """A worker thread for the calls of one `with` block; it cannot be entered again.

    Args:
        backend: The name of an event loop's library, which has no effect: there is no event loop.
    """

    _kind = "portal"

    def __init__(self, *, backend: str = "asyncio") -> None:
        if not isinstance(backend, str):
            raise WatlowConfigurationError(
                f"backend={shown(backend)}: give a name, or leave it out"
            )
        self._calls: BoundedQueue[tuple[Future[Any], Callable[[], Any]]] = BoundedQueue(BACKLOG)
        self._worker = Worker("portal", self._run, self._calls.shutdown)
        self._entered = False
        self._left = False

    def __repr__(self) -> str:
        state = "left" if self._left else "running" if self._entered else "not entered"
        return f"<SyncPortal, {state}>"

    def __enter__(self) -> SyncPortal:
        if self._entered:
            raise PortalError("a portal is entered once; make a new SyncPortal()")
        self._entered = True
        self._pid = os.getpid()
        self._worker.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._left = True
        self._worker.stop()
        self._worker.join(JOIN_S)

    @property
    def running(self) -> bool:
        """Whether the portal was entered and not yet left."""
        return self._entered and not self._left

    def call(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `func(*args, **kwargs)` in the portal's thread, after all earlier calls.

        Raises:
            WatlowConfigurationError: `func` is a coroutine function.
            PortalError: The portal has not been entered.
            WatlowClosedError: The portal was left.
            Exception: The exception of `func`; a group with one member as that member.
        """
        self.check_process()
        refuse_coroutines(func)
        if not self._entered:
            raise PortalError("enter the portal first: with SyncPortal() as portal")
        func = refusing_coroutine_results(func)
        with unwrapped_errors():
            if threading.current_thread().name == self._worker.name:
                return func(*args, **kwargs)  # a nested call cannot wait for its own thread
            return self._run_in_thread(partial(func, *args, **kwargs))

    def wrap_async_context_manager(
        self, manager: AbstractContextManager[T]
    ) -> AbstractContextManager[T]:
        """Return a context manager that enters and leaves `manager` in the portal's thread."""
        if not hasattr(manager, "__enter__"):
            raise WatlowConfigurationError(f"{shown(manager)} is not a synchronous context manager")
        return self._wrap_manager(manager)

    def wrap_async_iter(self, iterable: Iterable[T]) -> SyncAsyncIterator[T]:
        """Return an iterator that gets the items of `iterable` in the portal's thread."""
        if not isinstance(iterable, Iterable):
            raise WatlowConfigurationError(f"{shown(iterable)} is not a synchronous iterable")
        return SyncAsyncIterator(self, iterable)

    def _run_in_thread(self, call: Callable[[], T]) -> T:
        future: Future[T] = Future()
        try:
            put_waiting(self._calls, (future, call))
        except ShutDown:
            raise WatlowClosedError("the portal was left; make a new SyncPortal()") from None
        while not future.done():
            # Calls have their own deadlines. Short waits let Ctrl-C interrupt this one.
            wait((future,), timeout=SLICE_S)
        return future.result()

    @contextmanager
    def _wrap_manager(self, manager: AbstractContextManager[T]) -> Iterator[T]:
        value = self.call(manager.__enter__)
        try:
            yield value
        except BaseException as error:
            if not self._leave(manager, type(error), error, error.__traceback__):
                raise
        else:
            self._leave(manager, None, None, None)

    def _leave(self, manager: AbstractContextManager[Any], *error: Any) -> bool | None:
        """Leave `manager` in the portal's thread; a forked child, which has none, in this one."""
        if self.in_other_process:
            return manager.__exit__(*error)
        return self.call(manager.__exit__, *error)

    def _run(self) -> None:
        while True:
            try:
                future, call = get_waiting(self._calls)
            except ShutDown:
                return
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - raised again in the calling thread
                future.set_exception(error)


class CallerPortal(SyncPortal):
    """A portal that runs calls in the calling thread; it needs not be entered."""

    def __init__(self) -> None:
        super().__init__()
        self._entered = True

    def _run_in_thread(self, call: Callable[[], T]) -> T:
        return call()


class SyncAsyncIterator(NotCopied, Generic[T]):
    """The iterator that `SyncPortal.wrap_async_iter` returns; a `with` statement closes it."""

    def __init__(self, portal: SyncPortal, iterable: Iterable[T]) -> None:
        self._portal = portal
        self._iterator = portal.call(iter, iterable)
        self._closed = False

    def __iter__(self) -> SyncAsyncIterator[T]:
        return self

    def __enter__(self) -> SyncAsyncIterator[T]:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __next__(self) -> T:
        if self._closed:
            raise StopIteration
        # A future cannot raise StopIteration; an empty list stands for it.
        items = self._portal.call(lambda: list(islice(self._iterator, 1)))
        if not items:
            raise StopIteration
        return items[0]

    def close(self) -> None:
        """Close the iterator early; it yields nothing more."""
        closed, self._closed = self._closed, True
        close = getattr(self._iterator, "close", None)
        usable = self._portal.running and not self._portal.in_other_process
        if close is not None and usable and not closed:
            self._portal.call(close)


def run_sync(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run one function in a new portal."""
    with SyncPortal() as portal:
        return portal.call(func, *args, **kwargs)


def check_portal(portal: SyncPortal | None) -> None:
    """Raise WatlowConfigurationError unless `portal`, which is not used, is a portal or None."""
    if not isinstance(portal, (SyncPortal, type(None))):
        raise WatlowConfigurationError(
            f"portal={shown(portal)}: give a SyncPortal, or leave it out"
        )


def refuse_coroutines(func: object) -> None:
    """Check that `func` is a synchronous function.

    Raises:
        WatlowConfigurationError: It is a coroutine, a coroutine function or not callable.
    """
    bare = func.func if isinstance(func, partial) else func
    method = getattr(type(bare), "__call__", None)  # noqa: B004 - an object's may be async
    if any(map(inspect.iscoroutinefunction, (bare, method))) or inspect.isasyncgenfunction(bare):
        raise _coroutine_error(bare)
    if inspect.iscoroutine(func):
        func.close()
        raise _coroutine_error(func)
    if not callable(bare):
        raise WatlowConfigurationError(
            f"{shown(func)} is not a function: give one, then its arguments"
        )


def refusing_coroutine_results(func: Callable[P, T]) -> Callable[P, T]:
    """Return `func` with an error if it returns a coroutine, which would never run."""

    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        result = func(*args, **kwargs)
        if inspect.iscoroutine(result):
            result.close()
            raise _coroutine_error(result)
        return result

    return wrapper


def _coroutine_error(func: object) -> WatlowConfigurationError:
    name = getattr(func, "__name__", type(func).__name__)
    return WatlowConfigurationError(
        f"{name} is a coroutine function, and there is no event loop here: "
        f"write 'def {name}' without 'async', and leave out 'await' in it"
    )


@contextmanager
def unwrapped_errors() -> Iterator[None]:
    """Raise the error of a group that has only one, instead of the group."""
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if error is group:
            raise
        raise error from error.__cause__
