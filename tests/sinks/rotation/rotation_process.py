"""A program whose forked children are killed at a step of a rotation.

`python rotation_process.py SUFFIX FOLDER STEP...`: a child for each step writes rows to a file in
the folder STEP. It prints the step and the number of rows that were written so far.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from tests.sinks.samples import FIRST
from watlowlib import open_sink
from watlowlib._internal.clock import ManualClock
from watlowlib.sinks.rotation import finisher, steps

BATCH = 5


def write_until_killed(path: Path, step: str) -> None:
    def reached(name: str) -> None:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    steps.reached = reached
    finisher.PATIENCE_S = 300.0  # on a slow machine too, each step is reached
    clock = ManualClock()
    clock.step_wall(1.8e9)
    written = 0
    for days in ([0, 0], [0, 86_400, 86_400]):
        sink = open_sink(path, rotate="1 day", compress=path.suffix in (".csv", ".jsonl"))
        sink._clock = clock  # type: ignore[attr-defined]
        with sink:
            for seconds in days:
                clock.advance(seconds)
                sink.write_many([replace(FIRST, value=float(written + n)) for n in range(BATCH)])
                written += BATCH
                os.write(1, f"{path.parent.name}={written}\n".encode())
        if path.exists():  # the slot of its last change is the present one
            os.utime(path, (clock.utc().timestamp(),) * 2)


def main(suffix: str, folder: str, *kill_at: str) -> None:
    if suffix == "parquet":
        import pyarrow.dataset
        import pyarrow.parquet  # noqa: F401 - loaded once for all children
    for step in kill_at:
        if not (pid := os.fork()):
            try:
                path = Path(folder) / step / f"roll.{suffix}"
                path.parent.mkdir()
                write_until_killed(path, step)
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status), f"the child was not killed at {step!r}"


if __name__ == "__main__":
    main(*sys.argv[1:])
