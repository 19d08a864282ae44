"""The examples run without changes."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

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


EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbformat.validate(notebook)
nbclient.NotebookClient(notebook, timeout=40).execute()
print(nbformat.writes(notebook))
"""


def test_the_notebook_records_and_draws(tmp_path: Path) -> None:
    for module in ("nbformat", "nbclient", "ipykernel", "matplotlib", "pyarrow"):
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    path = EXAMPLES / "recording.ipynb"
    assert '"output_type"' not in path.read_text("utf-8")  # stored without outputs
    # In a process of its own: the client of the kernel leaves sockets open.
    output = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(path)], cwd=tmp_path,
        stdout=subprocess.PIPE, text=True, check=True, timeout=50,
    ).stdout  # fmt: skip
    kinds = {
        "".join(cell["source"]): [list(each.get("data", {})) for each in cell["outputs"]]
        for cell in json.loads(output)["cells"]
        if cell["cell_type"] == "code"
    }
    (table,) = kinds["oven.read_pv()"]
    assert sorted(table) == ["text/html", "text/plain"]
    (live,) = (found for text, found in kinds.items() if "live(stream" in text)
    assert ["image/png" in each for each in live] == [True, False]  # one picture, and the summary
    assert list(tmp_path.iterdir()) == []
