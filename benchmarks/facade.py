"""Reads through `watlowlib.sync`, beside `open_device` and beside the library that it mirrors.

That library has the same import name, so it is installed in an environment of its own, which needs
Python 3.13 and the network. Where it cannot be installed it is left out. Each contestant is a
process of its own, with a device that replies at once; they read in turn.

    python benchmarks/facade.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from figures import HEADER, Figure, Size, alternate, cells, figure
from harness import in_another_process, print_table
from reads import serve_replies

REFERENCE = "watlowlib==0.8.1"
PYTHON = "python3.13"
INSTALL_S = 60
END_S = 10
SCRIPT = Path(__file__).with_name("facade_reads.py")

Measure = Callable[[], tuple[float, float]]


def install_reference(folder: str) -> str | None:
    """Return the interpreter of a new environment with the library; None where that fails."""
    # As .ci/run looks for it: on the path, or installed by pyenv, whose scripts are on the path.
    installed = sorted(Path.home().glob(f".pyenv/versions/3.13.*/bin/{PYTHON}"))
    here = sys.executable if sys.version_info >= (3, 13) else shutil.which(PYTHON)
    here = str(installed[-1]) if installed and sys.version_info < (3, 13) else here
    python = Path(folder) / "bin" / "python"
    try:
        for command in (
            [here or PYTHON, "-m", "venv", folder],
            [str(python), "-m", "pip", "install", "--quiet", REFERENCE],
        ):
            subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_S)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{REFERENCE} is left out: {error}", file=sys.stderr)
        return None
    return str(python)


def contestant(stack: ExitStack, python: str, interface: str, reads: int) -> Measure:
    """Return a function that measures one round of a contestant: seconds, of the processor."""
    port = stack.enter_context(in_another_process(serve_replies, 0.0))
    process = stack.enter_context(
        subprocess.Popen(
            [python, "-E", str(SCRIPT), interface, port, str(reads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: text for name, text in os.environ.items() if name != "PYTHONPATH"},
        )
    )
    stack.callback(process.kill)

    def measure() -> tuple[float, float]:
        assert process.stdin is not None
        assert process.stdout is not None
        print(file=process.stdin, flush=True)
        wall_s, cpu_s = map(float, process.stdout.readline().split())
        return wall_s, cpu_s

    return measure


def figures(size: Size) -> Iterator[Figure]:
    """Yield reads per second and processor time of the facade."""
    with ExitStack() as stack:
        reads = size.of(5, 100, 500)
        add = partial(contestant, stack, reads=reads)
        contestants = {
            "open_device": add(sys.executable, "direct"),
            "sync": add(sys.executable, "sync"),
        }
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        reference = None if size is Size.TINY else install_reference(folder)
        if reference is not None:
            contestants["reference"] = add(reference, "sync")
        results = alternate(contestants, size.of(2, 7, 20))
    for peer in list(results)[::2]:
        for text, unit, column, target in (
            ("read_pv", "reads/s", 0, {"open_device": ">= 0.9", "reference": ">= 1"}[peer]),
            ("read_pv, processor time", "us/read", 1, ""),
        ):
            ours, theirs = (
                [1 / each[0] if column == 0 else each[1] * 1e6 for each in results[name]]
                for name in ("sync", peer)
            )
            yield figure(text, ours, unit, peer, theirs, target)


def main() -> None:
    print_table(HEADER, cells(figures(Size.FULL)))


if __name__ == "__main__":
    main()
