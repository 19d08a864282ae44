"""The portal: one thread, calls in order, once only, and no coroutines."""

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


def test_calls_run_in_one_thread_of_ours_with_all_their_arguments(portal: SyncPortal) -> None:
    names = {portal.call(thread_name) for _ in range(3)}
    assert len(names) == 1
    assert names.pop().startswith(f"{PREFIX}portal-")
    assert portal.call(sorted, [1, 3, 2], reverse=True) == [3, 2, 1]


def test_calls_of_many_threads_run_one_after_the_other_in_order(portal: SyncPortal) -> None:
    begun, go = threading.Event(), threading.Event()
    order: list[int] = []

    def first() -> None:
        begun.set()
        assert go.wait(PATIENCE_S)
        order.append(0)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(portal.call, first)
        assert begun.wait(PATIENCE_S)
        other = pool.submit(portal.call, order.append, 1)
        assert not other.done()
        go.set()
        one.result(PATIENCE_S)
        other.result(PATIENCE_S)
    assert order == [0, 1]


def test_a_call_within_a_call_does_not_wait_for_itself(portal: SyncPortal) -> None:
    assert portal.call(portal.call, thread_name) == portal.call(thread_name)


def test_a_portal_is_used_once_and_within_its_block() -> None:
    portal = SyncPortal()
    with pytest.raises(WatlowConfigurationError, match="enter the portal first"):
        portal.call(thread_name)
    with portal:
        assert repr(portal) == "<SyncPortal, running>"
    with pytest.raises(WatlowConfigurationError, match="entered once"):
        portal.__enter__()
    with pytest.raises(WatlowClosedError, match="was left"):
        portal.call(thread_name)


def test_an_error_comes_out_of_a_group_without_others(portal: SyncPortal) -> None:
    inner = TimeoutError("nobody there")
    with pytest.raises(TimeoutError) as plain:
        portal.call(fail, inner)
    assert plain.value is inner
    with pytest.raises(TimeoutError) as unwrapped:
        portal.call(fail, ExceptionGroup("outer", [ExceptionGroup("one", [inner])]))
    assert unwrapped.value is inner
    both = ExceptionGroup("two", [inner, ValueError("and this")])
    with pytest.raises(ExceptionGroup) as group:
        portal.call(fail, both)
    assert group.value is both
    assert portal.call(thread_name)  # it goes on


async def coroutine() -> None: ...


async def asynchronous() -> AsyncIterator[int]:
    yield 1


class Op:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    "func", [coroutine, asynchronous, partial(coroutine), lambda: coroutine(), Op()]
)
def test_a_coroutine_function_is_refused_by_name(portal: SyncPortal, func: object) -> None:
    with pytest.raises(WatlowConfigurationError, match=r"^(coroutine|asynchronous|Op) is a cor"):
        portal.call(func)  # type: ignore[arg-type]


def test_what_a_coroutine_function_gives_is_refused_too() -> None:
    with pytest.raises(WatlowConfigurationError, match="^coroutine is a coroutine function"):
        run_sync(coroutine())  # type: ignore[arg-type]


def test_a_class_whose_objects_are_coroutine_functions_is_none(portal: SyncPortal) -> None:
    assert isinstance(portal.call(Op), Op)


def test_what_is_no_function_is_refused(portal: SyncPortal) -> None:
    with pytest.raises(WatlowConfigurationError, match="'pv' is no function"):
        portal.call("pv")  # type: ignore[arg-type]


def test_what_is_asynchronous_is_not_wrapped(portal: SyncPortal) -> None:
    with pytest.raises(WatlowConfigurationError, match="no ordinary context manager"):
        portal.wrap_async_context_manager(asynccontextmanager(asynchronous)())  # type: ignore[arg-type]
    with pytest.raises(WatlowConfigurationError, match="no ordinary iterable"):
        portal.wrap_async_iter(asynchronous())  # type: ignore[arg-type]


def test_a_context_manager_is_entered_and_left_in_the_portal(portal: SyncPortal) -> None:
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

    own = portal.call(thread_name)
    with portal.wrap_async_context_manager(manager(True)) as value:
        assert value == "value"
    assert seen == [own, own]
    with portal.wrap_async_context_manager(manager(True)):
        raise ValueError("swallowed")
    with pytest.raises(ValueError, match="told"):
        with portal.wrap_async_context_manager(manager(False)):
            raise ValueError("told")
    assert seen[2:] == [own, "swallowed", own, own, "told", own]


def test_an_iterator_runs_in_the_portal_and_can_be_closed(portal: SyncPortal) -> None:
    closed = threading.Event()

    def numbers() -> Iterator[tuple[int, str]]:
        try:
            for number in range(3):
                yield number, thread_name()
        finally:
            closed.set()

    own = portal.call(thread_name)
    assert list(portal.wrap_async_iter(numbers())) == [(number, own) for number in range(3)]
    closed.clear()
    some = portal.wrap_async_iter(numbers())
    assert next(some) == (0, own)
    some.close()
    assert closed.is_set()
    assert list(some) == []
    assert list(portal.wrap_async_iter([1, 2])) == [1, 2]


def test_one_function_in_a_portal_of_its_own() -> None:
    assert run_sync(thread_name).startswith(f"{PREFIX}portal-")
    with pytest.raises(WatlowConfigurationError, match="without 'async'"):
        run_sync(coroutine)
