"""The bounded queue: what Python 3.13 promises of `queue.Queue`, on every Python."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

import pytest

from watlowlib._internal.clock import Deadline
from watlowlib._internal.queues import (
    BoundedQueue,
    ShutDown,
    drain,
    get_waiting,
    put_dropping_oldest,
    put_waiting,
)

TIMEOUT_S = 10.0


def full_queue() -> BoundedQueue[int]:
    items: BoundedQueue[int] = BoundedQueue(2)
    items.put(1)
    items.put(2)
    return items


def test_items_come_out_in_the_order_they_went_in() -> None:
    items = full_queue()
    assert [items.get(), items.get()] == [1, 2]


def test_full_queue_refuses_an_item_after_the_timeout() -> None:
    with pytest.raises(queue.Full):
        full_queue().put(3, timeout=0.01)
    with pytest.raises(queue.Full):
        full_queue().put_nowait(3)


def test_empty_queue_raises_after_the_timeout() -> None:
    items: BoundedQueue[int] = BoundedQueue(2)
    with pytest.raises(queue.Empty):
        items.get(timeout=0.01)
    with pytest.raises(queue.Empty):
        items.get_nowait()


def test_shut_down_queue_refuses_items_and_returns_the_rest() -> None:
    items = full_queue()
    items.shutdown()
    with pytest.raises(ShutDown):
        items.put(3)
    with pytest.raises(ShutDown):
        items.put_nowait(3)
    assert [items.get(), items.get()] == [1, 2]
    with pytest.raises(ShutDown):
        items.get()
    with pytest.raises(ShutDown):
        items.get_nowait()


def test_immediate_shutdown_discards_the_items() -> None:
    items = full_queue()
    items.shutdown(immediate=True)
    with pytest.raises(ShutDown):
        items.get()


@pytest.mark.parametrize(
    ("items", "wait"),
    [
        (full_queue(), lambda items: items.put(3)),
        (full_queue(), lambda items: put_waiting(items, 3)),
        (BoundedQueue(2), lambda items: items.get()),
        (BoundedQueue(2), get_waiting),
    ],
    ids=["put", "put_waiting", "get", "get_waiting"],
)
def test_shutdown_wakes_a_waiting_thread(
    items: BoundedQueue[int], wait: Callable[[BoundedQueue[int]], object]
) -> None:
    started, ended = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        with pytest.raises(ShutDown):
            wait(items)
        ended.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert started.wait(TIMEOUT_S)
    items.shutdown()
    assert ended.wait(TIMEOUT_S)
    thread.join()


def start_waiting(
    condition: threading.Condition, wait: Callable[[], object], count: int
) -> list[threading.Thread]:
    """Start `count` threads that call `wait`; return them once they wait for `condition`."""
    threads = [threading.Thread(target=wait, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    deadline = Deadline.after(TIMEOUT_S)
    while len(condition._waiters) < count:  # type: ignore[attr-defined]
        assert not deadline.passed()
    return threads


def test_shutdown_wakes_all_waiting_threads() -> None:
    def wait(call: Callable[[], object]) -> None:
        with pytest.raises(ShutDown):
            call()

    full, empty = full_queue(), BoundedQueue[int](2)
    threads = [
        *start_waiting(full.not_full, lambda: wait(lambda: full.put(3)), 2),
        *start_waiting(empty.not_empty, lambda: wait(empty.get), 2),
    ]
    full.shutdown()
    empty.shutdown()
    for thread in threads:
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def test_put_and_get_wake_each_other() -> None:
    full, empty = full_queue(), BoundedQueue[int](2)
    found: list[int] = []
    threads = [
        *start_waiting(full.not_full, lambda: full.put(3), 1),
        *start_waiting(empty.not_empty, lambda: found.append(empty.get()), 1),
    ]
    empty.put(4)
    assert full.get() == 1
    for thread in threads:
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()
    assert (list(drain(full)), found) == ([2, 3], [4])


def test_a_queue_without_a_size_is_never_full() -> None:
    items: BoundedQueue[int] = BoundedQueue()
    for n in range(100):
        items.put_nowait(n)
    assert list(drain(items)) == list(range(100))


def test_get_makes_room_for_a_waiting_put() -> None:
    items = full_queue()
    thread = threading.Thread(target=put_waiting, args=(items, 3))
    thread.start()
    assert [get_waiting(items) for _ in range(3)] == [1, 2, 3]
    thread.join()


def test_put_dropping_oldest_returns_the_removed_item() -> None:
    items = full_queue()
    assert put_dropping_oldest(items, 3) == [1]
    assert list(drain(items)) == [2, 3]
    assert put_dropping_oldest(items, 4) == []
    items.shutdown()
    with pytest.raises(ShutDown):
        put_dropping_oldest(items, 5)


def test_drain_empties_a_queue_that_was_shut_down() -> None:
    items = full_queue()
    items.shutdown()
    assert list(drain(items)) == [1, 2]
    assert list(drain(items)) == []
