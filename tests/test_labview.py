"""`watlowlib.labview` as LabVIEW uses it: in another process, by path and name, over a pipe."""

from __future__ import annotations

import inspect
import json
import math
import queue
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import watlowlib.labview
from watlowlib import read_events
from watlowlib._internal.clock import Deadline
from watlowlib.simulator import SimulatedBus, SimulatedController

MODULE = Path(watlowlib.labview.__file__)
GUIDE = Path(__file__).parents[1] / "docs" / "labview.md"
PATIENCE_S = 40.0

SESSION = """
import importlib.util, json, queue, sys, threading

spec = importlib.util.spec_from_file_location("called_by_path", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
output_lock = threading.Lock()


def plain(value):
    assert type(value) in (int, float, str, bool, list, tuple, type(None)), repr(value)
    if isinstance(value, tuple):
        return {"cluster": [plain(each) for each in value]}
    return [plain(each) for each in value] if isinstance(value, list) else value


def serve(calls):
    while True:
        number, name, arguments = calls.get()
        try:
            reply = {"number": number, "result": plain(getattr(module, name)(*arguments))}
        except Exception as error:
            reply = {"number": number, "error": str(error), "kind": type(error).__name__}
        with output_lock:
            print(json.dumps(reply), flush=True)


queues = [queue.Queue() for _ in range(2)]
for calls in queues:
    threading.Thread(target=serve, args=(calls,), daemon=True).start()
for line in sys.stdin:
    number, thread, name, arguments = json.loads(line)
    queues[thread].put((number, name, arguments))
"""


class DialogError(Exception):
    """An error that LabVIEW would show in its dialog."""


def unpack(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(unpack(each) for each in value["cluster"])
    return [unpack(each) for each in value] if isinstance(value, list) else value


class Session:
    """A Python session like LabVIEW's: calls by name, plain values, two threads."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SESSION, str(MODULE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()
        self._replies: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._reader = threading.Thread(target=self._read_replies, daemon=True)
        self._reader.start()

    def _read_replies(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            reply = json.loads(line)
            self._replies[reply["number"]].put(reply)

    def call(self, name: str, *arguments: object, thread: int = 0) -> Any:
        assert self.process.stdin is not None
        with self._lock:
            number = len(self._replies)
            self._replies[number] = queue.Queue()
            self.process.stdin.write(json.dumps([number, thread, name, arguments]) + "\n")
            self.process.stdin.flush()
        reply = self._replies[number].get(timeout=PATIENCE_S)
        if "error" in reply:
            assert reply["kind"] == "LabviewError"
            raise DialogError(reply["error"])
        return unpack(reply["result"])

    def open(self, line: SimulatedBus, address: float = 1) -> int:
        """Open a controller with a timeout that is long enough for a busy machine."""
        handle = self.call("open_controller", line.port, address, "stdbus", "F", "", 0, PATIENCE_S)
        assert type(handle) is int
        return handle

    def end(self) -> int:
        """Close the session and return the exit code of its process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()
        return code


@contextmanager
def open_session() -> Iterator[Session]:
    session = Session()
    try:
        yield session
    finally:
        if session.process.poll() is None:
            session.process.kill()
        session.end()


@pytest.fixture
def session() -> Iterator[Session]:
    with open_session() as running:
        yield running


@pytest.fixture
def line() -> Iterator[SimulatedBus]:
    ovens = [SimulatedController(1, setpoint=75.0), SimulatedController(2, setpoint=80.0)]
    with SimulatedBus(ovens, baudrate=None, turnaround_s=0.0) as bus:
        yield bus


def test_a_controller_is_opened_read_written_and_closed(
    session: Session, line: SimulatedBus
) -> None:
    assert session.call("version") == watlowlib.__version__
    oven = session.open(line, 1.0)  # a DBL for an I32
    assert session.call("read", oven, "setpoint", 1) == (75.0, "ok")
    assert session.call("set_setpoint", oven, 90.0, 1, True) == 90.0
    assert line.controllers[1].get("setpoint") == 90.0
    values, statuses = session.call("read_many", oven, ["setpoint", "setpoint", "7001"])
    assert (values, statuses) == ([90.0] * 3, ["ok"] * 3)
    assert session.call("write_text", oven, "control_mode", "Manual", 1, True) == "Manual"
    assert session.call("read_text", oven, "control_mode") == ("Manual", "ok")
    assert session.call("write", oven, "control_mode", 62.0, 1, True) == 62.0
    assert session.call("read_text", oven, "control_mode")[0] == "Off"
    assert session.call("close", oven) is None
    with pytest.raises(
        DialogError, match=f"watlowlib read: handle {oven} is not an open controller"
    ):
        session.call("read", oven, "setpoint", 1)


def test_a_read_without_a_value_gives_nan_and_a_status(
    session: Session, line: SimulatedBus
) -> None:
    absent = session.call("open_controller", line.port, 9, "stdbus", "", "", 0, 0.1)
    value, status = session.call("read", absent, "pv", 1)
    assert (math.isnan(value), status) == (True, "timeout")
    assert session.call("read_text", absent, "control_mode", 1) == ("", "timeout")
    oven = session.open(line)
    value, status = session.call("read", oven, "heat_power", 2)
    assert (math.isnan(value), status) == (True, "no_such_instance")
    value, status = session.call("read", oven, "part_number", 1)
    assert (math.isnan(value), status) == (True, "text")


def test_error_messages_refer_to_terminals(session: Session, line: SimulatedBus) -> None:
    oven = session.open(line)
    with pytest.raises(DialogError, match="watlowlib set_setpoint: .*wire TRUE to confirm"):
        session.call("set_setpoint", oven, 90.0, 1, False)
    assert line.controllers[1].get("setpoint") == 75.0
    with pytest.raises(DialogError, match="did you mean 'process_value'"):
        session.call("read", oven, "proces_value", 1)
    with pytest.raises(DialogError, match="confirm='FALSE': wire TRUE or FALSE"):
        session.call("set_setpoint", oven, 90.0, 1, "FALSE")
    with pytest.raises(DialogError, match="watlowlib write: .*62.5"):
        session.call("write", oven, "control_mode", 62.5, 1, True)
    with pytest.raises(DialogError, match=r"instance=1\.5: wire a whole number"):
        session.call("read", oven, "pv", 1.5)
    with pytest.raises(DialogError, match="watlowlib open_controller: .*/dev/nowhere"):
        session.call("open_controller", "/dev/nowhere")
    with pytest.raises(DialogError, match="is not an open recording"):
        session.call("recording_status", oven)
    with pytest.raises(DialogError, match="TypeError"):
        session.call("read")


@pytest.mark.parametrize("value", [True, "80", None, math.inf])
def test_a_value_that_is_not_a_number_is_refused(
    session: Session, line: SimulatedBus, value: object
) -> None:
    oven = session.open(line)
    with pytest.raises(DialogError, match=f"watlowlib write: value={value!r}: wire a number"):
        session.call("write", oven, "setpoint", value, 1, True)
    with pytest.raises(
        DialogError, match=f"watlowlib set_setpoint: value={value!r}: wire a number"
    ):
        session.call("set_setpoint", oven, value, 1, True)
    assert line.controllers[1].get("setpoint") == 75.0


def test_unwired_inputs_have_defaults(session: Session, line: SimulatedBus) -> None:
    oven = session.call("open_controller", line.port, 1, "", "", "", 0, 0.0, "")
    assert session.call("read", oven, "setpoint") == (75.0, "ok")
    with pytest.raises(DialogError, match="port='': give a name"):
        session.call("open_controller", "")
    with pytest.raises(DialogError, match="address=True: wire a whole number"):
        session.call("open_controller", line.port, True)
    with pytest.raises(DialogError, match="nothing to read"):
        session.call("read_many", oven, [])


@pytest.mark.parametrize("handles", [[], True, "1", [[1]]])
def test_invalid_handles_are_refused(session: Session, handles: object) -> None:
    with pytest.raises(DialogError, match=r"watlowlib start_recording: handles?=.*: wire "):
        session.call("start_recording", handles, ["pv"], 2.0)
    with pytest.raises(DialogError, match="watlowlib close: handle=.*: wire a whole number"):
        session.call("close", handles)


def test_a_single_handle_is_accepted_and_a_duplicate_is_refused(
    session: Session, line: SimulatedBus
) -> None:
    oven = session.open(line)
    with pytest.raises(DialogError, match="each only once"):
        session.call("start_recording", [oven, float(oven)], ["pv"], 2.0)
    recording = session.call("start_recording", oven, "sp", 100.0, "", 0.01)
    assert session.call("stop_recording", float(recording))[0] == 0


def test_discover_on_a_missing_port_is_an_error(session: Session) -> None:
    with pytest.raises(DialogError, match="watlowlib discover: there is no port '/dev/nowhere'"):
        session.call("discover", "/dev/nowhere", 1)


def test_discover_and_identify(session: Session, line: SimulatedBus) -> None:
    ports, addresses, protocols, speeds, parts = session.call("discover", line.port, 2, "stdbus")
    assert ports == [line.port] * 2
    assert (addresses, protocols, speeds) == ([1, 2], ["stdbus"] * 2, [38400] * 2)
    oven = session.open(line, 2)
    part, family, name, serial, software, loops = session.call("identify", oven)
    assert parts == [part, part]
    assert (family, name, serial, loops) == ("pm", "EZ-ZONE PM", 200002, 1)
    assert software > 0


def test_a_replaced_controller_has_a_status_until_it_is_accepted(
    session: Session, line: SimulatedBus
) -> None:
    oven = session.call("open_controller", line.port, 1, "stdbus", "", "", 0, 1.0)
    assert session.call("identify", oven)[3] == 200001
    line.power_off(1)
    assert session.call("read", oven, "setpoint", 1)[1] == "timeout"
    other = SimulatedController(1, setpoint=300.0)
    other.set("serial_number", 300005)
    line.replace(other)
    value, status = session.call("read", oven, "setpoint", 1)
    assert (math.isnan(value), status) == (True, "other_device")
    assert session.call("read_text", oven, "control_mode", 1) == ("", "other_device")
    with pytest.raises(DialogError, match="expected serial number 200001, found .*300005"):
        session.call("set_setpoint", oven, 90.0, 1, True)
    assert session.call("accept_replacement", oven)[3] == 300005
    assert session.call("read", oven, "setpoint", 1) == (300.0, "ok")


def test_two_threads_call_at_the_same_time(session: Session, line: SimulatedBus) -> None:
    ovens = [session.open(line, address) for address in (1, 2)]

    def reads(thread: int) -> set[tuple[float, str]]:
        return {session.call("read", ovens[thread], "sp", 1, thread=thread) for _ in range(100)}

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(reads, (0, 1))) == [{(75.0, "ok")}, {(80.0, "ok")}]
    session.call("close_all", thread=1)
    with pytest.raises(DialogError, match="is not an open controller"):
        session.call("read", ovens[0], "sp", 1)


def read_rows(path: Path) -> list[list[str]]:
    """Return the rows of a CSV file, and check that all of them are complete."""
    text = path.read_bytes().decode()
    assert text.endswith("\r\n")
    head, *rows = [line.split(",") for line in text.splitlines()]
    assert all(len(row) == len(head) for row in rows)
    return rows


def wait_for_ticks(session: Session, recording: int, ticks: int) -> tuple[Any, ...]:
    """Wait until a recording has this number of ticks or has ended; return its status."""
    deadline = Deadline.after(PATIENCE_S)
    while not deadline.passed():
        status: tuple[Any, ...] = session.call("recording_status", recording, thread=1)
        if status[2] >= ticks or status[0] != 1:
            return status
    raise AssertionError("the recording does not progress")


def test_a_recording_runs_in_the_background(
    session: Session, line: SimulatedBus, tmp_path: Path
) -> None:
    ovens = [session.open(line, address) for address in (1, 2)]
    path = tmp_path / "run.csv"
    recording = session.call("start_recording", ovens, ["sp", "pv"], 50.0, str(path))
    state, seconds, ticks, late, rows, gaps, drift_ms, lost, *_ = wait_for_ticks(
        session, recording, 5
    )
    assert (state, gaps, lost) == (1, 0, 0)
    assert (rows, ticks + late >= 5, seconds > 0, drift_ms >= 0) == (ticks * 4, True, True, True)
    values, statuses, names = session.call("latest", recording)
    assert (values[0], values[2], statuses) == (75.0, 80.0, ["ok"] * 4)
    assert [name.split(maxsplit=1)[1] for name in names] == ["setpoint 1", "process_value 1"] * 2
    # A read on the same line during the recording.
    assert session.call("read", ovens[0], "sp", 1) == (75.0, "ok")
    session.call("set_setpoint", ovens[0], 90.0, 1, True)
    state, _, ticks, _, rows, _, _, _, written, unwritten = session.call(
        "stop_recording", recording
    )
    assert (state, written, unwritten) == (0, rows, 0)
    assert len(read_rows(path)) == rows == ticks * 4
    stored = {str(each.kind) for each in read_events(path)}
    assert stored >= {"recording_started", "parameter_written", "recording_stopped"}
    with pytest.raises(DialogError, match="is not an open recording"):
        session.call("latest", recording)
    assert session.call("read", ovens[0], "sp", 1) == (90.0, "ok")


RIG = """
[ports.line]
port = "{port}"
timeout = 40
temperature_unit = "F"
[controllers.top]
port = "line"
[controllers.bottom]
port = "line"
address = 2
[record]
parameters = ["setpoint"]
rate_hz = 50
show_unit = "C"
[[record.sinks]]
url = "run.csv"
[[record.sinks]]
url = "run.jsonl"
"""


def test_a_rig_file_is_opened_and_recorded_into_its_sinks(
    session: Session, line: SimulatedBus, tmp_path: Path
) -> None:
    file = tmp_path / "rig.toml"
    file.write_text(RIG.format(port=line.port), "utf-8")
    names, handles = session.call("open_rig", str(file))
    assert names == ["top", "bottom"]
    assert [session.call("read", each, "sp") for each in handles] == [(75.0, "ok"), (80.0, "ok")]
    recording = session.call("start_rig_recording", str(file), handles)
    wait_for_ticks(session, recording, 3)
    assert session.call("latest", recording)[2] == ["top setpoint 1", "bottom setpoint 1"]
    rows = session.call("stop_recording", recording)[4]
    assert len(read_rows(tmp_path / "run.csv")) == rows
    lines = (tmp_path / "run.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == rows
    assert {json.loads(line)["unit"] for line in lines} == {"°C"}
    assert session.call("read", handles[1], "sp") == (80.0, "ok")


NO_PORT = """
[controllers.no]
port = "no"
temperature_unit = "F"
[ports.no]
port = "/no"
"""


def test_open_rig_leaves_no_port_open_after_an_error(
    session: Session, line: SimulatedBus, tmp_path: Path
) -> None:
    file = tmp_path / "rig.toml"
    text = RIG.format(port=line.port)
    file.write_text(text.replace("[record]", f"{NO_PORT}[record]"))
    with pytest.raises(DialogError, match="watlowlib open_rig: there is no port '/no'"):
        session.call("open_rig", str(file))
    # The port is free: this process may open it.
    with watlowlib.open_device(line.port, timeout_s=PATIENCE_S) as ctl:
        assert ctl.read_setpoint().value == 75.0


def test_latest_sends_nothing(session: Session, line: SimulatedBus) -> None:
    oven = session.open(line)
    recording = session.call("start_recording", [oven], "sp", 1000.0, "", 0.01)
    while session.call("recording_status", recording)[0] == 1:
        pass
    line.unplug()
    values, statuses, _ = session.call("latest", recording)
    assert (values, statuses) == ([75.0], ["ok"])
    assert session.call("recording_error", recording) == ""
    session.call("close", recording)


def test_invalid_arguments_of_start_recording_are_refused(
    session: Session, line: SimulatedBus, tmp_path: Path
) -> None:
    oven = session.open(line)
    with pytest.raises(DialogError, match="there is no folder"):
        session.call("start_recording", [oven], ["pv"], 2.0, str(tmp_path / "no" / "run.csv"))
    with pytest.raises(DialogError, match="the file extension selects the format"):
        session.call("start_recording", [oven], ["pv"], 2.0, "run.tdms")
    with pytest.raises(DialogError, match="is not an open controller"):
        session.call("start_recording", [oven, 77], ["pv"], 2.0)
    with pytest.raises(DialogError, match="rate_hz"):
        session.call("start_recording", [oven], ["pv"], 0.0)


def test_recording_error_gives_the_reason_of_a_failure(
    session: Session, line: SimulatedBus, tmp_path: Path
) -> None:
    oven = session.open(line)
    path = tmp_path / "run.sqlite"
    recording = session.call("start_recording", [oven], ["pv"], 100.0, str(path))
    wait_for_ticks(session, recording, 150)
    with closing(sqlite3.connect(path, timeout=PATIENCE_S)) as database:
        deadline = Deadline.after(PATIENCE_S)
        while not database.execute("SELECT name FROM sqlite_master").fetchall():
            assert not deadline.passed()
        database.execute("DROP TABLE samples")
        database.commit()
    assert wait_for_ticks(session, recording, 10**9)[0] == -1
    assert "no such table" in session.call("recording_error", recording)
    with pytest.raises(DialogError, match="no such table"):
        session.call("stop_recording", recording)


def test_a_recording_left_open_is_completed_at_the_end_of_the_session(
    session: Session, line: SimulatedBus, tmp_path: Path
) -> None:
    oven = session.open(line)
    path = tmp_path / "run.csv"
    recording = session.call("start_recording", [oven], ["sp"], 100.0, str(path))
    ticks = wait_for_ticks(session, recording, 10)[2]
    assert session.end() == 0
    assert len(read_rows(path)) >= ticks


CLOSED_AT_EXIT = """
import watlowlib.labview

class Thing:
    def close(self):
        print("closed")

watlowlib.labview._recordings.add(Thing())
"""


def test_all_handles_are_closed_when_python_exits() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CLOSED_AT_EXIT],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert done.stdout == "closed\n"


def test_after_a_kill_the_written_rows_can_be_read(
    session: Session, line: SimulatedBus, tmp_path: Path
) -> None:
    oven = session.open(line)
    path = tmp_path / "run.csv"
    recording = session.call("start_recording", [oven], ["sp"], 200.0, str(path))
    wait_for_ticks(session, recording, 200)  # more than one batch of the sink
    session.process.kill()
    session.process.wait(PATIENCE_S)
    assert len(read_rows(path)) >= 64
    with open_session() as next_session:
        old, oven = oven, next_session.open(line)
        with pytest.raises(DialogError, match="from an earlier session"):
            next_session.call("read", old, "sp", 1)
        assert next_session.call("read", oven, "sp", 1) == (75.0, "ok")


def test_the_guide_lists_each_function_with_its_terminals() -> None:
    guide = GUIDE.read_text("utf-8")
    functions = [
        function
        for name, function in inspect.getmembers(watlowlib.labview, inspect.isfunction)
        if not name.startswith("_") and function.__module__ == watlowlib.labview.__name__
    ]
    assert len(functions) == 20
    for function in functions:
        rows = re.search(rf"### `{function.__name__}`\n(.*?)(?=\n###? |\Z)", guide, re.DOTALL)
        assert rows, function.__name__
        terminals = re.findall(r"^\| `(\w+)` \| in", rows[1], re.MULTILINE)
        assert terminals == list(inspect.signature(function).parameters), function.__name__
