"""The portal: one thread, calls in order, one use, and no coroutines."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import pytest

from watlowlib._internal.threads import PREFIX
from watlowlib.errors import WatlowClosedError, WatlowConfigurationError
from watlowlib.sync import SyncPortal, run_sync

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

PATIENCE_S = 20.0


def thread_name() -> str:
    return threading.current_thread().name


def fail(error: Exception) -> None:
    raise error


@pytest.fixture
def portal() -> Iterator[SyncPortal]:
    with SyncPortal() as entered:
        yield entered


def test_calls_run_in_one_thread_with_all_arguments(portal: SyncPortal) -> None:
    names = {portal.call(thread_name) for _ in range(3)}
    assert len(names) == 1
    assert names.pop().startswith(f"{PREFIX}portal-")
    assert portal.call(sorted, [1, 3, 2], reverse=True) == [3, 2, 1]


def test_calls_from_several_threads_run_in_order(portal: SyncPortal) -> None:
    started, proceed = threading.Event(), threading.Event()
    order: list[int] = []

    def block() -> None:
        started.set()
        assert proceed.wait(PATIENCE_S)
        order.append(0)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(portal.call, block)
        assert started.wait(PATIENCE_S)
        second = pool.submit(portal.call, order.append, 1)
        assert not second.done()
        proceed.set()
        first.result(PATIENCE_S)
        second.result(PATIENCE_S)
    assert order == [0, 1]


def test_a_nested_call_does_not_block(portal: SyncPortal) -> None:
    assert portal.call(portal.call, thread_name) == portal.call(thread_name)


def test_a_portal_works_once_and_only_within_its_block() -> None:
    portal = SyncPortal()
    with pytest.raises(WatlowConfigurationError, match="enter the portal first"):
        portal.call(thread_name)
    with portal:
        assert repr(portal) == "<SyncPortal, running>"
    with pytest.raises(WatlowConfigurationError, match="entered once"):
        portal.__enter__()
    with pytest.raises(WatlowClosedError, match="was left"):
        portal.call(thread_name)


def test_a_single_error_is_taken_out_of_its_group(portal: SyncPortal) -> None:
    inner = TimeoutError("no reply")
    with pytest.raises(TimeoutError) as plain:
        portal.call(fail, inner)
    assert plain.value is inner
    with pytest.raises(TimeoutError) as unwrapped:
        portal.call(fail, ExceptionGroup("outer", [ExceptionGroup("one", [inner])]))
    assert unwrapped.value is inner
    both = ExceptionGroup("two", [inner, ValueError("second")])
    with pytest.raises(ExceptionGroup) as group:
        portal.call(fail, both)
    assert group.value is both
    assert portal.call(thread_name)  # the portal still works


async def coroutine() -> None: ...


async def asynchronous() -> AsyncIterator[int]:
    yield 1


class AsyncOp:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    "func", [coroutine, asynchronous, partial(coroutine), lambda: coroutine(), AsyncOp()]
)
def test_a_coroutine_function_is_refused_by_name(portal: SyncPortal, func: object) -> None:
    with pytest.raises(
        WatlowConfigurationError, match=r"^(coroutine|asynchronous|AsyncOp) is a cor"
    ):
        portal.call(func)  # type: ignore[arg-type]


def test_a_coroutine_is_refused() -> None:
    with pytest.raises(WatlowConfigurationError, match="^coroutine is a coroutine function"):
        run_sync(coroutine())  # type: ignore[arg-type]


def test_a_class_of_async_callables_is_accepted(portal: SyncPortal) -> None:
    assert isinstance(portal.call(AsyncOp), AsyncOp)


def test_an_object_that_is_not_callable_is_refused(portal: SyncPortal) -> None:
    with pytest.raises(WatlowConfigurationError, match="'pv' is not a function"):
        portal.call("pv")  # type: ignore[arg-type]


def test_asynchronous_managers_and_iterables_are_refused(portal: SyncPortal) -> None:
    with pytest.raises(WatlowConfigurationError, match="not a synchronous context manager"):
        portal.wrap_async_context_manager(asynccontextmanager(asynchronous)())  # type: ignore[arg-type]
    with pytest.raises(WatlowConfigurationError, match="not a synchronous iterable"):
        portal.wrap_async_iter(asynchronous())  # type: ignore[arg-type]


def test_a_context_manager_is_entered_and_left_in_the_portal_thread(portal: SyncPortal) -> None:
    seen: list[object] = []

    @contextmanager
    def manager(swallow: bool) -> Iterator[str]:
        seen.append(thread_name())
        try:
            yield "value"
        except ValueError as error:
            seen.append(str(error))
            if not swallow:
                raise
        finally:
            seen.append(thread_name())

    portal_thread = portal.call(thread_name)
    with portal.wrap_async_context_manager(manager(True)) as value:
        assert value == "value"
    assert seen == [portal_thread, portal_thread]
    with portal.wrap_async_context_manager(manager(True)):
        raise ValueError("swallowed")
    with pytest.raises(ValueError, match="raised"):
        with portal.wrap_async_context_manager(manager(False)):
            raise ValueError("raised")
    assert seen[2:] == [
        portal_thread,
        "swallowed",
        portal_thread,
        portal_thread,
        "raised",
        portal_thread,
    ]


def test_an_iterator_runs_in_the_portal_thread_and_can_be_closed(portal: SyncPortal) -> None:
    closed = threading.Event()

    def numbers() -> Iterator[tuple[int, str]]:
        try:
            for number in range(3):
                yield number, thread_name()
        finally:
            closed.set()

    portal_thread = portal.call(thread_name)
    assert list(portal.wrap_async_iter(numbers())) == [
        (number, portal_thread) for number in range(3)
    ]
    closed.clear()
    iterator = portal.wrap_async_iter(numbers())
    assert next(iterator) == (0, portal_thread)
    iterator.close()
    assert closed.is_set()
    assert list(iterator) == []
    assert list(portal.wrap_async_iter([1, 2])) == [1, 2]


def test_run_sync_uses_a_new_portal() -> None:
    assert run_sync(thread_name).startswith(f"{PREFIX}portal-")
    with pytest.raises(WatlowConfigurationError, match="without 'async'"):
        run_sync(coroutine)
