"""Captures: all bytes of a port in a file of limited size."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from watlowlib import (
    WatlowConfigurationError,
    WatlowConnectionError,
    WatlowManager,
    WatlowTimeoutError,
    open_device,
)
from watlowlib._internal.clock import Deadline, parse_time
from watlowlib.errors import WatlowPortNotFoundError
from watlowlib.simulator import Fault, SimulatedBus
from watlowlib.transport import capture_file
from watlowlib.transport.capture import CapturedTransport
from watlowlib.transport.capture_file import CaptureFile, open_capture
from watlowlib.transport.capture_lines import read_capture
from watlowlib.transport.capture_options import CAPTURE_BYTES, CaptureOptions
from watlowlib.transport.scripted import ScriptedTransport

PATIENCE_S = 10.0
REQUEST = bytes.fromhex("55ff0510000006e8010301040101e399")
BLOCKED = "no space left"


@contextmanager
def capturing(path: Path, most_bytes: int = CAPTURE_BYTES) -> Iterator[CaptureFile]:
    file = open_capture(path, most_bytes)
    try:
        yield file
    finally:
        file.leave()


def whats(path: Path) -> list[str]:
    return [line.what for line in read_capture(path)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "wire.jsonl"


def test_a_capture_has_all_bytes_with_port_direction_and_times(
    bus: SimulatedBus, file: Path
) -> None:
    bus.faults.next_are(Fault.NOISE)
    with open_device(bus.port, timeout_s=PATIENCE_S, capture=file) as ctl:
        reading = ctl.read_pv()
    lines = list(read_capture(file))
    assert [line.what for line in lines][:3] == ["start", "opened", "sent"]
    assert lines[-1].what == "closed"
    assert lines[2].data == REQUEST
    received = b"".join(line.data for line in lines if line.what == "received")
    assert received.endswith(reading.raw)
    assert len(received) > len(reading.raw)  # the noise
    assert {line.port for line in lines[1:]} == {bus.port}
    assert {line.fields["protocol"] for line in lines[1:]} == {"stdbus"}
    offsets = [line.fields["t"] for line in lines]
    assert offsets == sorted(offsets)
    times = [parse_time(line.fields["utc"]) for line in lines]
    elapsed_s = (times[-1] - times[0]).total_seconds()
    assert elapsed_s == pytest.approx(offsets[-1] - offsets[0], abs=1.0)


def test_bytes_after_a_timeout_are_stale(file: Path) -> None:
    transport = CapturedTransport(ScriptedTransport(lambda data: []), CaptureOptions(file))
    transport.open()
    transport.write(b"\x01")
    assert transport.read(Deadline.after(0.0)) == b""
    transport.captured.feed(b"\x02")  # type: ignore[attr-defined]
    assert transport.read(Deadline(0.0)) == b"\x02"
    transport.write(b"\x03")
    transport.close()
    lines = [(each.what, each.data, each.fields.get("stale")) for each in read_capture(file)]
    assert lines[2:6] == [
        ("sent", b"\x01", None),
        ("timeout", b"", None),
        ("received", b"\x02", True),
        ("sent", b"\x03", None),
    ]


def test_failures_of_the_port_are_in_the_capture(file: Path) -> None:
    with pytest.raises(WatlowPortNotFoundError):
        open_device("/dev/ttyUSB77", capture=file)
    (line,) = [each for each in read_capture(file) if each.what == "failed"]
    assert (line.fields["call"], line.fields["error"]) == ("open", "WatlowPortNotFoundError")
    assert "/dev/ttyUSB77" in line.fields["message"]


def test_the_two_files_stay_below_the_limit_and_have_the_newest_lines(file: Path) -> None:
    count = 2_000
    with capturing(file, 100_000) as capture:
        for number in range(count):
            capture.add({"what": "sent", "port": "p", "raw": number.to_bytes(4, "big")})
    older = file.with_name("wire.jsonl.1")
    assert 50_000 < file.stat().st_size + older.stat().st_size <= 100_000
    numbers = [int.from_bytes(line.data, "big") for line in read_capture(file)]
    assert numbers == list(range(numbers[0], count))
    assert len(numbers) > 500
    assert sorted(each.name for each in file.parent.iterdir()) == ["wire.jsonl", "wire.jsonl.1"]


def test_a_disk_that_does_not_respond_delays_nothing_and_drops_are_counted(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, blocked, write = threading.Event(), threading.Event(), CaptureFile._write

    def slow(self: CaptureFile, data: bytes) -> None:
        blocked.set()
        assert release.wait(PATIENCE_S)
        write(self, data)

    monkeypatch.setattr(CaptureFile, "_write", slow)
    monkeypatch.setattr(capture_file, "MOST_QUEUED", 10)
    transport = CapturedTransport(ScriptedTransport(lambda data: []), CaptureOptions(file))
    transport.open()
    assert blocked.wait(PATIENCE_S)
    for _ in range(100):  # each would wait for the disk
        transport.write(b"\x01")
    assert not release.is_set()
    release.set()
    transport.close()
    lines = list(read_capture(file))
    (dropped,) = [line.fields["count"] for line in lines if line.what == "dropped"]
    assert [line.what for line in lines].count("sent") == 10
    assert dropped == 91  # 90 requests, and "closed"


def test_lines_that_a_full_disk_refuses_are_counted_once_there_is_room(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused, write = threading.Event(), CaptureFile._write

    def full(self: CaptureFile, data: bytes) -> None:
        if not data:
            return
        self._file.write(data[:20])
        self._torn = True
        refused.set()
        raise OSError(28, BLOCKED)

    monkeypatch.setattr(CaptureFile, "_write", full)
    with capturing(file) as capture:
        assert refused.wait(PATIENCE_S)
        monkeypatch.setattr(CaptureFile, "_write", write)
        capture.add({"what": "sent", "port": "p", "raw": b"\x01"})
    messages: list[str] = []
    lines = list(read_capture(file, messages.append))
    # "start" was refused.
    assert [(line.what, line.fields.get("count")) for line in lines] == [
        ("dropped", 1),  # in their place, not after what was captured later
        ("sent", None),
    ]
    assert len(messages) == 1
    assert "line 1 is damaged" in messages[0]
    assert BLOCKED in caplog.text


def test_a_failed_rotation_is_tried_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed, opened = threading.Event(), capture_file._opened

    def refuse(path: Path) -> FileIO:
        failed.set()
        raise PermissionError(13, "Permission denied")

    with capturing(file, 100_000) as capture:
        monkeypatch.setattr(capture_file, "_opened", refuse)
        for _ in range(5):  # the file has room for four
            capture.add({"what": "sent", "port": "p", "raw": bytes(4000)})
        assert failed.wait(PATIENCE_S)
        monkeypatch.setattr(capture_file, "_opened", opened)
        capture.add({"what": "sent", "port": "p", "raw": b"\x01"})  # it has room for this one
    assert whats(file) == ["start", *["sent"] * 4, "dropped", "sent"]
    assert "cannot be written now" in caplog.text


def test_the_name_of_a_capture_may_become_another_file(file: Path) -> None:
    """Its writer closes it, although the name leads elsewhere now."""
    with capturing(file):
        file.rename(file.with_name("moved.jsonl"))
        file.symlink_to(file.with_name("moved.jsonl"))
    with capturing(file.with_name("moved.jsonl")):  # it is no longer in use
        pass


WRITER = """
import sys
from pathlib import Path
from watlowlib.transport.capture import CapturedTransport
from watlowlib.transport.capture_options import CaptureOptions
from watlowlib.transport.scripted import ScriptedTransport

file = Path(sys.argv[1])
transport = CapturedTransport(ScriptedTransport(lambda data: []), CaptureOptions(file))
transport.open()
transport.write(bytes(3))
print("sent", flush=True)
sys.stdin.read()
"""


def test_a_killed_program_leaves_what_was_flushed_and_a_torn_line_is_left_out(file: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        deadline = Deadline.after(PATIENCE_S)
        while b'"sent"' not in file.read_bytes():
            assert not deadline.passed()
        with pytest.raises(
            WatlowConfigurationError, match="another program or a sink writes this file"
        ):
            open_capture(file, CAPTURE_BYTES)
        os.kill(writer.pid, signal.SIGKILL)
    assert whats(file) == ["start", "opened", "sent"]
    with file.open("ab") as torn:
        torn.write(b'{"utc": "2026-')
    with capturing(file):
        pass
    messages: list[str] = []
    lines = list(read_capture(file, messages.append))
    assert [line.what for line in lines] == ["start", "opened", "sent", "start"]
    assert messages == [f"{str(file)!r}: line 4 is damaged, and left out"]


def test_two_ports_share_a_file_and_both_controllers_of_a_port_its_capture(file: Path) -> None:
    with SimulatedBus([1, 2]) as one, SimulatedBus([1]) as other, WatlowManager() as manager:
        manager.add("a", one.port, address=1, capture=file)
        manager.add("b", one.port, address=2, capture=file)
        manager.add("c", one.port, address=2 + 1)  # shares it
        manager.add("d", other.port, capture=file)
        with pytest.raises(WatlowConfigurationError, match="already open with the capture .*wire"):
            open_device(one.port, address=4, capture=file.with_name("second.jsonl"))
        with pytest.raises(WatlowConfigurationError, match=r"is being written with 50000000"):
            with SimulatedBus([1]) as third:
                open_device(third.port, capture=file, capture_bytes=100_000)
        opened = {one.port, other.port}
    lines = [line for line in read_capture(file) if line.what == "opened"]
    assert {line.port for line in lines} == opened
    assert len(lines) == 2


def test_a_capture_after_the_port_was_opened_without_one_is_refused(
    bus: SimulatedBus, file: Path
) -> None:
    with open_device(bus.port), pytest.raises(WatlowConfigurationError, match="without a capture"):
        open_device(bus.port, address=2, capture=file)
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"capture": ""}, "give a file, such as"),
        ({"capture": 3}, "capture=3: give a file"),
        ({"capture": "no/such/folder/w.jsonl"}, "No such file or directory; give a file in a"),
        ({"capture": "."}, "this is a folder or a device; give the name of a file"),
        ({"capture": "/dev/null"}, "this is a folder or a device"),
        ({"capture": "w.jsonl", "capture_bytes": 10}, "capture_bytes=10: give the most bytes"),
    ],
)
def test_a_wrong_capture_is_refused(
    arguments: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WatlowConfigurationError, match=message):
        open_device(ScriptedTransport(lambda data: []), **arguments)


@pytest.mark.parametrize("name", ["wire.jsonl", "wire.jsonl.1"])
def test_a_file_of_other_contents_is_neither_changed_nor_replaced(
    name: str, tmp_path: Path, file: Path
) -> None:
    other = tmp_path / name
    other.write_text("time,value\n1,2\n", "utf-8")
    with pytest.raises(WatlowConfigurationError, match="exists and is no capture; give another"):
        open_device(ScriptedTransport(lambda data: []), capture=file)
    assert other.read_text("utf-8") == "time,value\n1,2\n"
    assert list(tmp_path.iterdir()) == [other]


def test_passwords_in_messages_are_masked(file: Path) -> None:
    class Failing(ScriptedTransport):
        def open(self) -> None:
            raise WatlowConnectionError("socket://ann:hunter22@host cannot be opened")

    with pytest.raises(WatlowConnectionError):
        open_device(Failing(lambda data: []), capture=file)
    assert "hunter22" not in file.read_text("utf-8")
    assert "cannot be opened" in file.read_text("utf-8")


def test_a_long_portion_has_several_lines(file: Path) -> None:
    data = bytes(10_000)
    transport = CapturedTransport(ScriptedTransport(lambda _: [data]), CaptureOptions(file))
    transport.open()
    transport.write(b"\x01")
    assert transport.read(Deadline(0.0)) == data
    transport.close()
    received = [line.data for line in read_capture(file) if line.what == "received"]
    assert b"".join(received) == data
    assert len(max(file.read_bytes().splitlines(), key=len)) < 13_000


def test_damaged_lines_are_reported_together(file: Path) -> None:
    good = {"utc": "2026-03-01T08:00:00Z", "t": 1.5, "what": "timeout", "port": "p"}
    wrong: list[dict[str, Any]] = [
        {"raw": "5"},
        {"raw": 5},
        {"t": "1"},
        {"t": 10**400},
        {"utc": "now"},
        {"utc": "2026-03-01T08:00:00"},
        {"what": None},
        {"port": 3},
    ]
    texts = ["", "[]", "x" * 200_000, *(json.dumps(good | each) for each in wrong)]
    file.write_text("\n".join([json.dumps(good), *texts, json.dumps(good), "{"]), "utf-8")
    messages: list[str] = []
    assert [line.number for line in read_capture(file, messages.append)] == [1, 13]
    assert messages == [
        f"{str(file)!r}: lines 2 to 12 are damaged, and left out",
        f"{str(file)!r}: line 14 is damaged, and left out",
    ]


def test_a_file_that_is_no_capture_is_refused(file: Path) -> None:
    file.write_text("a,b\n1,2\n", "utf-8")
    with pytest.raises(WatlowConfigurationError, match="has no line of a capture; give a file"):
        list(read_capture(file))
    line = {"utc": "2026-03-01T08:00:00Z", "t": 0, "what": "start", "format": 2}
    file.write_text(json.dumps(line), "utf-8")
    with pytest.raises(WatlowConfigurationError, match="has format 2.*update watlowlib"):
        list(read_capture(file))


def test_a_timeout_is_in_the_capture(file: Path) -> None:
    with open_device(ScriptedTransport(lambda data: []), retries=0, capture=file) as ctl:
        with pytest.raises(WatlowTimeoutError):
            ctl.read_pv()
    assert whats(file) == ["start", "opened", "sent", "timeout", "closed"]
