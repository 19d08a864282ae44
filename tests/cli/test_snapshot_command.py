"""`watlowlib snapshot`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from tests.snapshots.settings import entry, snapshot
from watlowlib import snapshots
from watlowlib.cli import snapshot as module
from watlowlib.cli.main import main
from watlowlib.simulator import SimulatedBus
from watlowlib.snapshots import Change


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A snapshot of a PM whose set point is 80."""
    path = tmp_path / "ctl.json"
    settings = (entry("setpoint", 80.0), entry("heat_algorithm", 62))
    snapshots.save(snapshot(*settings, entry("display_read_lock", 3)), path)
    return str(path)


def test_all_parameters_are_stored_and_compared(
    bus: SimulatedBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (str(tmp_path / f"{n}.json") for n in (1, 2))
    bus.controllers[2].set("setpoint", 80.0)
    bus.controllers[2].set("heat_algorithm", 62)
    assert main(["snapshot", bus.port, "-o", one, "--unit", "F"]) == 0
    assert capsys.readouterr().out.startswith(f"{one}: 458 values of 1@")
    assert main(["snapshot", bus.port, "--address", "2", "-o", two, "--unit", "F", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["values"], row["serial_number"]) == (458, 200002)

    assert main(["snapshot", "--diff", one, two]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0][-2:] == ["1.json", "2.json"]
    assert lines[1:3] == [
        ["setpoint", "7001", "1", "setpoint", "75", "°F", "80", "°F"],
        ["heat_algorithm", "8003", "1", "loop", "PID", "(71)", "Off", "(62)"],
    ]
    assert main(["snapshot", "--diff", one, two, "--json"]) == 0
    rows = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert "serial_number" not in {each["parameter"] for each in rows}
    assert rows[0] == {
        "parameter": "setpoint",
        "parameter_id": 7001,
        "instance": 1,
        "kind": "setpoint",
        "before": 75.0,
        "after": 80.0,
        "unit": "°F",
    }
    assert main(["snapshot", "--diff", one, two, "--all", "--json"]) == 0
    rows = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert "serial_number" in {each["parameter"] for each in rows}
    assert main(["snapshot", "--diff", one, one, "--all"]) == 0
    assert capsys.readouterr().out == "no differences\n"


@pytest.mark.parametrize(("text", "code", "held"), [("y\n", 0, 80.0), ("n\n", 1, 75.0)])
def test_restoring_shows_the_writes_and_asks(
    text: str,
    code: int,
    held: float,
    bus: SimulatedBus,
    file: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert main(["snapshot", "--restore", file, bus.port]) == code
    shown = capsys.readouterr().err
    assert "not restored: display_read_lock (3010) instance 1: a lock parameter" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert ["setpoint", "7001", "1", "setpoint", "75", "80"] in rows
    assert "Write 2 values to 1@" in shown
    assert bus.controllers[1].get("setpoint") == held


def test_a_controller_that_stores_no_writes_is_a_warning(
    bus: SimulatedBus, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["snapshot", "--restore", file, bus.port, "--yes"]
    bus.controllers[1].set("non_volatile_save", 59)
    assert main(words) == 0
    assert "warning: 1@" in (shown := capsys.readouterr().err)
    assert "non_volatile_save (17051) is No: what is written is lost when" in shown
    assert main(words) == 0  # nothing is written
    bus.controllers[1].set("non_volatile_save", 106)
    bus.controllers[1].set("setpoint", 75.0)
    assert main(words) == 0
    assert "is lost" not in capsys.readouterr().err


def test_yes_restores_without_a_question(
    bus: SimulatedBus, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["snapshot", "--restore", file, bus.port, "--yes", "--include", "read_lock", "--json"]
    assert main(words) == 0
    rows = list(map(json.loads, capsys.readouterr().out.splitlines()))
    assert [(each["parameter"], each["after"], each["error"]) for each in rows] == [
        ("heat_algorithm", 62, None),
        ("setpoint", 80.0, None),
        ("display_read_lock", 3, None),
    ]
    assert main(["snapshot", "--restore", file, bus.port, "--yes"]) == 0
    assert "0 values written and verified" in capsys.readouterr().out


def test_a_refused_value_ends_with_1(
    bus: SimulatedBus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "high.json"
    snapshots.save(snapshot(entry("setpoint", 300.0), entry("heat_algorithm", 62)), path)
    bus.controllers[1].set("setpoint_maximum", 200.0)
    assert main(["snapshot", "--restore", str(path), bus.port, "--yes"]) == 1
    output = capsys.readouterr()
    assert "setpoint (7001) instance 1: refused: setpoint (7001) within" in output.err
    assert "1 value written" in output.out
    assert bus.controllers[1].get("heat_algorithm") == 62


def test_after_ctrl_c_the_count_is_printed(
    bus: SimulatedBus,
    file: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = module._name

    def interrupt(change: Change) -> str:
        if change.name == "setpoint":
            raise KeyboardInterrupt
        return name(change)

    monkeypatch.setattr(module, "_list_left_out", list)
    monkeypatch.setattr(module, "_name", interrupt)
    assert main(["snapshot", "--restore", file, bus.port, "--yes"]) == 130
    assert "2 of 2 values written; the same command" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("PORT", 2, "give one of -o FILE"),
        ("PORT -o FOLDER/a.json --restore FILE", 2, "give one of -o FILE"),
        ("PORT --diff FILE FILE", 2, "takes two files and no port"),
        ("PORT -o FILE", 1, "exists already"),
        ("PORT -o FOLDER/none/a.json", 1, "no such folder"),
        ("--restore FOLDER/none.json PORT", 2, "none.json"),
        ("PORT -o FOLDER/a.json --address 1,2", 2, "select one controller"),
        ("PORT --restore FILE --include setpont", 2, "did you mean"),
        ("PORT --restore FILE --unit C --yes", 2, "scale"),
        ("PORT -o FOLDER/a.json --address 9 --timeout 0.05", 3, "no reply"),
    ],
)
def test_an_unusable_argument_writes_nothing(
    words: str,
    code: int,
    message: str,
    bus: SimulatedBus,
    file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = words.replace("PORT", bus.port).replace("FILE", file).replace("FOLDER", str(tmp_path))
    assert main(["snapshot", *given.split()]) == code
    assert message in capsys.readouterr().err
    assert bus.controllers[1].writes == []
    assert not (tmp_path / "a.json").exists()
