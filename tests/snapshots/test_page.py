"""The example of the page about snapshots runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from watlowlib.simulator import SimulatedBus

PAGE = (Path(__file__).parents[2] / "docs" / "snapshots.md").read_text("utf-8")


def test_the_example_restores_what_it_changes(
    bus: SimulatedBus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example.replace("/dev/ttyUSB0", bus.port), "snapshots.md", "exec"), {})
    assert capsys.readouterr().out == "heat_proportional_band 25.0 31.0\n1 written 0 refused\n"
    assert bus.controllers[1].get("heat_proportional_band") == 25.0
