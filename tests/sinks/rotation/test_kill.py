"""SIGKILL at each step of a rotation: flushed rows are stored once, and the next open goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sinks.rotation.rotation_process import BATCH
from tests.sinks.samples import FIRST
from watlowlib import open_sink, read_samples

ROOT = Path(__file__).parents[3]
ROTATION = ["prepared", "closed", "renamed", "opened"]
COMPRESSION = ["compressed", "packed", "plain part removed"]
STEPS = {
    "csv": [*ROTATION, *COMPRESSION],
    "jsonl": [*ROTATION, *COMPRESSION],
    "sqlite": ROTATION,
    "parquet": [*ROTATION, "journal renamed"],
}


def values(folder: Path, suffix: str) -> list[float]:
    return [row["value"] for row in read_samples(folder / f"roll*.{suffix}*")]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("suffix", STEPS)
def test_a_kill_at_any_step_loses_and_duplicates_no_row(suffix: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-B", "-m", "tests.sinks.rotation.rotation_process", suffix, tmp_path,
         *STEPS[suffix]],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
        timeout=300, check=True,
    )  # fmt: skip
    written = dict(line.split("=") for line in done.stdout.splitlines())
    assert list(written) == STEPS[suffix]
    for step in STEPS[suffix]:
        folder = tmp_path / step
        found = values(folder, suffix)
        count = len(found)
        assert found == [float(n) for n in range(count)], step
        # The thread of the rotation may kill the program between a write and its report.
        assert 3 * BATCH <= int(written[step]) <= count <= int(written[step]) + BATCH, step
        packed = suffix in ("csv", "jsonl")
        with open_sink(folder / f"roll.{suffix}", rotate="1 day", compress=packed) as sink:
            sink.write_many([replace(FIRST, value=float(count))])
        assert values(folder, suffix) == [float(n) for n in range(count + 1)], step
        left = [each.name for each in folder.iterdir() if each.suffix not in (".gz", f".{suffix}")]
        assert not left, step
