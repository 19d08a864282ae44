"""Checks of a port without opening it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from watlowlib.diagnosis import port as checks
from watlowlib.diagnosis.findings import Result


@pytest.fixture
def pty() -> Iterator[str]:
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(slave)
    os.close(master)


def test_a_missing_port_suggests_a_near_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "port_names", lambda: ["/dev/ttyUSB0", "/dev/ttyS4"])
    finding = checks.check_name("/dev/ttyUSB77")
    assert finding.result is Result.PROBLEM
    assert "did you mean /dev/ttyUSB0?" in finding.advice
    assert "/dev/ttyS4" in finding.advice


def test_a_file_is_not_a_port(tmp_path: Path) -> None:
    file = tmp_path / "rig.toml"
    file.touch()
    assert checks.check_name(str(file)).found == "it is not a serial port"


@pytest.mark.parametrize(
    ("group", "members", "joined", "advice"),
    [
        ("dialout", [], False, "usermod -aG dialout $USER"),
        ("dialout", ["ann"], False, "log out and log in again"),
        ("root", [], False, "udev rule"),
        ("dialout", [], True, "getfacl"),
    ],
)
def test_a_missing_permission_names_the_group(
    group: str,
    members: list[str],
    joined: bool,
    advice: str,
    pty: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(pty).chmod(0o660)
    monkeypatch.setenv("USER", "ann")
    monkeypatch.setattr(os, "access", lambda *given: False)
    monkeypatch.setattr(checks, "_group_of", lambda port: (group, members, joined))
    finding = checks.check_permission(pty)
    assert finding.result is Result.PROBLEM
    assert f"the group {group}" in finding.found
    assert advice in finding.advice


def test_the_group_of_a_port_is_read(pty: str) -> None:
    import grp

    group = grp.getgrgid(Path(pty).stat().st_gid)
    assert checks._group_of(pty)[:2] == (group.gr_name, group.gr_mem)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_program_that_holds_the_port_is_named(pty: str) -> None:
    assert checks.check_users(pty).result is Result.OK
    # The program prints its line once the port is open, and ends when its input ends.
    code = f"port = open({pty!r}); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        finding = checks.check_users(pty)
        holder.communicate(b"\n")
    assert finding.result is Result.PROBLEM
    assert "python" in finding.found
    assert f"(pid {holder.pid})" in finding.found


@pytest.mark.parametrize(
    ("text", "result"),
    [("16\n", Result.WARNING), ("1\n", Result.OK), (None, Result.OK), ("x", Result.OK)],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a file of Linux")
def test_the_latency_timer_is_read(
    text: str | None, result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "ADAPTERS", tmp_path)
    (tmp_path / "ttyUSB77").mkdir()
    if text is not None:
        (tmp_path / "ttyUSB77" / "latency_timer").write_text(text, "ascii")
    finding = checks.check_latency("/dev/ttyUSB77")
    assert finding.result is result
    assert ("echo 1 | sudo tee" in finding.advice) == (result is Result.WARNING)
