"""The commands with a rig file: read, record, set, identify, check, init and simulate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from watlowlib import load_rig, read_samples
from watlowlib.cli.main import main
from watlowlib.simulator import SimulatedBus

RIG = """
[ports.line1]
port = "{port}"
temperature_unit = "F"
timeout = 0.1
retries = 0
[controllers.oven_top]
port = "line1"
address = 1
[controllers.oven_bot]
port = "line1"
address = 2
[record]
parameters = ["setpoint", "heat_algorithm"]
rate_hz = 2.0
duration = 0.4
[[record.sinks]]
url = "run.jsonl"
"""

RULES = """
[[rules]]
name = "top"
when = "oven_top.setpoint == 75"
write = { device = "oven_top", parameter = "setpoint", value = 30, confirm = true }
"""


@pytest.fixture
def rig(bus: SimulatedBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A rig file in the working directory, for the controllers 1 and 2 on `bus`."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rig.toml"
    path.write_text(RIG.format(port=bus.port))
    return path


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_read_reads_the_parameters_of_the_file(
    rig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", "--config", "rig.toml"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        [name, *cells]
        for name in ("oven_top", "oven_bot")
        for cells in (
            ["setpoint", "1", "75.00", "°F", "ok"],
            ["heat_algorithm", "1", "PID", "(71)", "ok"],
        )
    ]


def test_options_beat_the_file(rig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = "read --config rig.toml --name oven_bot --unit C --parameter sp --json"
    assert main(words.split()) == 0
    (row,) = rows(capsys)
    assert (row["device"], row["parameter"], row["unit"]) == ("oven_bot", "setpoint", "°C")
    assert (row["value"], row["status"]) == (75.0, "ok")


@pytest.mark.parametrize(
    ("option", "devices"),
    [
        ("--address 2", {"oven_bot"}),
        ("--address 1-16", {"oven_top", "oven_bot"}),
        ("--name oven_top", {"oven_top"}),
    ],
)
def test_name_and_address_select_controllers(
    option: str, devices: set[str], rig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(f"read --config rig.toml --json {option}".split()) == 0
    assert {row["device"] for row in rows(capsys)} == devices


def test_an_unknown_name_is_refused_with_the_nearest(
    rig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["read", "--config", "rig.toml", "--name", "oven_tpo"]) == 2
    assert "did you mean 'oven_top'" in capsys.readouterr().err


def test_record_writes_the_sinks_of_the_file(rig: Path) -> None:
    assert main(["record", "--config", "rig.toml"]) == 0
    devices = [(row["device"], row["parameter"]) for row in read_samples("run.jsonl")]
    assert devices[:2] == [("oven_top", "setpoint"), ("oven_top", "heat_algorithm")]


def test_an_output_beats_the_sinks_of_the_file(rig: Path) -> None:
    words = "record --config rig.toml -o a.csv -o b.sqlite --parameter pv --rate 40"
    assert main(words.split()) == 0
    assert not Path("run.jsonl").exists()
    found = [list(read_samples(name)) for name in ("a.csv", "b.sqlite")]
    assert found[0]
    assert len(found[0]) == len(found[1])
    assert {row["parameter"] for row in found[0]} == {"process_value"}


def test_record_evaluates_the_rules_of_the_file(
    rig: Path,
    bus: SimulatedBus,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = RULES.replace("top", "bot").replace("oven_bot.setpoint", "oven_bot.heat_algorithm")
    rig.write_text(RIG.format(port=bus.port) + RULES + other, "utf-8")
    assert main("record --config rig.toml --parameter setpoint".split()) == 0
    output = capsys.readouterr()
    assert "rule bot is not evaluated: heat_algorithm is not recorded" in output.out + output.err
    assert bus.controllers[1].get("setpoint") == 30.0
    assert bus.controllers[2].get("setpoint") == 75.0
    assert "rule top: oven_top.setpoint == 75; it is 75 °F" in caplog.text
    assert main("record --config rig.toml --show-unit C".split()) == 2
    assert "leave --show-unit out" in capsys.readouterr().err


def test_set_writes_to_the_controller_of_that_name(rig: Path, bus: SimulatedBus) -> None:
    assert main("set --config rig.toml --name oven_bot setpoint 80 --yes".split()) == 0
    assert [bus.controllers[n].get("setpoint") for n in (1, 2)] == [75.0, 80.0]


def test_set_refuses_several_controllers(rig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("set --config rig.toml setpoint 80 --yes".split()) == 2
    assert "select one controller" in capsys.readouterr().err


def test_check_reports_each_problem_with_advice(
    rig: Path, bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.write_text(rig.read_text().replace("run.jsonl", "nowhere/run.jsonl"))
    bus.power_off(2)
    assert main(["check", "rig.toml"]) == 1
    output = capsys.readouterr()
    assert "ok      oven_top: replies at address 1: PM3R1CA-AAAAAAA" in output.out
    assert "PROBLEM oven_bot: no reply; is the controller" in output.out
    assert "nowhere'; make it first" in output.out
    assert "2 problems found" in output.err
    assert sorted(path.name for path in rig.parent.iterdir()) == ["rig.toml"]


def test_check_accepts_a_rig_that_works(rig: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "rig.toml", "--json"]) == 0
    found = rows(capsys)
    assert [each["ok"] for each in found] == [True] * 4
    assert [each["kind"] for each in found] == ["controller", "controller", "line", "output"]
    assert sorted(path.name for path in rig.parent.iterdir()) == ["rig.toml"]


def test_check_ends_with_3_when_nothing_replies(rig: Path, bus: SimulatedBus) -> None:
    bus.power_off(1)
    bus.power_off(2)
    assert main(["check", "rig.toml"]) == 3


def test_init_writes_a_rig_for_the_controllers_found(
    bus: SimulatedBus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["init", bus.port, "--protocol", "stdbus", "--address", "1-3", "--parity", "E"]
    assert main([*words, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"file": "rig.toml", "ports": [bus.port], "controllers": 2}
    rig = load_rig("rig.toml")
    assert [each.address for each in rig.controllers.values()] == [1, 2]
    assert {each.port for each in rig.ports.values()} == {bus.port}
    before = Path("rig.toml").read_bytes()
    assert main(words) == 1
    assert "exists already" in capsys.readouterr().err
    assert Path("rig.toml").read_bytes() == before


def test_init_writes_nothing_when_nothing_replies(
    bus: SimulatedBus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", bus.port, "--protocol", "stdbus", "--address", "9"]) == 3
    assert list(tmp_path.iterdir()) == []


def test_the_shown_unit_of_the_file_is_used(
    rig: Path, bus: SimulatedBus, capsys: pytest.CaptureFixture[str]
) -> None:
    bus.controllers[1].set("setpoint", 86.0)
    bus.controllers[1].set("communications_display_units", 15)
    rig.write_text(rig.read_text().replace("[record]", '[record]\nshow_unit = "C"'))
    words = "read --config rig.toml --name oven_top --parameter sp --json".split()
    for more, expected in (([], (30.0, "°C")), (["--show-unit", "F"], (86.0, "°F"))):
        assert main([*words, *more]) == 0
        (row,) = rows(capsys)
        assert (row["value"], row["unit"]) == expected
    assert main(["record", "--config", "rig.toml", "--name", "oven_top"]) == 0
    assert "30.00 °C" in capsys.readouterr().out
    units = {row["unit"] for row in read_samples("run.jsonl") if row["parameter"] == "setpoint"}
    assert units == {"°C"}
    assert main(["check", "rig.toml"]) == 0
    assert "\nwarning oven_top: the scale of the wire is declared as °F" in capsys.readouterr().out
