"""The examples run without changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from watlowlib import read_samples
from watlowlib.simulator import SimulatedBus, SimulatedController

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_example_records_watlow_and_alicat_into_one_table(tmp_path: Path) -> None:
    path = tmp_path / "mixed.sqlite"
    ovens = [SimulatedController(1, setpoint=200.0), SimulatedController(2, setpoint=100.0)]
    with SimulatedBus(ovens, turnaround_s=(0.0, 0.0)) as bus:
        output = subprocess.run(
            [sys.executable, str(EXAMPLES / "mixed_watlow_alicat_sqlite.py"), bus.port, str(path)],
            capture_output=True, text=True, check=True, timeout=50,
        ).stdout  # fmt: skip
    lines = [line.split() for line in output.splitlines()]
    assert [line[:2] for line in lines] == [
        ["argon", "mass_flow"],
        ["argon", "setpoint"],
        ["oven_bot", "process_value"],
        ["oven_bot", "setpoint"],
        ["oven_top", "process_value"],
        ["oven_top", "setpoint"],
    ]
    means = [float(line[2]) for line in lines]
    assert means[:2] == [10.0, 10.0]
    assert (means[3], means[5]) == (100.0, 200.0)
    rows = list(read_samples(path))
    assert {row["protocol"] for row in rows} == {"alicat", "stdbus"}
    assert len([row for row in rows if row["device"] == "argon"]) == 6
