"""The README is short, and its example and commands run without changes."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

import watlowlib
from tests.pages import README, blocks, commands
from watlowlib import read_samples
from watlowlib.cli.main import main
from watlowlib.simulator import SimulatedBus

PACKAGE = Path(watlowlib.__file__).parent
LINE_COMMANDS = [each for each in commands(README) if "/dev/ttyUSB0" in each]


def test_the_readme_is_short() -> None:
    assert README.read_text("utf-8").count("\n") < 150
    assert len(LINE_COMMANDS) == 3


def test_the_example_prints_what_its_comments_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = [each.text for each in blocks(README) if each.kind == "python"]
    monkeypatch.chdir(tmp_path)
    with SimulatedBus([1], speed=100.0) as bus:
        # Only the port and the duration of a minute are replaced.
        example = example.replace("/dev/ttyUSB0", bus.port).replace("60.0", "1.0")
        exec(compile(example, "README.md", "exec"), {})
        assert bus.controllers[1].get("setpoint") == 75.0
    first, second, third = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"7\d(\.\d+)? °F \(process_value, instance 1\)", first)
    written = re.fullmatch(r"SqliteSink\('run.sqlite'\): (\d+) rows written, 0 lost", second)
    assert written, second
    assert int(written[1]) == len(list(read_samples("run.sqlite"))) > 0
    assert third.endswith(f" 0 of {written[1]} reads without a value")


@pytest.mark.parametrize("command", LINE_COMMANDS)
def test_a_command_runs_without_changes(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with SimulatedBus([1, 2]) as bus:
        # Only the port and the duration of eight hours are replaced.
        words = command.replace("/dev/ttyUSB0", bus.port).replace("8h", "1s").split()[1:]
        assert main(words) == 0
    expected = {"record": "0 lost", "set": "80 (setpoint, instance 1)", "read": "process_value"}
    assert expected[words[0]] in capsys.readouterr().out


def test_the_first_two_commands_record_and_test() -> None:
    first, second = [each.text for each in blocks(README) if each.kind == "sh"][:2]
    assert first.startswith("python3 -m venv ")
    assert first.endswith("watlowlib record --simulate 3 --duration 10 -o run.sqlite\n")
    assert second.startswith("python3 -m venv ")
    assert second.endswith("pytest -n 6\n")


def test_contributing_names_every_package_and_module() -> None:
    guide = (README.parent / "CONTRIBUTING.md").read_text("utf-8")
    parts = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py"}
    parts |= {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    unnamed = {part for part in parts if f"`{part}`" not in guide}
    assert unnamed == {"__init__.py", "__main__.py"}
