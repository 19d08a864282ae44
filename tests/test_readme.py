"""The README's examples and commands run without changes."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

import watlowlib
from watlowlib import CsvSink, find_devices, read_samples
from watlowlib.cli.main import main
from watlowlib.model import ProtocolKind
from watlowlib.simulator import SimulatedBus, SimulatedController, SimulatedSD
from watlowlib.simulator.bus import Simulated

ROOT = Path(__file__).parents[1]
PACKAGE = Path(watlowlib.__file__).parent
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
(RIG,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.split("  #")[0].strip()
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
WATLOWLIB_COMMANDS = [
    each
    for each in COMMANDS
    if re.match("watlowlib (identify|read|set|record|check|recover|parameters)", each)
]


def modbus_controllers() -> list[Simulated]:
    """Return the Modbus controllers of the examples."""
    return [SimulatedController(3, protocol=ProtocolKind.MODBUS_RTU), SimulatedSD(4)]


def test_the_readme_has_examples_and_commands() -> None:
    assert len(WATLOWLIB_COMMANDS) == 9
    assert len(EXAMPLES) == 8


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_runs_without_changes(
    example: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Long enough for replies on a busy machine.
    monkeypatch.setitem(find_devices.__kwdefaults__, "timeout_s", 1.0)
    monkeypatch.chdir(tmp_path)
    line = [1, 2, *modbus_controllers()]
    with SimulatedBus(line, speed=100.0) as bus, SimulatedBus([1]) as other:
        # Only the ports and the duration of five minutes are replaced.
        example = example.replace("/dev/ttyUSB0", bus.port).replace("/dev/ttyUSB1", other.port)
        rig = RIG.replace("/dev/ttyUSB0", bus.port).replace("duration = 300.0", "duration = 1.0")
        Path("rig.toml").write_text(rig, "utf-8")
        exec(compile(example.replace("duration=300.0", "duration=1.0"), "README.md", "exec"), {})
        output = capsys.readouterr().out
        if "load_rig" in example:
            rows = list(read_samples(tmp_path / "ovens.csv"))
            assert {row["device"] for row in rows} == {"oven_top", "oven_bot"}
        if "set_setpoint" in example:
            assert re.match(r"7\d(\.\d+)? °F \(process_value, instance 1\)\n", output)
            assert output.endswith("PID\nPM3R1CA-AAAAAAA\n")
            assert bus.controllers[1].get("setpoint") == 75.0
        if "find_devices" in example:
            lines = output.splitlines()
            assert [line.split()[0] for line in lines if "DeviceInfo" in line] == [
                "1",
                "2",
                "3",
                "4",
            ]
            assert "process_value" in output
            assert "no reply" in output
        if "ramp_to" in example:
            assert "time_integral=180.0" in output
            # The integral, the set point, the ramp's scale (already held), rate and action.
            assert int(output.splitlines()[-1]) == bus.controllers[1].eeprom_writes == 6
        if "read_samples" in example:
            rows = list(read_samples(tmp_path / "run.parquet"))
            assert 0 < len(rows) <= 10  # ticks skipped on a busy machine have no row
            assert output.splitlines() == [
                f"{row['requested_at']} {row['device']} {row['value']} ok" for row in rows
            ]
        if "SqliteSink" in example:
            ticks = re.search(r"samples_emitted=(\d+), samples_late=(\d+)", output)
            assert ticks, output
            assert int(ticks[1]) + int(ticks[2]) == 2
            recorded = (tmp_path / "run.csv").read_text("utf-8").splitlines()[1:]
            assert len(recorded) == int(ticks[1]) * 3 * 2


LINE_RIG = """
[ports.line1]
port = "{port}"
[controllers.oven]
port = "line1"
[record]
duration = 0.5
[[record.sinks]]
url = "rig.jsonl"
"""


@pytest.mark.parametrize("command", WATLOWLIB_COMMANDS)
def test_a_command_runs_without_changes(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with SimulatedBus([1, 2, *modbus_controllers()]) as bus:
        Path("rig.toml").write_text(LINE_RIG.format(port=bus.port))
        # Only the ports and the duration of eight hours are replaced.
        words = command.replace("/dev/ttyUSB0", bus.port).replace("8h", "1s").split()[1:]
        if words[0] == "recover":
            with CsvSink(words[1]) as sink:
                sink.write_many([])
        assert main(words) == 0
    expected = {
        "parameters": "heat_proportional_band",
        "recover": "the file is complete",
        "record": "0 lost",
        "identify": "PM3R1CA-AAAAAAA",
        "set": "80 (setpoint, instance 1)",
        "check": "rig.jsonl: a new file",
    }
    assert expected.get(words[0], "process_value") in capsys.readouterr().out


def test_the_first_two_commands_record_and_test() -> None:
    first, second = COMMANDS[:2]
    assert first.startswith("python3 -m venv ")
    assert first.endswith("watlowlib record --simulate 3 --duration 10 -o run.sqlite")
    assert second.startswith("python3 -m venv ")
    assert second.endswith("pytest -n 6")


def test_contributing_names_every_package_and_module() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    parts = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py"}
    parts |= {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    unnamed = {part for part in parts if f"`{part}`" not in guide}
    assert unnamed == {"__init__.py", "__main__.py"}
