from __future__ import annotations

import _thread
import logging
import subprocess
import sys
import threading

import pytest

from watlowlib._internal.threads import Worker

TIMEOUT_S = 10.0


def test_thread_name_contains_role_and_number() -> None:
    names: list[str] = []
    worker = Worker("recorder", lambda: names.append(threading.current_thread().name), lambda: None)
    worker.start()
    worker.join(5)
    assert names == [f"watlowlib-recorder-{worker.number}"]


def test_reraise_raises_the_failure_once() -> None:
    def fail() -> None:
        raise ZeroDivisionError("on purpose")

    worker = Worker("test", fail, lambda: None)
    worker.start()
    assert worker.join(5)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        worker.reraise()
    worker.reraise()


def test_join_timeout_logs_a_warning_with_a_hint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop = threading.Event()
    worker = Worker("stuck", lambda: stop.wait(10) and None, stop.set)
    worker.start()
    with caplog.at_level(logging.WARNING):
        assert worker.join(0.01) is False
    assert "watlowlib-stuck" in caplog.text
    assert "disk" in caplog.text
    worker.stop()
    assert worker.join(5)


def test_running_worker_is_stopped_at_exit() -> None:
    program = """
import threading
from watlowlib._internal.threads import Worker
stop = threading.Event()
def run():
    stop.wait(30)
    print("flushed", stop.is_set(), flush=True)
Worker("forgotten", run, stop.set).start()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == "flushed True\n"
    assert done.stderr == ""


def test_interrupted_wait_does_not_take_a_running_thread_for_ended() -> None:
    release = threading.Event()

    def run() -> None:
        _thread.interrupt_main()
        assert release.wait(TIMEOUT_S)

    worker = Worker("test", run, release.set)
    with pytest.raises(KeyboardInterrupt):
        worker.start()
        worker.wait()
    assert worker.alive
    worker.stop()
    worker.wait()
    assert not worker.alive
    worker.reraise()
