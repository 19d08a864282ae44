from __future__ import annotations

import itertools
import threading
from contextlib import suppress

import pytest

from tests.ctrl_c import CtrlC
from watlowlib._internal.clock import Deadline
from watlowlib.protocol import lock, port
from watlowlib.protocol.lock import FairLock
from watlowlib.protocol.port import Port
from watlowlib.transport.scripted import ScriptedTransport

TIMEOUT_S = 10.0


class WaitingThreads:
    """Threads that wait for a lock, queued one after the other."""

    def __init__(self, lock: FairLock) -> None:
        self.lock = lock
        self.order: list[str] = []
        self.threads: list[threading.Thread] = []

    def enqueue(self, name: str, *, urgent: bool = False) -> None:
        def wait() -> None:
            assert self.lock.acquire(Deadline.after(TIMEOUT_S), urgent=urgent)
            self.order.append(name)
            self.lock.release()

        waiting = len(self.lock._urgent) + len(self.lock._normal)
        thread = threading.Thread(target=wait)
        thread.start()
        self.threads.append(thread)
        deadline = Deadline.after(TIMEOUT_S)
        while len(self.lock._urgent) + len(self.lock._normal) == waiting:
            assert not deadline.passed()

    def release_and_join(self) -> list[str]:
        self.lock.release()
        for thread in self.threads:
            thread.join(TIMEOUT_S)
        return self.order


@pytest.fixture
def held() -> FairLock:
    lock = FairLock()
    assert lock.acquire(Deadline.after(0))
    return lock


def test_waiters_are_served_in_order(held: FairLock) -> None:
    queue = WaitingThreads(held)
    for name in "abcde":
        queue.enqueue(name)
    assert queue.release_and_join() == list("abcde")


def test_urgent_waiters_go_first_without_starving_others(held: FairLock) -> None:
    queue = WaitingThreads(held)
    queue.enqueue("poll 1")
    queue.enqueue("poll 2")
    queue.enqueue("write 1", urgent=True)
    queue.enqueue("poll 3")
    queue.enqueue("write 2", urgent=True)
    assert queue.release_and_join() == ["write 1", "poll 1", "write 2", "poll 2", "poll 3"]


def test_timeout_leaves_the_lock_usable(held: FairLock) -> None:
    assert held.acquire(Deadline.after(0.01)) is False
    held.release()
    assert held.acquire(Deadline.after(0)) is True
    held.release()


def test_interrupted_waiter_leaves_the_queue(held: FairLock) -> None:
    class Interrupting(Deadline):
        def left_s(self) -> float:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        held.acquire(Interrupting(0.0))
    assert not held._normal
    held.release()
    assert held.acquire(Deadline.after(0)) is True


def test_lock_passed_to_an_interrupted_waiter_can_be_released(held: FairLock) -> None:
    class TooLate(Deadline):
        def left_s(self) -> float:
            held.release()  # the lock is passed to us just now
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        held.acquire(TooLate(0.0))
    held.release()
    assert held.acquire(Deadline.after(0)) is True


def test_only_the_owner_can_release(held: FairLock) -> None:
    thread = threading.Thread(target=held.release)
    thread.start()
    thread.join(TIMEOUT_S)
    assert held.acquire(Deadline.after(0)) is False
    held.release()
    held.release()
    assert held.acquire(Deadline.after(0)) is True


def test_lock_is_exclusive(held: FairLock) -> None:
    inside: list[int] = []
    counts: list[int] = []

    def work() -> None:
        for _ in range(300):
            assert held.acquire(Deadline.after(TIMEOUT_S))
            inside.append(1)
            counts.append(len(inside))
            inside.pop()
            held.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    held.release()
    for thread in threads:
        thread.join(TIMEOUT_S)
    assert len(counts) == 1200
    assert max(counts) == 1


def test_a_waiter_that_gets_the_lock_at_its_deadline_owns_it(held: FairLock) -> None:
    timed_out, released = threading.Event(), threading.Event()
    mutex = held._mutex
    results: list[bool] = []

    class Mutex:
        """The mutex of the lock; a waiter past its deadline gets it only after the release."""

        entries = 0

        def __enter__(self) -> None:
            if threading.current_thread() is waiter:
                self.entries += 1
                if self.entries == 2:
                    timed_out.set()
                    assert released.wait(TIMEOUT_S)
            mutex.acquire()

        def __exit__(self, *error: object) -> None:
            mutex.release()

    def wait() -> None:
        results.append(held.acquire(Deadline.after(0)))
        held.release()

    held._mutex = Mutex()  # type: ignore[assignment]
    waiter = threading.Thread(target=wait)
    waiter.start()
    assert timed_out.wait(TIMEOUT_S)
    held.release()
    released.set()
    waiter.join(TIMEOUT_S)
    assert results == [True]
    assert held.acquire(Deadline.after(0)) is True


def test_ctrl_c_at_any_place_of_a_wait_leaves_the_lock_usable() -> None:
    for place in itertools.count():
        shared = FairLock()
        holding, done = threading.Event(), threading.Event()

        def hold(
            held: FairLock = shared,
            holding: threading.Event = holding,
            done: threading.Event = done,
        ) -> None:
            held.acquire(Deadline.after(TIMEOUT_S))
            holding.set()
            done.wait(TIMEOUT_S)
            held.release()

        thread = threading.Thread(target=hold)
        thread.start()
        assert holding.wait(TIMEOUT_S)
        with suppress(KeyboardInterrupt), CtrlC(place, lock) as pressed:
            shared.acquire(Deadline.after(0.01))
        done.set()
        thread.join(TIMEOUT_S)
        assert shared.acquire(Deadline.after(0)), place
        if not pressed.raised:
            break
    assert place > 5


@pytest.mark.parametrize("waits", [True, False])
def test_ctrl_c_at_any_place_of_a_release_passes_the_lock_on(waits: bool) -> None:
    for place in itertools.count(1):  # 0 is the begin of `Port.release`, before it does anything
        shared = Port(ScriptedTransport(lambda data: []))
        shared.acquire()
        waiting = WaitingThreads(shared._lock)
        if waits:
            waiting.enqueue("waiter")
        with suppress(KeyboardInterrupt), CtrlC(place, port, lock) as pressed:
            shared.release()
        for thread in waiting.threads:
            thread.join(TIMEOUT_S / 2)
            assert not thread.is_alive(), place
        assert shared._lock.acquire(Deadline.after(0)), place
        if not pressed.raised:
            break
    assert place > 2
