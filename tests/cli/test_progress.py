"""The live view of `watlowlib record` on a real terminal, and the sinks that it watches."""

from __future__ import annotations

import fcntl
import io
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path

import pyte
import pytest
from rich.console import Console

from watlowlib import InMemorySink, Sample, WatlowManager, WatlowSinkError, pipe, record
from watlowlib.cli.progress import Progress, WatchedSink
from watlowlib.simulator import SimulatedBus


def final_screen(*words: str, size: tuple[int, int], cwd: Path) -> list[str]:
    """Run the command in a terminal of `size`; return what is on its screen at the end."""
    width, height = size
    own, screen_of_child = os.openpty()
    fcntl.ioctl(screen_of_child, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "watlowlib", *words], cwd=cwd, env=environment,
        stdin=screen_of_child, stdout=screen_of_child, stderr=screen_of_child,
        start_new_session=True,
    )  # fmt: skip
    os.close(screen_of_child)
    screen = pyte.Screen(width, height)
    stream = pyte.ByteStream(screen)
    try:
        while data := _read(own):
            stream.feed(data)
        assert process.wait(20) == 0, screen.display
    finally:
        process.kill()
        process.wait(20)
        os.close(own)
    return [line.rstrip() for line in screen.display]


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: the command has ended
        return b""


@pytest.mark.parametrize(
    ("size", "count", "lines"),
    [
        ((80, 20), 16, 12),
        ((80, 24), 3, 6),
        ((160, 50), 16, 32),
    ],
)
def test_the_final_state_stays_on_the_screen(
    size: tuple[int, int], count: int, lines: int, tmp_path: Path
) -> None:
    words = f"record --simulate {count} --rate 5 --speed 20 --duration 1 --output run.csv".split()
    screen = final_screen(*words, size=size, cwd=tmp_path)
    (status,) = (line for line in screen if line.startswith("recording "))
    assert re.match(r"recording 100% 0:00:0\d  [1-9]\d* ticks, \d+ late, [1-9]\d* rows", status)
    (sink,) = (line for line in screen if "unwritten" in line)
    with (tmp_path / "run.csv").open(encoding="utf-8") as file:
        rows = len(file.readlines()) - 1
    assert f"run.csv: {rows} written, 0 unwritten, 0 waiting" in sink
    below = screen[screen.index(status) :]  # above it are the replies of the controllers
    body = [line for line in below if line.startswith("oven_")]
    assert len(body) == lines
    for line in body:
        assert re.search(r" \d+\.\d\d °F .* ok$", line)
    assert "".join(screen).count(" late, largest drift") == 1


class FullDisk:
    def __repr__(self) -> str:
        return "FullDisk"

    def open(self) -> None:
        pass

    def write_many(self, samples: Sequence[Sample]) -> None:
        raise OSError("no space left")

    def close(self) -> None:
        pass


def test_each_sink_has_its_own_counters(bus: SimulatedBus) -> None:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    memory = InMemorySink()
    with WatlowManager() as manager, memory:
        manager.add("oven", bus.port, address=1)
        recording = record(manager, parameters=["setpoint"], rate_hz=50, duration=0.2)
        with recording as stream, Progress(console, stream) as progress:
            sinks = [WatchedSink(memory, progress), WatchedSink(FullDisk(), progress)]
            with pytest.raises(WatlowSinkError):
                pipe(stream, *sinks, batch_size=1)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    rows = len(memory.samples)
    assert rows
    assert f"<InMemorySink of 0 samples>: {rows} written, 0 unwritten, 0 waiting\n" in shown
    assert f"! FullDisk: 0 written, 0 unwritten, 0 waiting, {rows} lost  ! no space left" in shown
    assert shown.count("setpoint 1") == 1


def test_rows_not_written_yet_are_counted_while_the_recording_runs(bus: SimulatedBus) -> None:
    console = Console(file=io.StringIO(), width=100, color_system=None)
    with WatlowManager() as manager, InMemorySink() as memory:
        manager.add("oven", bus.port, address=1)
        with record(manager, parameters=["setpoint"], rate_hz=50, duration=0.1) as stream:
            batches = list(stream)
            sink = WatchedSink(memory, Progress(console, stream))
            sink.write_many(batches[0])
            output = sink.output(stream.summary)
    assert (output.report.rows_written, output.unwritten) == (1, len(batches) - 1)
    assert output.report.error is None


def test_the_error_of_a_sink_is_shown_while_the_recording_runs(bus: SimulatedBus) -> None:
    console = Console(file=io.StringIO())
    with WatlowManager() as manager:
        manager.add("oven", bus.port, address=1)
        stream = record(manager, parameters=["setpoint"], rate_hz=1, duration=1)
        sink = WatchedSink(FullDisk(), Progress(console, stream))
        with pytest.raises(OSError, match="no space left"):
            sink.write_many([])
        assert sink.output(stream.summary).report.error == "no space left"
