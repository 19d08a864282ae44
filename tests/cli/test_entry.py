"""The entry of the command: signals during the imports, closed pipes, completion."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "watlowlib"]

INTERRUPTED_IMPORT = """
import signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            signal.raise_signal(signal.{signal})

sys.meta_path.insert(0, Interrupt())
from watlowlib.cli.entry import main
main()
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_signal_during_the_imports_prints_no_traceback(name: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT.format(signal=name), "parameters"],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (code, "", "")


@pytest.mark.parametrize(
    "words", ["parameters", "parameters --json", "record --simulate 1 --duration 5 --json"]
)
def test_a_closed_pipe_ends_the_command_quietly(words: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, *words.split()],
        stdout=writer, stderr=subprocess.PIPE, text=True, timeout=50, check=False,
    )  # fmt: skip
    os.close(writer)
    assert done.returncode == 1
    assert "Error" not in done.stderr
    assert "watlowlib:" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_completion_script(shell: str) -> None:
    done = subprocess.run(
        COMMAND, env={**os.environ, "_WATLOWLIB_COMPLETE": f"{shell}_source"},
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert "_WATLOWLIB_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("watlowlib re", {"read", "record", "recover"}),
        ("watlowlib read --protocol mod", {"modbus_rtu"}),
        ("watlowlib read --parameter setpoint,process_v", {"setpoint,process_value"}),
    ],
)
def test_the_shell_completes_commands_options_and_parameters(
    words: str, expected: set[str]
) -> None:
    environment = {
        "_WATLOWLIB_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run(
        COMMAND, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    found = {line.partition(",")[2] for line in done.stdout.splitlines()}
    assert expected <= found, done.stderr
