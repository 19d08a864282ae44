"""Reports to systemd, on a real datagram socket."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.service.conftest import RigFile
from tests.streaming.test_replace_plan import PATIENCE_S, advance
from watlowlib import WatlowConfigurationError, load_rig
from watlowlib._internal.clock import ManualClock
from watlowlib.service.notify import Notifier, watchdog_s
from watlowlib.service.recorder import RigService

Receive = Callable[[], "list[str]"]


@pytest.fixture(params=["file", "abstract"])
def system(request: pytest.FixtureRequest) -> Iterator[tuple[str, Receive]]:
    """The address of a socket like systemd's, and a function that returns the next report."""
    folder = Path(tempfile.mkdtemp(prefix="wl-"))
    abstract = request.param == "abstract"
    if abstract and sys.platform != "linux":
        pytest.skip("abstract sockets exist on Linux")
    address = f"@{folder}" if abstract else str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + address[1:] if abstract else address)
        receiver.settimeout(PATIENCE_S)
        yield address, lambda: receiver.recv(4096).decode().split("\n")
    shutil.rmtree(folder)


def test_the_watchdog_gets_a_signal_for_each_slot_gaps_included(
    system: tuple[str, Receive], rig_file: RigFile
) -> None:
    address, receive = system
    clock = ManualClock()
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1"})
    with RigService(rig_file.path, notifier=notifier, clock=clock) as service:  # without its port
        ready, fed, status = receive()
        assert (ready, fed) == ("READY=1", "WATCHDOG=1")
        assert status == "STATUS=1 tick, 0 late, 1 of 1 read without a value"
        advance(clock, 3.0)
        for _ in range(3):
            assert receive()[0] == "WATCHDOG=1"
        rig_file.write(record='rate_hz = 0.001\nparameters = ["setpoint"]')
        before_us = time.monotonic_ns() // 1000
        service.reload()
        reloading, at = receive()
        assert reloading == "RELOADING=1"
        name, _, number = at.partition("=")
        assert name == "MONOTONIC_USEC"
        assert before_us <= int(number) <= time.monotonic_ns() // 1000
        name, _, number = receive()[0].partition("=")
        assert name == "WATCHDOG_USEC"
        assert int(number) > 1000 * 1_000_000  # the period of 0.001 Hz
        assert receive() == ["READY=1"]
    assert receive() == ["STOPPING=1"]


def test_the_watchdog_gets_fewer_signals_than_fast_slots(system: tuple[str, Receive]) -> None:
    address, receive = system
    notifier = Notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3600000000"})
    for _ in range(3):
        notifier.slot_handled(lambda: "running")
    notifier.stopping()
    assert receive() == ["READY=1", "WATCHDOG=1", "STATUS=running"]
    assert receive() == ["STOPPING=1"]


def test_a_failed_reload_is_reported_as_finished(
    system: tuple[str, Receive], rig_file: RigFile
) -> None:
    address, receive = system
    notifier = Notifier({"NOTIFY_SOCKET": address})
    with RigService(rig_file.path, notifier=notifier, clock=ManualClock()) as service:
        assert receive()[0] == "READY=1"
        rig_file.write(record='parameters = ["setpiont"]')
        with pytest.raises(WatlowConfigurationError):
            service.reload()
        assert receive()[0] == "RELOADING=1"
        assert receive() == ["READY=1"]


def test_a_watchdog_of_another_process_gets_no_signal(system: tuple[str, Receive]) -> None:
    address, receive = system
    pid = str(os.getpid() + 1)
    variables = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1", "WATCHDOG_PID": pid}
    Notifier(variables).slot_handled(lambda: "running")
    assert receive() == ["READY=1", "STATUS=running"]


def test_without_systemd_nothing_is_sent_and_a_lost_socket_is_no_error(tmp_path: Path) -> None:
    Notifier({}).slot_handled(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")}).slot_handled(lambda: "running")


@pytest.mark.parametrize("hz", [10.0, 0.1, 1 / 3600])
def test_the_watchdog_waits_longer_than_the_longest_period(rig_file: RigFile, hz: float) -> None:
    rig_file.write(record=f"rates = {{ setpoint = {hz}, process_value = 50.0 }}")
    assert watchdog_s(load_rig(rig_file.path)) > 3 / hz
