"""The `watlowlib` command as a user runs it: in its own process and terminal, with Ctrl-C."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, redirect_stderr
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click
import pytest
import serial

import watlowlib
from watlowlib import AcquisitionSummary, EventKind, ProtocolKind, open_device
from watlowlib.cli import simulate
from watlowlib.cli.base import StderrHandler
from watlowlib.cli.discover import failure_lines
from watlowlib.cli.main import main
from watlowlib.cli.outputs import format_summary
from watlowlib.devices.discovery import Probe
from watlowlib.model import DeviceInfo
from watlowlib.protocol.modbus.frames import RtuFrame
from watlowlib.registry.parameters import PARAMETERS
from watlowlib.simulator import SimulatedBus, SimulatedController, SimulatedSD

COMMAND = [sys.executable, "-m", "watlowlib"]
HUNG_UP, INTERRUPTED, TERMINATED = 129, 130, 143


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words], cwd=cwd, capture_output=True, text=True, timeout=50, check=False
    )


class Terminal:
    """A terminal with the command running in it."""

    def __init__(self, *words: str, cwd: Path) -> None:
        self._screen, screen = os.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *words], cwd=cwd, stdin=screen, stdout=screen, stderr=screen,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        )  # fmt: skip
        os.close(screen)
        self.shown = ""

    def read_until(self, pattern: str) -> re.Match[str]:
        """Read the output until it matches `pattern`; fail if the command ends before."""
        while not (found := re.search(pattern, self.shown)):
            try:
                data = os.read(self._screen, 4096)
            except OSError:
                data = b""
            assert data, f"ended without {pattern!r}; shown: {self.shown}"
            self.shown += data.decode()
        return found

    def press_ctrl_c(self) -> None:
        self.send(signal.SIGINT)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> int:
        while True:
            try:
                data = os.read(self._screen, 4096)
            except OSError:
                break
            if not data:
                break
            self.shown += data.decode()
        return self.process.wait(20)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(20)
        os.close(self._screen)


@contextmanager
def terminal(*words: str, cwd: Path) -> Iterator[Terminal]:
    opened = Terminal(*words, cwd=cwd)
    try:
        yield opened
    finally:
        opened.close()


def count_rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute("SELECT count(*) FROM samples").fetchone()
        return int(count)


def test_record_writes_a_simulated_fleet_into_sqlite(tmp_path: Path) -> None:
    words = "record --simulate 3 --rate 3 --duration 2 -o run.sqlite".split()
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    output = re.search(
        r"run.sqlite: (\d+) rows written, 0 lost\n"
        r"3 controllers, \d+\.\d s, (\d+) ticks, (\d+) late, largest drift \d+\.\d ms, "
        r"0 of (\d+) reads without a value\n",
        done.stdout,
    )
    assert output, done.stdout
    rows, ticks, late, reads = map(int, output.groups())
    assert rows == reads == 6 * ticks == count_rows(tmp_path / "run.sqlite")
    assert ticks + late == 6
    with closing(sqlite3.connect(tmp_path / "run.sqlite")) as database:
        kinds = "SELECT DISTINCT device, parameter, unit, status FROM samples ORDER BY 1, 2"
        assert list(database.execute(kinds)) == [
            (f"oven_{n}", parameter, "°F", "ok")
            for n in (1, 2, 3)
            for parameter in ("process_value", "setpoint")
        ]


def test_record_writes_controllers_on_a_port_into_csv(bus: SimulatedBus, tmp_path: Path) -> None:
    words = (
        f"record {bus.port} --address 1,2 --rate 20 --duration 0.2 --parameter pv,7001 -o run.csv"
    )
    done = run(*words.split(), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    with (tmp_path / "run.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    first = [(row["device"], row["parameter"]) for row in rows[:4]]
    assert first == [
        (f"{address}@{bus.port.removeprefix('/dev/')}", parameter)
        for address in (1, 2)
        for parameter in ("process_value", "setpoint")
    ]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, INTERRUPTED),
        (signal.SIGTERM, TERMINATED),
        (signal.SIGHUP, HUNG_UP),
    ],
)
def test_signals_that_end_a_recording_keep_all_rows(number: int, code: int, tmp_path: Path) -> None:
    words = "record --simulate 2 --rate 20 --speed 10 -o run.sqlite".split()
    with terminal(*words, cwd=tmp_path) as screen:
        screen.read_until(r"[1-9]\d* rows")
        screen.send(number)
        assert screen.end() == code
        output = re.search(r"run.sqlite: (\d+) rows written", screen.shown)
    assert output, screen.shown
    assert int(output[1]) == count_rows(tmp_path / "run.sqlite") > 0
    assert "Traceback" not in screen.shown


OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, sys.argv[1:])"
)
"""Run a command as the program of its terminal, which gets SIGHUP when that is closed."""


def test_a_recording_whose_terminal_is_closed_keeps_all_rows(tmp_path: Path) -> None:
    words = "record --simulate 2 --rate 20 --speed 10 -o run.parquet".split()
    own, terminal_of_child = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", OWN_TERMINAL, *COMMAND, *words], cwd=tmp_path,
        stdin=terminal_of_child, stdout=terminal_of_child, stderr=terminal_of_child,
        start_new_session=True, env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )  # fmt: skip
    os.close(terminal_of_child)
    shown = b""
    while not re.search(rb"[1-9]\d* rows", shown):
        shown += os.read(own, 4096)
    os.close(own)
    try:
        assert process.wait(20) == HUNG_UP
    finally:
        process.kill()
        process.wait(20)
    assert {each.name for each in tmp_path.iterdir()} == {"run.parquet", "run.events.parquet"}
    assert len(list(watlowlib.read_samples(tmp_path / "run.parquet"))) > 0
    kinds = [each.kind for each in watlowlib.read_events(tmp_path / "run.parquet")]
    slow = EventKind.SLOTS_SKIPPED  # on a busy machine
    assert [each for each in kinds if each != slow] == ["recording_started", "recording_stopped"]


def test_a_program_that_ignores_sighup_keeps_recording(tmp_path: Path) -> None:
    words = ["nohup", *COMMAND, *"record --simulate 1 --rate 20 --duration 2 -o run.jsonl".split()]
    path = tmp_path / "run.jsonl"
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None and not (path.exists() and path.stat().st_size):
            pass  # look for the first row in the file
        process.send_signal(signal.SIGHUP)
        shown, _ = process.communicate(timeout=50)
    assert process.returncode == 0
    output = re.search(r" (\d+) ticks, (\d+) late", shown)
    assert output, shown
    assert int(output[1]) + int(output[2]) == 40


def test_a_second_sighup_does_not_interrupt_the_end(tmp_path: Path) -> None:
    words = "record --simulate 2 --rate 20 --speed 10 -o run.sqlite".split()
    with terminal(*words, cwd=tmp_path) as screen:
        screen.read_until(r"[1-9]\d* rows")
        for _ in range(50):
            screen.send(signal.SIGHUP)
        assert screen.end() == HUNG_UP
        output = re.search(r"run.sqlite: (\d+) rows written", screen.shown)
    assert output, screen.shown
    assert int(output[1]) == count_rows(tmp_path / "run.sqlite") > 0


def test_main_keeps_the_sigterm_handler_of_the_calling_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int] = []

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            signal.raise_signal(signal.SIGTERM)
            return super().write(text)

    monkeypatch.setattr(sys, "stdout", Screen())
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        assert main(["parameters", "setpoint"]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert set(seen) == {signal.SIGTERM}


def test_a_module_is_read_with_its_family_and_word_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    unit = SimulatedController(1, family="rmh", protocol="modbus_rtu")
    unit.set("alarm_high_setpoint", 321.0, 16)
    words = "--protocol modbus_rtu --family rmh --parameter alarm_high_setpoint --instance 16"
    with SimulatedBus([unit], baudrate=None, turnaround_s=0.0) as bus:
        assert main(["read", bus.port, *words.split()]) == 1
        assert "give word_order='low_high'" in capsys.readouterr().err
        assert main(["read", bus.port, *words.split(), "--word-order", "low_high"]) == 0
    assert re.search(r"alarm_high_setpoint +16 +321", capsys.readouterr().out)


def test_the_registers_of_a_family_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    for words, line in (
        ("rmh process_value", r" 4001 process_value .* 1\.\.16 .*; Modbus 380$"),
        ("rmh 7001", r"; Modbus 5220 \(from instance 2 not proven: read only\)$"),
        ("rmc heat_power", r" 8011 heat_power .*; Modbus -$"),
    ):
        family, text = words.split()
        main(["parameters", "--family", family, text])
        assert re.search(line, capsys.readouterr().out, re.M), words


def test_main_runs_outside_the_main_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(main, ["parameters", "setpoint"]).result(50) == 0


def test_the_summary_shows_the_monotonic_duration() -> None:
    start = datetime(2025, 1, 1, 12, tzinfo=timezone.utc)
    summary = AcquisitionSummary(start, start - timedelta(hours=1), 20, 0, 1.5, duration_s=9.5)
    assert format_summary([], summary, 1).startswith("1 controller, 9.5 s, 0 ticks, 0 late")


def test_the_log_handler_writes_to_the_current_stderr() -> None:
    handler = StderrHandler()
    with redirect_stderr(io.StringIO()) as bar:
        handler.handle(logging.makeLogRecord({"msg": "gone"}))
    assert bar.getvalue() == "gone\n"


def test_read_prints_one_line_per_value(bus: SimulatedBus, tmp_path: Path) -> None:
    words = f"read {bus.port} --address 1,2 --parameter setpoint,part_number --unit F"
    done = run(*words.split(), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    name = bus.port.removeprefix("/dev/")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["controller", "parameter", "instance", "value", "status"],
        [f"1@{name}", "setpoint", "1", "75.00", "°F", "ok"],
        [f"1@{name}", "part_number", "1", "PM3R1CA-AAAAAAA", "ok"],
        [f"2@{name}", "setpoint", "1", "75.00", "°F", "ok"],
        [f"2@{name}", "part_number", "1", "PM3R1CA-AAAAAAA", "ok"],
    ]


def test_parameters_are_listed_one_per_line(tmp_path: Path) -> None:
    done = run("parameters", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr, len(lines)) == (0, "", len(PARAMETERS))
    (setpoint,) = (line for line in lines if line.split()[1] == "setpoint")
    assert setpoint.split()[:7] == ["7001", "setpoint", "RWES", "1..2", "-1999", "to", "9999"]
    assert "(sp set_point " in setpoint


def test_parameters_lists_only_matching_parameters(tmp_path: Path) -> None:
    done = run("parameters", "proportional band", cwd=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["8009", "8012"]
    done = run("parameters", "--sd", "serial", cwd=tmp_path)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["7", "8"]
    done = run("parameters", "setpiont", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'setpoint'" in done.stderr


def test_read_fails_when_the_controller_does_not_reply(bus: SimulatedBus, tmp_path: Path) -> None:
    done = run("read", bus.port, "--address", "9", "--timeout", "0.05", cwd=tmp_path)
    assert done.returncode == 3
    assert "timeout" in done.stdout
    assert done.stderr.startswith("watlowlib: nothing could be read: no reply; is the")
    assert "address 9" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", [["simulate", "2"], ["simulate", "2", "--tcp"]])
def test_simulate_serves_other_programs(words: list[str], tmp_path: Path) -> None:
    with terminal(*words, cwd=tmp_path) as screen:
        port = screen.read_until(r"2 simulated controllers on (\S+); ")[1]
        with open_device(port, address=2) as ctl:
            assert ctl.read_setpoint().value == 200.0
        screen.read_until("Press Ctrl-C to end it")
        screen.press_ctrl_c()
        assert screen.end() == INTERRUPTED
    assert "Traceback" not in screen.shown


def test_the_nearest_options_are_a_sentence_of_their_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unknown(*arguments: object) -> None:
        # The form of some versions of click.
        raise click.UsageError("No such option '--unti'. (Did you mean '--unit'?)")

    monkeypatch.setattr("watlowlib.cli.main.COMMAND.invoke", unknown)
    assert main(["read"]) == 2
    error = "watlowlib: no such option '--unti'. Did you mean '--unit'? 'watlowlib --help'"
    assert capsys.readouterr().err.startswith(error)


def test_simulate_prints_the_ports_of_a_rig_as_one_json_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = tmp_path / "rig.toml"
    rig.write_text(
        '[ports.line1]\nport = "./line1"\n[controllers.a]\nport = "line1"\naddress = 2\n'
        '[ports.web]\nport = "tcp://other:502"\n[controllers.b]\nport = "web"\naddress = 3\n'
        '[ports.gw]\nport = "./gw"\nprotocol = "modbus_rtu"\n'
        '[controllers.c]\nport = "gw"\nzone = 1\n[controllers.d]\nport = "gw"\nzone = 2\n',
        "utf-8",
    )
    monkeypatch.setattr(simulate, "wait_for_event", lambda *arguments: True)
    assert main(["simulate", str(rig), "--json"]) == 0
    output = capsys.readouterr()
    line, server, gateway = json.loads(output.out)["ports"]
    port = str(tmp_path / "line1")
    assert line == {"name": "line1", "wanted": port, "port": port, "addresses": [2], "zones": []}
    assert (gateway["addresses"], gateway["zones"]) == ([1], [1, 2])
    assert (server["name"], server["wanted"], server["addresses"]) == (
        "web",
        "tcp://other:502",
        [3],
    )
    assert server["port"].startswith("tcp://127.0.0.1:")
    assert "Press Ctrl-C to end it." in output.err


@pytest.mark.parametrize(
    ("words", "request_", "reply"),
    [
        # The set point of slave 2 is 200 °F: 0000 4348 as a float, 200000 thousandths.
        ("--protocol modbus_rtu", "03 0870 0002", "03 04 0000 4348"),
        (
            "--protocol modbus_rtu --data-map 2 --word-order high_low",
            "03 0A50 0002",
            "03 04 4348 0000",
        ),
        ("--family sd", "03 001B 0002", "03 04 0003 0D40"),
    ],
)
def test_simulate_serves_modbus_masters(
    words: str, request_: str, reply: str, tmp_path: Path
) -> None:
    with terminal("simulate", "2", *words.split(), cwd=tmp_path) as screen:
        port = screen.read_until(r"2 simulated controllers on (\S+):\s")[1]
        screen.read_until("Modbus RTU, 9600 baud, slaves 1 2")
        with serial.Serial(port, timeout=20.0) as line:
            line.write(RtuFrame(2, bytes.fromhex(request_)).raw)
            expected = RtuFrame(2, bytes.fromhex(reply)).raw
            assert line.read(len(expected)) == expected
        screen.press_ctrl_c()
        assert screen.end() == INTERRUPTED


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("record --simulate 3 --parameter proces_value -o run.csv", 2, "mean 'process_value'"),
        ("record --simulate 3 --rate 0 -o run.csv", 2, "rate_hz=0.0: give a number above 0"),
        ("record --simulate 3 --duration 0 -o run.csv", 2, "duration=0.0"),
        ("record --simulate 3 --duration 8x -o run.csv", 2, "with s, m, h or d, such as 8h"),
        ("record --simulate 17 -o run.csv", 2, "one line has 1 to 16"),
        ("record --simulate 3 --speed 0 -o run.csv", 2, "speed=0.0"),
        ("record --simulate 3 -o run.xls", 2, "known are .csv, .jsonl, .sqlite"),
        ("record --simulate 3", 2, "give an output file, such as -o run.sqlite"),
        ("record -o run.csv", 2, "give a port"),
        ("record /dev/ttyUSB77 --simulate 3 -o run.csv", 2, "not both"),
        ("record /dev/ttyUSB77 --config rig.toml -o run.csv", 2, "a port or --config, not both"),
        ("record --config rig.toml", 2, "rig.toml: cannot be read"),
        ("record /dev/ttyUSB77 -o run.csv", 1, "there is no port '/dev/ttyUSB77'"),
        ("record /dev/ttyUSB77 --address 17 -o run.csv", 2, "address=17"),
        ("record /dev/ttyUSB77 --address 1-3 --name a,b -o run.csv", 2, "2 names for 3 addresses"),
        ("record /dev/ttyUSB77 --baudrate 5 -o run.csv", 2, "baudrate=5: allowed are"),
        ("record --simulate 1 -o nowhere/run.csv", 1, "there is no folder"),
        ("read", 2, "give a port"),
        ("read /dev/ttyUSB77", 1, "there is no port"),
        ("identify /dev/ttyUSB77", 1, "there is no port"),
        ("set /dev/ttyUSB77 setpoint", 2, "give PORT PARAMETER VALUE"),
        ("set /dev/ttyUSB77 setpoint 5", 1, "there is no port"),
        ("simulate 0", 2, "one line has 1 to 16"),
        ("simulate three", 2, "give a number of controllers or a rig file"),
        ("simulate rig.toml --tcp", 2, "a rig file decides about its controllers"),
        ("check rig.toml", 2, "rig.toml: cannot be read"),
        ("record /dev/ttyUSB77 -o run", 2, "'run': the file extension selects the format"),
        ("record /dev/ttyUSB77 --ratee 2 -o run.csv", 2, "no such option '--ratee'"),
        ("record /dev/ttyUSB77 --frob", 2, "no such option '--frob'"),
        ("raed /dev/ttyUSB77", 2, "no such command 'raed'. Did you mean 'read'? 'watlowlib"),
        ("read /dev/ttyUSB77 --address 1 2", 2, "a list has commas"),
        ("read socket://localhost", 2, "the port number is missing, as in socket://host:4001"),
        ("discover /dev/ttyUSB77 --address 5-1", 2, "give a number, or a list such as 1-3,5"),
        ("init nowhere/x -o nowhere/rig.toml", 1, "there is no such folder"),
        ("simulate 1 --family sd --data-map 1", 2, "leave out --protocol, --data-map"),
        ("simulate 1 --family sd --protocol stdbus", 2, "supports only Modbus RTU"),
    ],
)
def test_an_error_prints_one_line_and_leaves_no_file(
    words: str,
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == code
    output = capsys.readouterr().err
    assert message in output
    assert len(output.splitlines()) == 1
    assert output.startswith("watlowlib: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ["csv", "jsonl", "sqlite", "parquet"])
def test_a_file_in_another_format_is_named_and_not_changed(
    ending: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"run.{ending}"
    path.write_text('ab"c,d\nx,y\n' * 10)
    assert main(["record", "--simulate", "1", "--duration", "1", "-o", str(path)]) == 1
    assert f"Sink('{path}') " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == 'ab"c,d\nx,y\n' * 10


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["--help"], "Simulate controllers on a port for other programs"),
        (["record", "--help"], "Usage: watlowlib record [OPTIONS] [PORT]"),
        (["read", "-h"], "Usage: watlowlib read [OPTIONS] [PORT]"),
        (["--version"], watlowlib.__version__),
    ],
)
def test_help_and_version(words: list[str], shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert shown in capsys.readouterr().out


def test_discover_prints_controllers_and_the_reasons_for_failures(tmp_path: Path) -> None:
    slave = SimulatedController(3, protocol=ProtocolKind.MODBUS_RTU, data_map=2)
    with SimulatedBus([slave, 2], baudrate=None) as bus, SimulatedBus([], baudrate=None) as empty:
        port, silent = bus.port, empty.port
        words = ["--address", "1-3", "--baudrate", "9600", "--timeout", "0.5"]
        result = run("discover", port, silent, *words, cwd=tmp_path)
        failed = run("discover", silent, "/dev/nowhere", *words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    assert [port, "stdbus", "38400", "2", "pm", "200002", "PM3R1CA-AAAAAAA"] in rows
    assert [port, "modbus_rtu", "9600", "3", "pm", "200003", "map", "2,", "low_high"] in rows
    assert f"{silent}, stdbus at 38400 baud: no reply" in result.stdout
    assert slave.register_writes == []
    for label in (f"{port}, stdbus at 38400 baud", f"{silent}, modbus_rtu at 9600 baud"):
        assert result.stderr.splitlines().count(f"searching {label}") == 1
    assert failed.returncode == 3
    assert "no controller was found" in failed.stderr
    assert failed.stdout.count("/dev/nowhere: there is no port") == 1


def test_silence_is_named_only_on_a_port_without_controllers() -> None:
    stdbus, modbus = ProtocolKind.STDBUS, ProtocolKind.MODBUS_RTU
    found = Probe("COM1", stdbus, 38400, 1, DeviceInfo(1, stdbus))
    probes = [
        found,
        Probe("COM1", modbus, 9600, 1, reason="no reply"),
        Probe("COM1", modbus, 19200, 1, reason="only damaged frames", garbled=True),
        Probe("COM2", stdbus, 38400, 1, reason="no reply"),
    ]
    assert failure_lines(probes) == [
        "COM1, modbus_rtu at 19200 baud: only damaged frames",
        "COM2, stdbus at 38400 baud: no reply",
    ]


def test_read_over_modbus_and_with_protocol_auto(tmp_path: Path) -> None:
    slave = SimulatedController(3, protocol=ProtocolKind.MODBUS_RTU, setpoint=77.0)
    with SimulatedBus([slave, SimulatedSD(4)], baudrate=None) as bus:
        for words in (
            ["--protocol", "modbus_rtu", "--address", "3"],
            ["--protocol", "auto", "--address", "3", "--timeout", "0.5"],
            ["--protocol", "modbus_rtu", "--address", "4", "--family", "sd", "--baudrate", "9600"],
        ):
            result = run("read", bus.port, *words, cwd=tmp_path)
            assert result.returncode == 0, result.stderr
            assert re.search(r"setpoint +1 +7[57]\.00( °F)? +ok", result.stdout), result.stdout


@pytest.mark.parametrize(
    ("words", "frames"),
    [("-v read PORT", False), ("-vv read PORT", True), ("read PORT -vv", True)],
)
def test_vv_shows_each_frame(words: str, frames: bool) -> None:
    with SimulatedBus([1], baudrate=None) as bus:
        done = subprocess.run(
            [*COMMAND, *words.replace("PORT", bus.port).split()],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        port = bus.port
    assert done.returncode == 0, done.stderr
    assert (f"{port} address 1 sent 55 ff 05 10" in done.stderr) is frames
