"""The same scripts give the same results with `watlowlib.sync` and with the library it mirrors.

The other library is a distribution of its own with the same import name, so it is installed in
an environment of its own. Each run of a script has a simulated line of its own in its first
state. What the script prints, its exit code and the files it writes are one list of lines; the
lists of the two libraries may only differ as `differences.txt` beside the scripts says: below the
name of a script, each group of adjacent lines that differ has a line with the reason, then the
lines of the other library (-) and ours (+). The cells of times and latencies, and the columns that
only our files have, are left out.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from difflib import SequenceMatcher, ndiff
from functools import cache
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pytest

from tests.reference_line import reference_line
from watlowlib.simulator.processes import BusProcess

parquet = pytest.importorskip("pyarrow.parquet")

REFERENCE = "watlowlib[parquet]==0.8.1"
PYTHON = (3, 13)
"""The oldest Python of that library."""
INSTALL_S = 120
SCRIPT_S = 60

FOLDER = Path(__file__).parents[1] / "reference_scripts"
PAGE = Path(__file__).parents[2] / "docs" / "old_scripts.md"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py"))
FILES_OF = {"20_append": "06_record_to_files"}
"""Scripts that find the files which the other library wrote with another script."""

TIMES = {"t_mono_ns", "t_utc", "requested_at", "received_at", "latency_s"}
OUR_COLUMNS = {"midpoint_at", "status", "tick", "scheduled_at", "value_text"}
"""Columns that only our files have."""

Difference = tuple[list[str], list[str]]
"""Adjacent lines of the other library and ours."""
Table = tuple[dict[str, str], list[dict[str, Any]]]
"""The type of each column, empty where the format has none, and the rows."""


@pytest.fixture(scope="session")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the interpreters of both libraries; skip where the other cannot be installed."""
    if sys.version_info < PYTHON:
        pytest.skip(f"{REFERENCE} needs Python {PYTHON[0]}.{PYTHON[1]}")
    folder = tmp_path_factory.mktemp("reference") / "venv"
    python = folder / "bin" / "python"
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", REFERENCE],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
        except (OSError, subprocess.SubprocessError) as error:
            reason = getattr(error, "stderr", None) or str(error)
            pytest.skip(f"{' '.join(command)}: {reason.strip().splitlines()[-1]}")
    return {"reference": str(python), "ours": sys.executable}


class Runs:
    """The results of the scripts; each script runs once with each library."""

    def __init__(self, pythons: dict[str, str], folder: Path) -> None:
        self._pythons = pythons
        self._folder = folder
        self.lines = cache(self._run)

    def _run(self, script: str, library: str) -> list[str]:
        folder = self._folder / script / library
        folder.mkdir(parents=True)
        if script in FILES_OF:
            self.lines(FILES_OF[script], "reference")
            earlier = self._folder / FILES_OF[script] / "reference"
            shutil.copytree(earlier, folder, dirs_exist_ok=True)
        with BusProcess(reference_line) as bus:
            path = FOLDER / f"{script}.py"
            done = subprocess.run(
                [self._pythons[library], "-E", str(path), bus.port, str(folder)],
                cwd=folder, capture_output=True, text=True, timeout=SCRIPT_S, check=False,
            )  # fmt: skip
            port = bus.port
        lines = [*done.stdout.splitlines(), f"exit {done.returncode}"]
        lines += lines_of_files(folder) if done.returncode == 0 else errors(done.stderr)
        return [line.replace(port, "PORT").replace(str(folder), "FOLDER") for line in lines]


@pytest.fixture(scope="session")
def runs(pythons: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Runs:
    resource_tracker.ensure_running()  # it keeps a descriptor until the program ends
    return Runs(pythons, tmp_path_factory.mktemp("runs"))


def errors(stderr: str) -> list[str]:
    """Return the class of the exception that ended a script."""
    return [line.partition(":")[0] for line in stderr.splitlines()[-1:]]


def lines_of_files(folder: Path) -> Iterator[str]:
    """Yield a line for each column of each table, and for each of its rows."""
    for path in sorted(folder.iterdir()):
        if path.suffix in READERS:
            columns, rows = READERS[path.suffix](path)
            for name, kind in columns.items():
                if name not in OUR_COLUMNS:
                    yield f"{path.name}: {name} {kind}".strip()
            for row in rows:
                cells = {name: row[name] for name in row if name not in TIMES | OUR_COLUMNS}
                yield f"{path.name}: {cells}"


def csv_table(path: Path) -> Table:
    with path.open(newline="") as file:
        columns, *rows = csv.reader(file)
    return dict.fromkeys(columns, ""), [dict(zip(columns, row, strict=True)) for row in rows]


def jsonl_table(path: Path) -> Table:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return dict.fromkeys(rows[0], ""), rows


def sqlite_table(path: Path) -> Table:
    with closing(sqlite3.connect(path)) as database:
        info = database.execute("PRAGMA table_info(ovens)").fetchall()
        rows = database.execute("SELECT * FROM ovens").fetchall()
    columns = {name: kind for _, name, kind, *_ in info}
    return columns, [dict(zip(columns, row, strict=True)) for row in rows]


def parquet_table(path: Path) -> Table:
    table = parquet.read_table(path)
    return {field.name: str(field.type) for field in table.schema}, table.to_pylist()


READERS = {
    ".csv": csv_table,
    ".jsonl": jsonl_table,
    ".sqlite": sqlite_table,
    ".parquet": parquet_table,
}


def differences(reference: list[str], ours: list[str]) -> list[Difference]:
    """Return the lines that differ."""
    matcher = SequenceMatcher(None, reference, ours, autojunk=False)
    return [
        (reference[a:b], ours[c:d]) for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal"
    ]


def expected_differences() -> tuple[dict[str, list[Difference]], set[str]]:
    """Return the remaining differences by script, and all their reasons."""
    expected: dict[str, list[Difference]] = {script: [] for script in SCRIPTS}
    found: list[Difference] = []
    reasons = set()
    for line in (FOLDER / "differences.txt").read_text("utf-8").splitlines():
        kind, text = line[:2], line[2:]
        if kind == "# ":
            reasons.add(text)
            found.append(([], []))
        elif kind in ("- ", "+ "):
            found[-1][kind == "+ "].append(text)
        elif line:
            found = expected[line]
    return expected, reasons


@pytest.mark.reference
@pytest.mark.timeout(INSTALL_S + 4 * SCRIPT_S)
@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_gives_the_same_results_with_both_libraries(script: str, runs: Runs) -> None:
    reference, ours = runs.lines(script, "reference"), runs.lines(script, "ours")
    expected, _ = expected_differences()
    assert differences(reference, ours) == expected[script], "\n".join(ndiff(reference, ours))


def test_the_documentation_lists_every_remaining_difference() -> None:
    table = (
        PAGE.read_text("utf-8").split("## Remaining differences")[1].split("Some differences")[0]
    )
    _, reasons = expected_differences()
    assert reasons == set(re.findall(r"^\| .* \| (.*) \|$", table, re.M)[2:])
