"""The examples of the page about testing run as they are, with the fixtures of the plugin."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing.md").read_text("utf-8")
FILES = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE, re.DOTALL))
RIG = """
ports.line1.port = "/dev/ttyUSB0"
controllers.oven_top.port = "line1"
controllers.oven_bot = {port = "line1", address = 2}
"""
WRONG = """
from oven import preheat

def test_wrong(watlow_bus):
    preheat(watlow_bus.port, 150.0)
    watlow_bus.assert_written("setpoint", 250.0, times=1)

def test_two_ovens(two_ovens):
    assert list(two_ovens.controllers) == [1, 2]
"""
MESSAGE = re.search(r"```text\n(AssertionError.*?)```", PAGE, re.DOTALL)


def test_the_examples_run_and_a_failure_shows_what_was_written(tmp_path: Path) -> None:
    assert set(FILES) == {
        "oven.py", "test_oven.py", "conftest.py", "logger.py", "test_logger.py",
        "test_with_unittest.py", "test_rig.py",
    }  # fmt: skip
    for name, text in {**FILES, "rig.toml": RIG, "test_wrong.py": WRONG}.items():
        (tmp_path / name).write_text(text, "utf-8")
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error",
            # Also where the entry point is not installed.
            "-p", "no:watlowlib", "-p", "watlowlib._pytest_plugin",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=55, check=False,
    )  # fmt: skip
    assert MESSAGE is not None
    shown = re.sub(r"(?m)^E +", "", done.stdout).replace("\n  ", "\n")
    assert MESSAGE[1].replace("\n  ", "\n") in shown, done.stdout + done.stderr
    assert re.search(r"\n1 failed, 10 passed in", done.stdout), done.stdout + done.stderr
    assert (tmp_path / "rig.toml").read_text("utf-8") == RIG
