"""The benchmark of faults: its judgement of values, a short run, and Ctrl-C."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.peer import KINDS, SOURCES, FaultyLine, NumberingControllers
from watlowlib.protocol.modbus.frames import RtuFrame

BENCHMARK = Path(__file__).parent.parent / "benchmarks" / "faults.py"
DEADLINE_S = 50


def read_over_modbus(controllers: NumberingControllers, address: int, register: int) -> float:
    """Return the value in the only reply to a read."""
    request = RtuFrame(address, struct.pack(">BHH", 3, register, 2)).raw
    ((_, reply),) = controllers.receive(0.0, request)
    low, high = struct.unpack(">HH", reply[3:7])
    (value,) = struct.unpack(">f", struct.pack(">HH", high, low))
    return float(value)


def test_a_value_is_right_for_its_own_read_only() -> None:
    controllers = NumberingControllers("modbus_rtu", FaultyLine("none", 0.0, 0.0))
    source, other_controller, other_parameter = SOURCES[0], SOURCES[1], SOURCES[2]
    value = read_over_modbus(controllers, source.address, source.register)
    assert controllers.requests == 1
    assert controllers.classify(value, source, 0) == "right"
    assert controllers.classify(value, source, 1) == "stale"
    assert controllers.classify(value, other_controller, 0) == "wrong"
    assert controllers.classify(value, other_parameter, 0) == "wrong"
    assert controllers.classify(value + 1, source, 0) == "wrong"  # never sent
    assert controllers.classify(float("nan"), source, 0) == "wrong"


def test_only_the_last_two_kinds_of_fault_change_the_order_of_the_replies() -> None:
    for kind in KINDS:
        line = FaultyLine(kind, 0.5, 3.0)
        times = [line.arrivals(n / 1000, b"request", b"reply", b"")[-1][0] for n in range(100)]
        assert (times == sorted(times)) == (kind in KINDS[:-2]), kind


@contextmanager
def started(*options: str) -> Iterator[subprocess.Popen[str]]:
    """Yield the running benchmark; kill it and its processes if the body fails."""
    with subprocess.Popen(
        [sys.executable, str(BENCHMARK), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


@pytest.mark.skipif(sys.platform == "win32", reason="there are no ptys")
def test_a_short_run_counts_each_read() -> None:
    options = ("--reads", "5", "--library", "watlowlib", "--kind", "none", "--timeout", "5")
    with started(*options) as process:
        output, errors = process.communicate(timeout=DEADLINE_S)
    assert errors == ""
    rows = [line.split() for line in output.splitlines()]
    assert rows[0][3:7] == ["accepted", "wrong", "stale", "refused"]
    assert rows[1][:7] == ["none", "modbus_rtu", "watlowlib", "5", "0", "0", "0"]
    assert rows[2][:6] == ["stdbus", "watlowlib", "5", "0", "0", "0"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no ptys")
def test_ctrl_c_ends_a_run_without_a_traceback() -> None:
    with started("--reads", "100000", "--kind", "none") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("kind")
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert errors == ""
