"""The page about the diagnosis names every check, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import watlowlib.diagnosis
from watlowlib.diagnosis import line
from watlowlib.simulator import SimulatedBus

PAGE = (Path(__file__).parents[2] / "docs" / "doctor.md").read_text("utf-8")
CHECKS = set(re.findall(r"^\| ([a-z ]+) \| ", PAGE, re.MULTILINE)) - {"check"}


def test_the_page_has_every_check() -> None:
    folder = Path(watlowlib.diagnosis.__file__).parent
    source = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    named = re.findall(r'\bFinding\(\s*"([a-z ]+)"|\bcheck = "([a-z ]+)"', source)
    assert {first or second for first, second in named} == CHECKS


def test_the_example_runs(
    bus: SimulatedBus, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(line, "LISTEN_S", 0.05)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example.replace("/dev/ttyUSB0", bus.port), "doctor.md", "exec"), {})
    # A port that ignores the baud rate and one controller in order.
    assert "problem" not in capsys.readouterr().out
