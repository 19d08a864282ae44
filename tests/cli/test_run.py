"""`watlowlib run` and the commands that reach it while it runs."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.views.web.viewer import free_port, request
from watlowlib import attach, read_samples
from watlowlib._internal.clock import Deadline
from watlowlib.cli.base import StderrHandler
from watlowlib.cli.main import main
from watlowlib.errors import WatlowConfigurationError, WatlowConnectionError
from watlowlib.service.recorder import RigService
from watlowlib.simulator import SimulatedBus

PATIENCE_S = 60.0

RIG = """
[ports.line1]
port = "./line1"
[controllers.top]
port = "line1"
[record]
rate_hz = 20.0
parameters = ["setpoint"]
[[record.sinks]]
url = "run.csv"
[[rules]]
name = "always"
when = "top.setpoint > -1000"
command = ["echo", "paged for {device}"]
"""


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tempfile.mkdtemp(prefix="wl-")  # its path is short enough for a socket
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    path = tmp_path / "rig.toml"
    path.write_text(RIG, "utf-8")
    log = logging.getLogger("watlowlib")
    level = log.level
    yield path
    log.setLevel(level)  # `run` prints the log from INFO on
    shutil.rmtree(folder)


def wait_until_recorded(rig: Path, process: subprocess.Popen[str], text: str) -> None:
    """Wait until the status of the service contains `text`."""
    deadline = Deadline.after(PATIENCE_S)
    while True:
        try:
            if text in json.dumps(attach(rig).status()["controllers"]):
                return
        except WatlowConnectionError:
            assert process.poll() is None, process.communicate()
        assert not deadline.passed()


@pytest.mark.skipif(os.name == "nt", reason="no ptys and no SIGHUP")
def test_a_service_records_reloads_answers_and_ends_with_a_flush(
    rig: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    command = [sys.executable, "-m", "watlowlib", "run", str(rig), "--service"]
    command += ["--metrics", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until_recorded(rig, process, '"top": "disconnected"')
            with SimulatedBus([1, 2], baudrate=None, turnaround_s=0.0, link=tmp_path / "line1"):
                wait_until_recorded(rig, process, '"top": "ok"')
                more = RIG.replace(
                    "[record]", '[controllers.new]\nport = "line1"\naddress = 2\n[record]'
                )
                rig.write_text(more, "utf-8")
                process.send_signal(signal.SIGHUP)
                wait_until_recorded(rig, process, '"new": "ok"')

                assert main(["read", "--config", str(rig), "--name", "new"]) == 0
                assert (
                    main(["set", "--config", str(rig), "--name", "new", "setpoint", "80", "--yes"])
                    == 0
                )
                output = capsys.readouterr()
                assert "through the service" in output.err
                assert output.out.splitlines()[-1].startswith("new: 80 (setpoint")
                assert main(["latest", str(rig), "--json"]) == 0
                rows = map(json.loads, capsys.readouterr().out.splitlines())
                assert {each["device"] for each in rows} == {"top", "new"}
                assert main(["status", str(rig)]) == 0
                output = capsys.readouterr()
                assert f"pid {process.pid} records {rig}" in output.out
                # The port was missing at first.
                assert re.search(r"top: ok; reads: [\d,]+ disconnected, [\d,]+ ok", output.out)
                assert re.search(r"largest drift \d+\.\d ms", output.out)
                assert "rule always: active, fired once, last at" in output.out
                metrics = request(f"http://127.0.0.1:{port}/metrics")[2].decode()
                assert 'watlowlib_value{controller="new",parameter="setpoint"' in metrics
                assert f'watlowlib_sink_rows_lost_total{{sink="{tmp_path}/run.csv"}} 0' in metrics
                assert main(["check", str(rig)]) == 1
                assert "stop the recording" in capsys.readouterr().err
                assert main(["run", str(rig)]) == 1
                assert f"pid {process.pid}" in capsys.readouterr().err
                rig.write_text(RIG.replace("setpoint", "setpiont"), "utf-8")
                assert main(["reload", str(rig)]) == 2
                assert "did you mean" in capsys.readouterr().err
                assert main(["read", "--config", str(tmp_path / "none.toml")]) == 2
                process.send_signal(signal.SIGTERM)
                _, errors = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == 143
    assert f"{rig} is recorded: controllers top; outputs {tmp_path}/run.csv" in errors
    assert "rows written, 0 lost" in errors
    assert "rule always: the command has ended; it printed: paged for top" in errors
    rows = list(read_samples(tmp_path / "run.csv"))
    numbers = [each["tick"] for each in rows if each["device"] == "top"]
    assert (
        len(numbers) == len(set(numbers)) == len([each for each in rows if each["device"] == "top"])
    )
    assert f"run.csv: {len(rows)} rows written" in errors
    assert main(["status", str(rig)]) == 1


@pytest.mark.skipif(os.name == "nt", reason="no SIGHUP")
def test_a_hangup_during_the_start_does_not_end_a_service(
    rig: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> None:
        signal.raise_signal(signal.SIGHUP)
        raise WatlowConfigurationError("continued")

    monkeypatch.setattr("watlowlib.service.recorder.Fleet", fail)
    assert main(["run", str(rig), "--service"]) == 2
    assert "continued" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process")
def test_a_second_signal_does_not_interrupt_the_flush(
    rig: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    close = RigService._close_writers

    def close_under_signals(service: RigService) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
        close(service)
        closed.append(all(not each.worker.alive for each in service._writers))

    closed: list[bool] = []
    monkeypatch.setattr(RigService, "_close_writers", close_under_signals)
    monkeypatch.setattr(RigService, "wait", lambda service: signal.raise_signal(signal.SIGTERM))
    assert main(["run", str(rig), "--service"]) == 143
    assert "run.csv: " in (said := capsys.readouterr().err)
    assert ", 0 lost\n" in said
    assert closed == [True]


class FullDisk(io.StringIO):
    """A file on a full disk."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process")
def test_a_log_that_cannot_be_written_does_not_end_the_recorder(
    rig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(service: RigService) -> None:
        logging.getLogger("watlowlib").error("the disk is full")
        signal.raise_signal(signal.SIGTERM)

    handler = StderrHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    monkeypatch.setattr(sys, "stderr", FullDisk())
    monkeypatch.setattr(RigService, "wait", wait)
    assert main(["run", str(rig)]) == 143
