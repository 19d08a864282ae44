from __future__ import annotations

import threading

import pytest

from watlowlib._internal.clock import Deadline
from watlowlib.protocol.lock import FairLock

PATIENCE_S = 10.0


class Queue:
    """Threads that wait for a lock, brought into line one after the other."""

    def __init__(self, lock: FairLock) -> None:
        self.lock = lock
        self.order: list[str] = []
        self.threads: list[threading.Thread] = []

    def line_up(self, name: str, *, urgent: bool = False) -> None:
        def wait() -> None:
            assert self.lock.acquire(Deadline.after(PATIENCE_S), urgent=urgent)
            self.order.append(name)
            self.lock.release()

        waiting = len(self.lock._urgent) + len(self.lock._patient)
        thread = threading.Thread(target=wait)
        thread.start()
        self.threads.append(thread)
        until = Deadline.after(PATIENCE_S)
        while len(self.lock._urgent) + len(self.lock._patient) == waiting:
            assert not until.passed()

    def served(self) -> list[str]:
        self.lock.release()
        for thread in self.threads:
            thread.join(PATIENCE_S)
        return self.order


@pytest.fixture
def held() -> FairLock:
    lock = FairLock()
    assert lock.acquire(Deadline.after(0))
    return lock


def test_first_come_first_served(held: FairLock) -> None:
    queue = Queue(held)
    for name in "abcde":
        queue.line_up(name)
    assert queue.served() == list("abcde")


def test_who_is_urgent_goes_next_but_starves_nobody(held: FairLock) -> None:
    queue = Queue(held)
    queue.line_up("poll 1")
    queue.line_up("poll 2")
    queue.line_up("write 1", urgent=True)
    queue.line_up("poll 3")
    queue.line_up("write 2", urgent=True)
    assert queue.served() == ["write 1", "poll 1", "write 2", "poll 2", "poll 3"]


def test_a_deadline_that_passes_leaves_no_trace(held: FairLock) -> None:
    assert held.acquire(Deadline.after(0.01)) is False
    held.release()
    assert held.acquire(Deadline.after(0)) is True
    held.release()


def test_an_interrupted_waiter_does_not_keep_the_lock(held: FairLock) -> None:
    class Interrupting(Deadline):
        def left_s(self) -> float:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        held.acquire(Interrupting(0.0))
    assert not held._patient
    held.release()
    assert held.acquire(Deadline.after(0)) is True


def test_a_lock_handed_over_to_an_interrupted_waiter_can_be_given_back(held: FairLock) -> None:
    class TooLate(Deadline):
        def left_s(self) -> float:
            held.release()  # handed to us at this very moment
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        held.acquire(TooLate(0.0))
    held.release()
    assert held.acquire(Deadline.after(0)) is True


def test_only_its_owner_can_give_it_back(held: FairLock) -> None:
    thread = threading.Thread(target=held.release)
    thread.start()
    thread.join(PATIENCE_S)
    assert held.acquire(Deadline.after(0)) is False
    held.release()
    held.release()
    assert held.acquire(Deadline.after(0)) is True


def test_only_one_has_it(held: FairLock) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(300):
            assert held.acquire(Deadline.after(PATIENCE_S))
            inside.append(1)
            most.append(len(inside))
            inside.pop()
            held.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    held.release()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(most) == 1200
    assert max(most) == 1
