"""Import times of pyserial, the package, and the names that scripts use.

    python benchmarks/import_time.py [--rounds 20]

Each import runs in a new interpreter, with compiled modules, as after an installation. `site` is
imported, but does not look for .pth files: the finder of an editable installation would import a
part of the standard library in the bare interpreter, too. The imports alternate, so that other
load on the machine affects all of them. The output is the median, and its difference to the median
of a bare interpreter in the same run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import serial
from figures import Figure, Size, alternate, figure
from harness import percentile, print_ratios, print_table

import watlowlib

BARE = "pass"
PACKAGE = "import watlowlib"
IMPORTS = {
    "bare interpreter": BARE,
    "import serial": "import serial",
    PACKAGE: PACKAGE,
    "from watlowlib import open_device": "from watlowlib import open_device",
    "... and manager, record, pipe": "from watlowlib import WatlowManager, record, pipe",
    "every public name": "from watlowlib import *",
    "import watlowlib.sync": "import watlowlib.sync",
    "import watlowlib.labview": "import watlowlib.labview",
}
OPEN_DEVICE_MS, FIRST_READ_MS = 40.0, 3.0
READS = """
import time
from watlowlib import open_device
from watlowlib.transport.scripted import ScriptedTransport
reply = bytes.fromhex("55FF060010000B8802030104010108451E3CD4A728")
with open_device(ScriptedTransport(lambda request: [reply])) as controller:
    times_s = [time.perf_counter()]
    for _ in range(2):
        controller.read_pv()
        times_s.append(time.perf_counter())
start_s, first_s, second_s = times_s
print(first_s - start_s - (second_s - first_s))
"""
"""Prints by how many seconds the first read is slower than the second."""


def command(script: str) -> list[str]:
    return [sys.executable, "-S", "-c", f"import site\n{script}"]


def environment_with(cache: str) -> dict[str, str]:
    """Return the environment of an interpreter that compiles into `cache`."""
    folders = {str(Path(module.__file__ or "").parents[1]) for module in (watlowlib, serial)}
    path = os.pathsep.join(folders)
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONPATH": path}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def time_ms(script: str, environment: dict[str, str]) -> float:
    start_s = time.perf_counter()
    subprocess.run(command(script), check=True, env=environment)
    return (time.perf_counter() - start_s) * 1e3


def first_read_ms(environment: dict[str, str]) -> float:
    return float(subprocess.check_output(command(READS), env=environment)) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure import times.")
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as cache:
        environment = environment_with(cache)
        for script in IMPORTS.values():
            time_ms(script, environment)
        first_read_ms(environment)
        first_reads_ms: list[float] = []
        times: dict[str, list[float]] = {name: [] for name in IMPORTS}
        for _ in range(rounds):
            for name, script in IMPORTS.items():
                times[name].append(time_ms(script, environment))
            first_reads_ms.append(first_read_ms(environment))
    median = {name: percentile(each, 50) for name, each in times.items()}
    bare = median["bare interpreter"]
    print_table(
        ("median of new interpreters", "ms", "ms above bare"),
        [(name, f"{ms:.1f}", f"{ms - bare:.1f}") for name, ms in median.items()],
    )
    print_ratios(
        (
            "import open_device above bare / 40 ms",
            (median["from watlowlib import open_device"] - bare) / OPEN_DEVICE_MS,
            "<=",
            1.0,
        ),
        (
            "first read_pv above the second / 3 ms",
            percentile(first_reads_ms, 50) / FIRST_READ_MS,
            "<=",
            1.0,
        ),
    )


def figures(size: Size) -> Iterator[Figure]:
    """Yield the milliseconds of each import above a bare interpreter."""
    with tempfile.TemporaryDirectory() as cache:
        environment = environment_with(cache)
        contestants = {
            name: partial(time_ms, script, environment) for name, script in IMPORTS.items()
        }
        alternate(contestants, 1)  # compiles the modules
        times = alternate(contestants, size.of(1, 3, 20))
    bare = times.pop("bare interpreter")
    above = {name: [ms - low for ms, low in zip(each, bare)] for name, each in times.items()}
    peer = above.pop("import serial")
    for name, each in above.items():
        if name == "from watlowlib import open_device":
            yield figure(name, each, "ms", target="<= 40")
        else:
            yield figure(name, each, "ms", "import serial", peer)


if __name__ == "__main__":
    main()
