"""The suite of benchmarks: figures, failures, deadlines, Ctrl-C, and the page."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no ptys")

FOLDER = Path(__file__).parents[1] / "benchmarks"
DEADLINE_S = 50.0

YIELD_ONE = """
import os, signal, threading
from figures import figure
def figures(size):
    yield figure("first", [2.0], "rows/s")
"""
BENCHMARKS = {
    "failing": "    raise ValueError('no port')",
    "endless": "    threading.Event().wait()",
    "interrupting": "    os.kill(os.getppid(), signal.SIGINT); threading.Event().wait()",
}


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return the module, with benchmarks that yield a figure and then do not end well."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    suite = importlib.import_module("suite")
    for name, rest in BENCHMARKS.items():
        (tmp_path / f"{name}.py").write_text(YIELD_ONE + rest)
        deadline_s = 3.0 if name == "endless" else 60.0
        benchmark = suite.Benchmark(name, f"Is {name}.", quick_s=deadline_s)
        monkeypatch.setitem(suite.BENCHMARKS, name, benchmark)
    return suite


def test_a_figure_compares_its_rounds_with_those_of_the_peer(suite: Any) -> None:
    measured = suite.importlib.import_module("figures").figure
    # The ratios of the rounds are 0.5, 0.9 and 2.
    each = measured("reads", [10.0, 90.0, 100.0], "1/s", "bare", [20.0, 100.0, 50.0], ">= 0.8")
    assert (each.value, each.peer_value, each.ratio, each.reached) == (90.0, 50.0, 0.9, True)
    assert each.spread == pytest.approx((95.0 - 50.0) / 2 / 90.0)
    assert measured("import", [50.0], "ms", target="<= 40").reached is False
    assert measured("wrong", [0.0], "%", "bare", [0.0], "<= 1").ratio is None


def test_the_suite_measures_in_processes(suite: Any) -> None:
    outcomes, interrupted = suite.run_all(["codec", "sinks"], suite.Size.TINY)
    assert [each.failure for each in outcomes.values()] == ["", ""]
    names = [each.name for each in outcomes["sinks"].figures]
    assert names == [f"csv, batches of {size}" for size in ("1", "64", "1,000", "10,000")]
    assert len(outcomes["codec"].figures) == 4
    assert not interrupted


def test_the_suite_continues_after_a_failure_and_a_deadline(suite: Any) -> None:
    outcomes, _ = suite.run_all(["failing", "endless"], suite.Size.QUICK)
    assert [each.name for each in outcomes["failing"].figures] == ["first"]
    assert outcomes["failing"].failure == "ValueError: no port"
    assert outcomes["endless"].failure == "not complete after 3 s"
    page = suite.page(outcomes, suite.conditions(suite.Size.QUICK))
    assert "`python -m benchmarks --quick --page` has written this page" in page
    assert "## Failing\n\nIs failing.\n\nNot complete: ValueError: no port\n" in page
    assert "| first | 2 |  | rows/s |" in page


def test_ctrl_c_ends_the_suite_with_the_figures_so_far(suite: Any, tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(
        f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import suite\n"
        "for name in ('interrupting', 'failing'):\n"
        "    suite.BENCHMARKS[name] = suite.Benchmark(name, '')\n"
        "sys.argv[1:] = ['--json', '--only', 'interrupting', 'failing']\n"
        "suite.main()\n"
    )
    done = subprocess.run(
        [sys.executable, str(tmp_path / "run.py")],
        capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    printed = json.loads(done.stdout)
    assert [each["name"] for each in printed["figures"]["interrupting"]] == ["first"]
    assert printed["failures"] == {"interrupting": "ended by Ctrl-C"}
