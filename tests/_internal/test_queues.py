from __future__ import annotations

import threading

import pytest

from watlowlib._internal.queues import ClosableQueue, QueueClosed


def test_items_come_out_in_order() -> None:
    queue: ClosableQueue[int] = ClosableQueue(3)
    assert [queue.put(n, 0.0) for n in range(4)] == [True, True, True, False]
    assert [queue.get(0.0) for _ in range(4)] == [0, 1, 2, None]


def test_push_to_a_full_queue_drops_the_oldest_item() -> None:
    queue: ClosableQueue[int] = ClosableQueue(2)
    assert [queue.push(n) for n in range(4)] == [None, None, 0, 1]
    assert [queue.get(0.0) for _ in range(3)] == [2, 3, None]
    queue.close()
    with pytest.raises(QueueClosed):
        queue.push(4)


def test_closed_queue_is_emptied_before_it_ends() -> None:
    queue: ClosableQueue[str] = ClosableQueue(2)
    queue.put("last")
    queue.close()
    assert queue.get() == "last"
    with pytest.raises(QueueClosed):
        queue.get()
    with pytest.raises(QueueClosed):
        queue.put("too late")


@pytest.mark.parametrize("operation", ["put", "get"])
def test_close_wakes_a_waiting_thread(operation: str) -> None:
    queue: ClosableQueue[int] = ClosableQueue(1)
    if operation == "put":
        queue.put(1)
    started, ended = threading.Event(), threading.Event()

    def wait() -> None:
        started.set()
        try:
            queue.put(2) if operation == "put" else queue.get()
        except QueueClosed:
            ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert started.wait(5)
    queue.close()
    assert ended.wait(5)
    thread.join(5)


def test_get_makes_room_for_a_waiting_put() -> None:
    queue: ClosableQueue[int] = ClosableQueue(1)
    queue.put(1)
    thread = threading.Thread(target=queue.put, args=(2,))
    thread.start()
    assert queue.get(5) == 1
    assert queue.get(5) == 2
    thread.join(5)


def test_clear_returns_the_removed_items() -> None:
    queue: ClosableQueue[int] = ClosableQueue(5)
    for n in range(3):
        queue.put(n)
    assert queue.clear() == [0, 1, 2]
    assert queue.get(0.0) is None
